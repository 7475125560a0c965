"""Between rows and domain values: orders, states and events."""

from collections.abc import Sequence
from typing import Final

from pydantic_core import to_json

from chalicelib.adapters.postgres.statements import Row
from chalicelib.amm.swaps import SwapMode
from chalicelib.domain.orders import JsonObject, Order, OrderEvent, OrderState, OrderType
from chalicelib.domain.statuses import OrderStatus

ORDER_COLUMNS: Final = (
    "o.order_id, o.account_id, o.client_order_id, o.order_type, o.swap_mode, o.input_token, o.output_token, "
    "o.amount_units, o.price_base, o.slippage_bps, o.accepted_at, o.valid_until, o.content_sha256, o.submission_id, "
    "o.status, o.seq, o.attempt, o.tx_signature IS NOT NULL AS was_sent, o.told_seq"
)
"""What ``order_state`` reads, from a table that the statement calls ``o``."""


def order_state(row: Row) -> OrderState:
    """Return the state that one row of ``orders`` holds."""
    order = Order(
        order_id=row.order_id,
        account_id=row.account_id,
        client_order_id=row.client_order_id,
        order_type=OrderType(row.order_type),
        swap_mode=SwapMode(row.swap_mode),
        input_token=row.input_token,
        output_token=row.output_token,
        amount_units=int(row.amount_units),
        price_base=row.price_base,
        slippage_bps=row.slippage_bps,
        accepted_at=row.accepted_at,
        valid_until=row.valid_until,
        content_sha256=row.content_sha256,
        submission_id=row.submission_id,
    )
    return OrderState(order, OrderStatus(row.status), row.seq, row.attempt, row.was_sent, row.told_seq)


def order_event(row: Row) -> OrderEvent:
    """Return the event that one row of ``order_events`` holds."""
    status = OrderStatus(row.status)
    return OrderEvent(
        row.order_id, row.seq, status, row.attempt, row.occurred_at, event_data(status, row.data)
    )


def event_data(status: OrderStatus, stored: JsonObject) -> JsonObject:
    """Return an event's fields by today's names.

    Earlier releases wrote the realised slippage of a confirmed order as ``slippageBps``, the name of the
    tolerance among its terms. Events are never rewritten, so the old name is read here.
    """
    if status is not OrderStatus.CONFIRMED or "slippageBps" not in stored:
        return stored
    renamed = dict(stored)
    renamed.setdefault("realizedSlippageBps", renamed.pop("slippageBps"))
    return renamed


def order_record(state: OrderState) -> JsonObject:
    """Return an order and where it stands, as ``jsonb_to_recordset`` reads it."""
    order = state.order
    return {
        "order_id": order.order_id,
        "account_id": order.account_id,
        "client_order_id": order.client_order_id,
        "order_type": order.order_type,
        "swap_mode": order.swap_mode,
        "input_token": order.input_token,
        "output_token": order.output_token,
        "amount_units": order.amount_units,
        "price_base": order.price_base,
        "slippage_bps": order.slippage_bps,
        "accepted_at": order.accepted_at,
        "valid_until": order.valid_until,
        "content_sha256": order.content_sha256,
        "submission_id": order.submission_id,
        "status": state.status,
        "seq": state.seq,
        "attempt": state.attempt,
    }


def json_rows(rows: Sequence[JsonObject | str]) -> str:
    """Return rows as one JSON parameter: one statement then serves any number of them.

    Values may be ids, times and dataclasses too; integers stay integers, of any size.
    """
    return to_json(rows).decode()
