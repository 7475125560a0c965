"""Frames about orders that rest, and about several orders at once: amend, cancelAll, submitBatch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel

from chalicelib.domain.amendments import Amendment
from chalicelib.domain.errors import ExecutionError, FieldError, FieldProblem, InvalidRequestError
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.terms import OrderType
from chalicelib.domain.tokens import Tokens
from chalicelib.wire.fields import (
    SEQ_MAX,
    AmountText,
    OrderId,
    PrintableText,
    WholeNumber,
    WireModel,
    validated,
)
from chalicelib.wire.known_names import misspelt, plain_words, refuse_words
from chalicelib.wire.order_fields import OrderFields
from chalicelib.wire.resting_fields import (
    EVERYWHERE,
    Moment,
    SniperFields,
    TriggerFields,
    YesOrNo,
    meant_fields,
    names_of,
)

BATCH_ORDERS_MAX: Final = 20
_TOKENS: Final = ("inputToken", "outputToken", "baseAsset", "quoteAsset")
_CHANGES: Final = ("limit_price", "trigger_price", "amount", "expires_at")


def _publish_one_change(schema: dict[str, Any]) -> None:
    """Say in a published schema what ``_changes_something`` checks."""
    schema["anyOf"] = [
        {"required": [name], "properties": {name: {"not": {"type": "null"}}}}
        for name in map(to_camel, _CHANGES)
    ]


class NewTerms(WireModel):
    """Other terms for an order that is ``open``; what is not named stays."""

    model_config = ConfigDict(json_schema_extra=_publish_one_change)

    if_seq: Annotated[WholeNumber, Field(ge=1, le=SEQ_MAX)] | None = None
    limit_price: AmountText | None = None
    trigger_price: AmountText | None = None
    amount: AmountText | None = None
    expires_at: Moment | None = None

    @property
    def changes(self) -> Amendment:
        return Amendment(self.limit_price, self.trigger_price, self.amount, self.expires_at)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if all(getattr(self, name) is None for name in _CHANGES):
            raise ValueError("must change limitPrice, triggerPrice, amount or expiresAt")
        return self


class AmendFields(NewTerms):
    """``amend``: which order gets other terms, and which."""

    order_id: OrderId


class CancelAllFields(WireModel):
    """``cancelAll``: all orders of the account that fit; without a filter, all of them."""

    base_asset: PrintableText | None = None
    quote_asset: PrintableText | None = None
    types: Annotated[tuple[OrderType, ...], Field(min_length=1, max_length=len(OrderType))] | None = None


def cancel_filters(fields: CancelAllFields, tokens: Tokens) -> OrderFilter:
    """Return which orders are to be canceled.

    Raises:
        FieldError: A token is not known, or both are the same.
    """
    # An order that rests may be of a mint of which nothing is known yet.
    base, quote = (
        None if name is None else tokens.named_or_new(name, field=field).symbol
        for name, field in ((fields.base_asset, "baseAsset"), (fields.quote_asset, "quoteAsset"))
    )
    if base is not None and base == quote:
        raise FieldError("quoteAsset", "must differ from baseAsset")
    return OrderFilter(base, quote, fields.types)


def _orders(value: Any) -> Any:
    if not isinstance(value, list) or not 1 <= len(value) <= BATCH_ORDERS_MAX:
        raise ValueError(f"must be a list of 1 to {BATCH_ORDERS_MAX} orders")
    return tuple(value)


class SubmitBatchFields(WireModel):
    """``submitBatch``: orders as they came; each is read, and accepted or refused, by itself."""

    orders: Annotated[
        tuple[Any, ...],
        BeforeValidator(_orders),
        WithJsonSchema(
            {
                "type": "array",
                "minItems": 1,
                "maxItems": BATCH_ORDERS_MAX,
                "items": {"anyOf": [{"$ref": "#/components/schemas/OrderFields"}, {}]},
                "description": "Each is accepted or refused by itself, also what is no order at all.",
            }
        ),
    ]


def tokens_named(batch: SubmitBatchFields) -> frozenset[str]:
    """Return what the orders of a batch name as tokens, as far as they are orders."""
    said = (members.get(name) for members in batch.orders if isinstance(members, dict) for name in _TOKENS)
    return frozenset(name for name in said if isinstance(name, str))


class DryRunFields(WireModel):
    """``dryRun`` of a submit: tell what would happen, and do nothing."""

    dry_run: YesOrNo = False


def is_dry(members: Mapping[str, Any]) -> bool:
    """Return whether a message asks only what would happen.

    Raises:
        FieldError: ``dryRun`` is neither true nor false.
    """
    wish = members.get("dryRun")
    return wish is not None and validated(DryRunFields, {"dryRun": wish}).dry_run


def is_dry_by_query(query: Mapping[str, str]) -> bool:
    """Return whether a URL asks only what would happen; a name that is nearly ``dryRun`` is refused.

    Raises:
        InvalidRequestError: It says something else than true or false.
    """
    if problems := tuple(misspelt(query, {"dryRun"})):
        raise InvalidRequestError.of(problems)
    wish = query.get("dryRun", "false")
    if wish not in {"true", "false"}:
        raise FieldError("dryRun", "must be true or false")
    return wish == "true"


Parsed = TypeVar("Parsed")
Model = TypeVar("Model", bound=WireModel)

_TERMS: Final = names_of(OrderFields) | names_of(TriggerFields) | names_of(SniperFields)
_WITH_OTHER_MEANINGS: Final = frozenset({"clientOrderId", "trigger", "price", "source", "when"})
"""What may be a note of the client's, or is told apart as a word for one that can be amended."""


