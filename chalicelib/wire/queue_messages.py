"""What travels through the orders queue.

A message is held to the rules that the frame was held to which it was made from: the queue is ours, and still
may hold what another release wrote, or a hand. What breaks a rule is refused when it is read, by itself, and
never reaches the statements that a whole batch shares. Members that were added since have defaults, so that
what older releases wrote stays readable.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.amounts import BPS_PER_UNIT, MAX_UNITS
from chalicelib.domain.lifetimes import AT_ONCE_S_MAX, RESTING_S_MAX
from chalicelib.domain.orders import Order
from chalicelib.domain.queue_messages import (
    FiredMessage,
    Message,
    OrderMessage,
    ResumeMessage,
    SubscribeMessage,
    UnreadableMessageError,
)
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderTerms, OrderType, TimeInForce
from chalicelib.domain.tokens import DECIMALS_MAX
from chalicelib.domain.triggers import CONFIRMATIONS_MAX
from chalicelib.wire.fields import CLIENT_ORDER_ID_LENGTH_MAX, SEQ_MAX, TEXT_LENGTH_MAX, PrintableText
from chalicelib.wire.flat_orders import FlatOrder, flat

_PROBLEMS_LENGTH_MAX: Final = 300
_RATE_BITS_MAX: Final = 512
_AT_ONCE: Final = timedelta()
_AT_ONCE_MAX: Final = timedelta(seconds=AT_ONCE_S_MAX)
_RESTING_MAX: Final = timedelta(seconds=RESTING_S_MAX)


def _sound_order(order: Order) -> Order:
    """Let an order pass that a frame could have said; tokens are looked up when it is planned.

    A token that a release takes off the list must not take the orders with it that were accepted before.
    """
    terms = order.terms
    _check_id(order.order_id)
    _check_trade(order.account_id, terms.input_token, terms.output_token, terms.price_base)
    _check_text("content_sha256", order.content_sha256)
    if terms.client_order_id is not None:
        _check_text("client_order_id", terms.client_order_id, length_max=CLIENT_ORDER_ID_LENGTH_MAX)
    _check_range("amount_units", terms.amount_units, 1, MAX_UNITS)
    _check_conditions(terms)
    accepted_at = _in_utc("accepted_at", order.accepted_at)
    if order.valid_until is None:
        if terms.time_in_force is not TimeInForce.GTC:
            raise ValueError("valid_until must be there: only a gtc order has no end")
        return order
    most = _RESTING_MAX if terms.time_in_force is TimeInForce.GTD else _AT_ONCE_MAX
    if not _AT_ONCE <= _in_utc("valid_until", order.valid_until) - accepted_at <= most:
        raise ValueError(f"valid_until must be 0 to {most.total_seconds():.0f} s after accepted_at")
    return order


@lru_cache(maxsize=1_024)
def _check_trade(account_id: str, input_token: str, output_token: str, price_base: str) -> None:
    """Refuse texts that could not be stored, or are no trade; an account's next order is of the same ones."""
    _check_text("account_id", account_id)
    _check_text("input_token", input_token)
    _check_text("output_token", output_token)
    if input_token == output_token:
        raise ValueError("output_token must differ from input_token")
    if price_base not in {input_token, output_token}:
        raise ValueError("price_base must be one of the two tokens")


def _check_conditions(terms: OrderTerms) -> None:
    """Refuse what contradicts itself: none of it could be executed as it was meant."""
    if terms.order_type is not OrderType.MARKET or terms.waits or terms.output_decimals is not None:
        _check_waiting(terms)
    elif terms.time_in_force is not TimeInForce.IOC:
        raise ValueError("time_in_force must be ioc for an order that waits for nothing")
    if (terms.slippage_bps is None) is not (terms.limit is not None):
        raise ValueError("slippage_bps or limit must be there, and not both")
    if terms.slippage_bps is not None:
        _check_range("slippage_bps", terms.slippage_bps, 0, BPS_PER_UNIT)


