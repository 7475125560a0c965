"""Builders that name only what matters to a test."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.events import OrderEvent, Recorded
from chalicelib.domain.ids import new_order_id
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderTerms, OrderType
from chalicelib.wire.event_views import EventViews
from chalicelib.wire.json_text import JsonObject

NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIFE: Final = (
    OrderStatus.PENDING,
    OrderStatus.ROUTING,
    OrderStatus.ROUTED,
    OrderStatus.BUILDING,
    OrderStatus.SUBMITTED,
    OrderStatus.CONFIRMED,
)

VIEWS: Final = EventViews(load_tokens())
_TERMS: Final = {field.name for field in fields(OrderTerms)}


def terms(*, client_order_id: str | None = None, amount_units: int = 10**9) -> OrderTerms:
    return OrderTerms(
        client_order_id=client_order_id,
        order_type=OrderType.MARKET,
        swap_mode=SwapMode.EXACT_IN,
        input_token="SOL",
        output_token="USDC",
        amount_units=amount_units,
        price_base="SOL",
        slippage_bps=50,
        valid_for_s=60,
    )


def an_order(
    *,
    order_id: UUID | None = None,
    account_id: str = "alice",
    client_order_id: str | None = None,
    amount_units: int = 10**9,
    accepted_at: datetime = NOON,
) -> Order:
    wish = terms(client_order_id=client_order_id, amount_units=amount_units)
    return Order(
        order_id=order_id or new_order_id(int(accepted_at.timestamp() * 1000)),
        account_id=account_id,
        terms=wish,
        accepted_at=accepted_at,
        valid_until=accepted_at + timedelta(seconds=60),
        content_sha256=wish.sha256,
    )


def changed(order: Order, **members: Any) -> Order:
    """Return an order with other members; those that are terms are changed there."""
    of_terms = {name: members.pop(name) for name in _TERMS & members.keys()}
    return replace(order, terms=replace(order.terms, **of_terms), **members)


def recorded(status: OrderStatus, data: JsonObject | None = None) -> Recorded:
    """Return what an event's row says."""
    return Recorded(status, data or {})


def advanced(
    state: OrderState, *wanted: OrderStatus, at: datetime = NOON, data: JsonObject | None = None
) -> tuple[OrderState, tuple[OrderEvent, ...]]:
    """Return the state after some more statuses, and their events."""
    events = []
    for status in wanted:
        state, event = state.transition_to(recorded(status, data), at)
        events.append(event)
    return state, tuple(events)
