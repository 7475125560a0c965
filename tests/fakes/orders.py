"""Builders that name only what matters to a test."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from chalicelib.amm.swaps import SwapMode
from chalicelib.domain.ids import new_order_id
from chalicelib.domain.orders import JsonObject, Order, OrderEvent, OrderState, OrderTerms, OrderType
from chalicelib.domain.statuses import OrderStatus

NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIFE: Final = (
    OrderStatus.PENDING,
    OrderStatus.ROUTING,
    OrderStatus.ROUTED,
    OrderStatus.BUILDING,
    OrderStatus.SUBMITTED,
    OrderStatus.CONFIRMED,
)


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
        client_order_id=client_order_id,
        order_type=wish.order_type,
        swap_mode=wish.swap_mode,
        input_token=wish.input_token,
        output_token=wish.output_token,
        amount_units=wish.amount_units,
        price_base=wish.price_base,
        slippage_bps=wish.slippage_bps,
        accepted_at=accepted_at,
        valid_until=accepted_at + timedelta(seconds=wish.valid_for_s),
        content_sha256=wish.sha256,
    )


def advanced(
    state: OrderState, *wanted: OrderStatus, at: datetime = NOON, data: JsonObject | None = None
) -> tuple[OrderState, tuple[OrderEvent, ...]]:
    """Return the state after some more statuses, and their events."""
    events = []
    for status in wanted:
        state, event = state.transition_to(status, at, data=data)
        events.append(event)
    return state, tuple(events)