def _check_waiting(terms: OrderTerms) -> None:
    """Refuse what contradicts itself in an order that may wait: not all of them do."""
    is_limit, is_sniper = terms.order_type is OrderType.LIMIT, terms.order_type is OrderType.SNIPER
    if (terms.limit is None) if is_limit else (terms.limit is not None and not is_sniper):
        raise ValueError("limit must be there for a limit order, and for no market order")
    if (terms.sniper is not None) is not is_sniper:
        raise ValueError("sniper must be there for a sniper order, and for no other")
    if is_sniper and (terms.trigger is not None or terms.swap_mode is not SwapMode.EXACT_IN):
        raise ValueError("a sniper order is exact in and has no trigger")
    if terms.output_decimals is not None:
        if not is_sniper:
            raise ValueError("output_decimals must not be there for any order but a sniper's")
        _check_range("output_decimals", terms.output_decimals, 0, DECIMALS_MAX)
    _check_rates(terms)


def _check_rates(terms: OrderTerms) -> None:
    for rate in (terms.limit and terms.limit.rate, terms.trigger and terms.trigger.rate):
        if rate and max(rate.output_units, rate.input_units).bit_length() > _RATE_BITS_MAX:
            raise ValueError("a rate must be a fraction of numbers of at most 512 bits")
    if terms.trigger is not None:
        _check_range("trigger.confirmations", terms.trigger.confirmations, 1, CONFIRMATIONS_MAX)
        _check_text("trigger.price", terms.trigger.price)
    if terms.bound is not None:
        _check_range("limit", terms.bound.units, 1, MAX_UNITS)


def _sound_acknowledgement(deferred_acknowledgement: Acknowledgement) -> Acknowledgement:
    _check_text("connection_id", deferred_acknowledgement.connection_id)
    if deferred_acknowledgement.request_id is not None:
        _check_text("request_id", deferred_acknowledgement.request_id)
    return deferred_acknowledgement


def _sound_id(order_id: UUID) -> UUID:
    _check_id(order_id)
    return order_id


def _check_id(order_id: UUID) -> None:
    # In subscriptions the nil one stands for every order of an account.
    if not order_id.int:
        raise ValueError("order_id must not be nil")


def _check_text(name: str, text: str, *, length_max: int = TEXT_LENGTH_MAX) -> None:
    if not 1 <= len(text) <= length_max or not text.isprintable():
        raise ValueError(f"{name} must be 1 to {length_max} printable characters")


def _check_marks(**marks: str | None) -> None:
    # All in one, since together they are nearly always short enough for one.
    together = "".join(filter(None, marks.values()))
    if len(together) > TEXT_LENGTH_MAX or not together.isprintable() or "" in marks.values():
        for name, mark in marks.items():
            if mark is not None:
                _check_text(name, mark)


def _check_range(name: str, number: int, least: int, most: int) -> None:
    # A bool is an int to Python, and not to us.
    if isinstance(number, bool) or not least <= number <= most:
        raise ValueError(f"{name} must be {least} to {most}")


def _in_utc(name: str, moment: datetime) -> datetime:
    if moment.tzinfo is UTC:  # our own, while a message is written
        return moment
    if moment.tzinfo is None:
        raise ValueError(f"{name} must have a time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{name} must be within the years 1 to 9999 in UTC") from error


SoundOrder = Annotated[Order, FlatOrder(), AfterValidator(_sound_order)]
_DeferredAcknowledgement = Annotated[Acknowledgement, AfterValidator(_sound_acknowledgement)]
_OrderId = Annotated[UUID, AfterValidator(_sound_id)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, serialize_by_alias=True)


