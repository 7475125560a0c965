"""What a connection URL may say beside an order."""

from collections.abc import Mapping, Sequence
from typing import Final

from chalicelib.domain.errors import FieldError
from chalicelib.wire.client_frames import SubscribeFields
from chalicelib.wire.fields import validated
from chalicelib.wire.known_names import plain_name
from chalicelib.wire.order_fields import OrderFields
from chalicelib.wire.resting_fields import names_of

BATCH: Final = "batch"
_YES: Final = "1"
_NO: Final = "0"
_OF_A_SUBSCRIPTION: Final = frozenset({"orderId", "afterSeq"})
# ``type`` alone is said by many a URL.
_MEANT: Final = {plain_name(name): name for name in names_of(OrderFields) - {"type"} | _OF_A_SUBSCRIPTION}


def check_once(values: Mapping[str, Sequence[str]]) -> None:
    """Refuse a URL that says something of ours twice: gateways hand on the last alone.

    Args:
        values: All that the URL says under each name.

    Raises:
        FieldError: It does.
    """
    for name, said in values.items():
        if len(said) > 1 and (name == BATCH or plain_name(name.partition(".")[0]) in _MEANT):
            raise FieldError(name, "must stand once in the URL")


def wants_batches(query: Mapping[str, str]) -> bool:
    """Return whether events that fall together are to travel in one frame.

    Raises:
        FieldError: The parameter is neither 1 nor 0.
    """
    wish = query.get(BATCH, _NO)
    if wish not in {_YES, _NO}:
        raise FieldError(BATCH, "must be 1 or 0")
    return wish == _YES


def check_names(query: Mapping[str, str]) -> None:
    """Refuse a URL without an order that says something of one, or a name in another spelling.

    Its client would wait for an order that was never submitted. Names that are only nearly known stay
    ignored here: gateways and authorizers have parameters of their own.

    Raises:
        FieldError: It does.
    """
    for name in query.keys() - _OF_A_SUBSCRIPTION:
        meant = _MEANT.get(plain_name(name.partition(".")[0]))
        if meant in _OF_A_SUBSCRIPTION:
            raise FieldError(name, f"is not a field; did you mean {meant}?")
        if meant is not None:
            raise FieldError(
                name, "is of an order, which needs amount, and side or inputToken and outputToken"
            )


def subscription_from_query(query: Mapping[str, str]) -> SubscribeFields:
    """Return which order a URL with an ``orderId`` subscribes to, and from where on.

    Raises:
        InvalidRequestError: It breaks a rule.
    """
    after_seq = query.get("afterSeq", "0")
    if not (after_seq.isascii() and after_seq.isdigit() and len(after_seq) < 10):
        raise FieldError("afterSeq", "must be a whole number from 0")
    return validated(SubscribeFields, {"orderId": query["orderId"], "afterSeq": int(after_seq)})