def amend_fields(model: type[Model], members: dict[str, Any]) -> Model:
    """Return the model of a message that gives an order other terms: it names none that stay as they are.

    Raises:
        InvalidRequestError: With one problem per broken rule.
    """
    can = ", ".join(map(to_camel, _CHANGES))
    fixed = _TERMS - names_of(model) - _WITH_OTHER_MEANINGS
    problems = tuple(
        FieldProblem(name, f"cannot be amended; what can is {can}")
        for name, value in members.items()
        if name in fixed and value is not None
    )
    if problems:
        raise InvalidRequestError.of(problems)
    return meant_fields(model, members)


def filter_fields(model: type[Model], members: dict[str, Any]) -> Model:
    """Return the model of a message whose members narrow down what it does: none that is unknown is ignored.

    Orders that were not meant would be canceled for each name that is merely not understood.

    Raises:
        InvalidRequestError: With one problem per broken rule and per member that is no filter.
    """
    names = names_of(model)
    unknown = {
        name: FieldProblem(name, f"is not a filter; the filters are {', '.join(sorted(names))}")
        for name, value in members.items()
        if value is not None and name not in names | EVERYWHERE
    }
    # The right name, where one is nearly it, helps more than all of them.
    problems = unknown | {problem.field: problem for problem in misspelt(members, names | EVERYWHERE)}
    if problems:
        raise InvalidRequestError.of(tuple(problems.values()))
    return validated(model, members)


OF_ORDERS: Final = plain_words(names_of(OrderFields))
"""What stands in an order alone."""


def batch_fields(model: type[Model], members: dict[str, Any]) -> Model:
    """Return the model of a batch of orders, if nothing stands beside the orders that is of one of them.

    Raises:
        InvalidRequestError: With one problem per broken rule.
    """
    refuse_words(members, OF_ORDERS, "belongs into each order of the batch")
    return meant_fields(model, members)


def each_of(
    batch: SubmitBatchFields, parse: Callable[[dict[str, Any]], Parsed]
) -> Sequence[Parsed | ExecutionError]:
    """Return each order of a batch, or why it is none, in the order of the batch."""
    found: list[Parsed | ExecutionError] = []
    for index, members in enumerate(batch.orders):
        if not isinstance(members, dict):
            found.append(FieldError(f"orders.{index}", "must be a JSON object"))
            continue
        try:
            found.append(parse(members))
        except ExecutionError as error:
            found.append(error)
    return found
