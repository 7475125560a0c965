"""What clients send over the WebSocket."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Final, NamedTuple, TypeVar

from pydantic import Field

from chalicelib.domain.errors import Code, FieldError, InvalidRequestError
from chalicelib.wire.fields import (
    SEQ_MAX,
    TEXT_LENGTH_MAX,
    NullMeans,
    OrderId,
    PrintableText,
    WholeNumber,
    WireModel,
    validated,
)
from chalicelib.wire.json_text import DEFAULT_LIMITS, JsonLimits, members_of_any_shape, parse_object
from chalicelib.wire.known_names import plain_words, refuse_words
from chalicelib.wire.order_fields import ORDER_FIELDS, OrderFields, SwapFields
from chalicelib.wire.resting_fields import meant_fields, names_of
from chalicelib.wire.resting_frames import (
    AmendFields,
    CancelAllFields,
    SubmitBatchFields,
    amend_fields,
    batch_fields,
    filter_fields,
    is_dry,
)


class SubscribeFields(WireModel):
    order_id: OrderId | None = None
    after_seq: Annotated[Annotated[WholeNumber, Field(ge=0, le=SEQ_MAX)], NullMeans(0)] = 0


class UnsubscribeFields(WireModel):
    order_id: OrderId | None = None


class CancelFields(WireModel):
    order_id: OrderId


class PingFields(WireModel):
    """Nothing to say."""


class _RequestFields(WireModel):
    request_id: PrintableText | None = None


ActionFields = (
    OrderFields
    | SubmitBatchFields
    | SubscribeFields
    | UnsubscribeFields
    | CancelFields
    | CancelAllFields
    | AmendFields
    | SwapFields
    | PingFields
)

ACTIONS: Final[Mapping[str, type[ActionFields]]] = {
    "submit": OrderFields,
    "submitBatch": SubmitBatchFields,
    "subscribe": SubscribeFields,
    "unsubscribe": UnsubscribeFields,
    "cancel": CancelFields,
    "amend": AmendFields,
    "cancelAll": CancelAllFields,
    "quote": SwapFields,
    "ping": PingFields,
}
# ``type`` alone is what many a client calls its action.
_NARROWING: Final = plain_words(names_of(OrderFields) - {"type"} | {"types", "status"})
# Without ``seq``, which an event has that is sent back as a cancel.
_IF_SEQ: Final = frozenset({"ifseq", "expectedseq"})


Model = TypeVar("Model", bound=WireModel)


def subscription_fields(model: type[Model], members: dict[str, Any]) -> Model:
    """Return the model of a message about one order or every order: none of what a client thinks of as fewer.

    Raises:
        InvalidRequestError: With one problem per broken rule.
    """
    if members.get("orderId") is None:
        refuse_words(
            members, _NARROWING, "does not select orders here: name an orderId, or nothing for every order"
        )
    return meant_fields(model, members)


def cancel_fields(model: type[Model], members: dict[str, Any]) -> Model:
    """Return the model of a message that cancels one order, without a condition.

    Raises:
        InvalidRequestError: With one problem per broken rule.
    """
    refuse_words(members, _IF_SEQ, "goes with amend alone: a cancel has no condition")
    return meant_fields(model, members)


_READERS: Final[Mapping[str, Callable[[type[Any], dict[str, Any]], Any]]] = {
    "amend": amend_fields,
    "cancel": cancel_fields,
    "cancelAll": filter_fields,
    "ping": validated,
    "submitBatch": batch_fields,
    "subscribe": subscription_fields,
    "unsubscribe": subscription_fields,
}
"""How an action's fields are read, if not by ``meant_fields``."""

_OF_AMEND: Final = names_of(AmendFields) - {"orderId"}
_SWAPPED: Final = ORDER_FIELDS - {"amount"}


class ClientFrame(NamedTuple):
    """One request: what to do, with what, and the client's own mark for the answer.

    Attributes:
        is_dry_run: Only tell what would happen.
    """

    action: str
    fields: ActionFields
    request_id: str | None
    is_dry_run: bool = False


def request_id_of(text: str, limits: JsonLimits = DEFAULT_LIMITS) -> str | None:
    """Return the client's mark, if the frame is sound enough to have one, for an error about the rest."""
    try:
        # The mark counts even if the frame is refused for its shape: it tells the client which one was.
        return validated(_RequestFields, members_of_any_shape(text, limits.bytes_max)).request_id
    except InvalidRequestError:
        return None


def parse_client_frame(text: str, limits: JsonLimits = DEFAULT_LIMITS) -> ClientFrame:
    """Return what a client asks for.

    A frame without ``action`` is a submit if it carries order fields, and a subscribe if it
    carries only an ``orderId``.

    Raises:
        InvalidRequestError: It breaks a rule; every broken rule of the frame is named.
    """
    members = parse_object(text, limits)
    action = members.get("action")
    if action is None:
        action = _implied_action({name for name, value in members.items() if value is not None})
    if not isinstance(action, str) or action not in ACTIONS:
        raise FieldError("action", f"must be one of {', '.join(ACTIONS)}", Code.UNKNOWN_ACTION)
    request_id = _request_id(members)
    is_dry_run = is_dry(members)
    if is_dry_run and action != "submit":
        raise FieldError("dryRun", "goes with submit alone")
    fields = _READERS.get(action, meant_fields)(ACTIONS[action], members)
    return ClientFrame(action, fields, request_id, is_dry_run)


def _request_id(members: Mapping[str, Any]) -> str | None:
    said = members.get("requestId")
    if said is None or (type(said) is str and 0 < len(said) <= TEXT_LENGTH_MAX and said.isprintable()):
        return said  # as nearly always: a model for one text takes three times as long
    return validated(_RequestFields, dict(members)).request_id


def _implied_action(names: AbstractSet[str]) -> str:
    if "orderId" in names and names & _OF_AMEND and not names & _SWAPPED:
        # Neither a new order nor a subscription: an amendment that is dropped would be believed.
        raise FieldError("action", "is required with these fields; did you mean amend?", Code.UNKNOWN_ACTION)
    if names & ORDER_FIELDS:
        return "submit"
    if "orderId" in names:
        return "subscribe"
    raise FieldError("action", f"is required: one of {', '.join(ACTIONS)}", Code.UNKNOWN_ACTION)