class _OrderBody(_Body):
    kind: Literal["order"] = "order"
    order: SoundOrder
    connection_id: PrintableText | None = None
    request_id: PrintableText | None = None
    correlation_id: PrintableText | None = None
    deferred_acknowledgement: _DeferredAcknowledgement | None = Field(default=None, alias="owed")

    def message(self) -> OrderMessage:
        return OrderMessage(
            order=self.order,
            connection_id=self.connection_id,
            request_id=self.request_id,
            correlation_id=self.correlation_id,
            deferred_acknowledgement=self.deferred_acknowledgement,
        )


class _ResumeBody(_Body):
    kind: Literal["resume"] = "resume"
    order_id: _OrderId

    def message(self) -> ResumeMessage:
        return ResumeMessage(order_id=self.order_id)


class _FiredBody(_Body):
    kind: Literal["fired"] = "fired"
    order_id: _OrderId
    firing: int = Field(ge=1, le=SEQ_MAX)

    def message(self) -> FiredMessage:
        return FiredMessage(order_id=self.order_id, firing=self.firing)


class _SubscribeBody(_Body):
    kind: Literal["follow"] = "follow"
    connection_id: PrintableText
    account_id: PrintableText
    order_id: _OrderId
    after_seq: int = Field(ge=0, le=SEQ_MAX)
    is_new: bool = False
    content_sha256: PrintableText | None = None
    deferred_acknowledgement: _DeferredAcknowledgement | None = Field(default=None, alias="owed")

    def message(self) -> SubscribeMessage:
        return SubscribeMessage(
            connection_id=self.connection_id,
            account_id=self.account_id,
            order_id=self.order_id,
            after_seq=self.after_seq,
            is_new=self.is_new,
            content_sha256=self.content_sha256,
            deferred_acknowledgement=self.deferred_acknowledgement,
        )


_AnyBody = _OrderBody | _ResumeBody | _FiredBody | _SubscribeBody
_ANY: Final[TypeAdapter[_AnyBody]] = TypeAdapter(Annotated[_AnyBody, Field(discriminator="kind")])
_BODIES: Final[Mapping[type[Message], type[_AnyBody]]] = {
    OrderMessage: _OrderBody,
    ResumeMessage: _ResumeBody,
    FiredMessage: _FiredBody,
    SubscribeMessage: _SubscribeBody,
}
_MEMBERS: Final = {kind: tuple(each.name for each in fields(kind)) for kind in _BODIES}


def parse_message(body: str) -> Message:
    """Return the message of a queue record's body.

    Raises:
        UnreadableMessageError: It is not one of ours.
    """
    try:
        # Strict: a number in text, or a truth value for a number, is not what any release wrote.
        return _ANY.validate_json(body, strict=True).message()
    except ValidationError as error:
        raise UnreadableMessageError(_problems(error)) from None


def render_message(message: Message) -> str:
    """Return the body of a message; raises ``ValueError`` if what is to be read would be refused."""
    if type(message) is OrderMessage:
        return _order_text(message)
    kind = type(message)
    return _BODIES[kind](**{name: getattr(message, name) for name in _MEMBERS[kind]}).model_dump_json()


def _order_text(message: OrderMessage) -> str:
    """Return the body of an order, as ``_OrderBody`` writes it: every order comes by here, on its way in."""
    connection_id, request_id = message.connection_id, message.request_id
    correlation_id, owed = message.correlation_id, message.deferred_acknowledgement
    _check_marks(connection_id=connection_id, request_id=request_id, correlation_id=correlation_id)
    members = {
        "kind": "order",
        "order": flat(_sound_order(message.order)),
        "connection_id": connection_id,
        "request_id": request_id,
        "correlation_id": correlation_id,
        "owed": owed and _sound_acknowledgement(owed),
    }
    return to_json(members).decode()


def _problems(error: ValidationError) -> str:
    problems = (
        f"{'.'.join(map(str, each['loc']))} {each['msg']}".strip()
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    )
    return "; ".join(problems)[:_PROBLEMS_LENGTH_MAX]
