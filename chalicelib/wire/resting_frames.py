"""Frames about orders that rest, and about several orders at once: amend, cancelAll, submitBatch."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from chalicelib.domain.amendments import Amendment
from chalicelib.domain.errors import FieldError, InvalidRequestError
from chalicelib.domain.terms import OrderType
from chalicelib.wire.fields import AmountText, OrderId, PrintableText, WholeNumber, WireModel
from chalicelib.wire.resting_fields import Moment, YesOrNo

BATCH_ORDERS_MAX: Final = 20
SEQ_MAX: Final = 2**31 - 1
_CHANGES: Final = ("limit_price", "trigger_price", "amount", "expires_at")


class AmendFields(WireModel):
    """``amend``: other terms for an order that is ``open``; what is not named stays."""

    order_id: OrderId
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


class CancelAllFields(WireModel):
    """``cancelAll``: all orders of the account that fit; without a filter, all of them."""

    base_asset: PrintableText | None = None
    quote_asset: PrintableText | None = None
    types: Annotated[tuple[OrderType, ...], Field(min_length=1, max_length=len(OrderType))] | None = None


def _orders(value: Any) -> Any:
    if not isinstance(value, list) or not 1 <= len(value) <= BATCH_ORDERS_MAX:
        raise ValueError(f"must be a list of 1 to {BATCH_ORDERS_MAX} orders")
    return tuple(value)


class SubmitBatchFields(WireModel):
    """``submitBatch``: orders as they came; each is read, and accepted or refused, by itself."""

    orders: Annotated[tuple[Any, ...], BeforeValidator(_orders)]


class DryRunFields(WireModel):
    """``dryRun`` of a submit: tell what would happen, and do nothing."""

    dry_run: YesOrNo = False


Parsed = TypeVar("Parsed")


def each_of(
    batch: SubmitBatchFields, parse: Callable[[dict[str, Any]], Parsed]
) -> Sequence[Parsed | InvalidRequestError]:
    """Return each order of a batch, or why it is none, in the order of the batch."""
    found: list[Parsed | InvalidRequestError] = []
    for index, members in enumerate(batch.orders):
        if not isinstance(members, dict):
            found.append(FieldError(f"orders.{index}", "must be a JSON object"))
            continue
        try:
            found.append(parse(members))
        except InvalidRequestError as error:
            found.append(error)
    return found
