"""What the engine sends over the WebSocket, and the same things as REST bodies."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chalicelib.domain.errors import ExecutionError
from chalicelib.domain.orders import JsonObject, Order, OrderEvent


def rfc3339(moment: datetime) -> str:
    """Return a moment in UTC with milliseconds and ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def json_text(value: Any) -> str:
    """Return compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def accepted(request_id: str | None, order: Order) -> JsonObject:
    """The order is in the queue: durable, and will reach a final status."""
    return {
        "type": "accepted",
        "requestId": request_id,
        "orderId": str(order.order_id),
        "clientOrderId": order.client_order_id,
        "at": rfc3339(order.accepted_at),
    }


def order_event(client_order_id: str | None, event: OrderEvent) -> JsonObject:
    """One committed event."""
    return {
        "type": "order",
        "orderId": str(event.order_id),
        "clientOrderId": client_order_id,
        "seq": event.seq,
        "status": event.status,
        "attempt": event.attempt,
        "at": rfc3339(event.at),
        **event.data,
    }


def subscribed(request_id: str | None, order_id: UUID | None) -> JsonObject:
    return {"type": "subscribed", "requestId": request_id, "orderId": str(order_id) if order_id else None}


def unsubscribed(request_id: str | None, order_id: UUID | None) -> JsonObject:
    return {"type": "unsubscribed", "requestId": request_id, "orderId": str(order_id) if order_id else None}


def pong(request_id: str | None) -> JsonObject:
    return {"type": "pong", "requestId": request_id}


def error(request_id: str | None, refusal: ExecutionError, *, order_id: UUID | None = None) -> JsonObject:
    """Refused; the connection stays open."""
    frame: JsonObject = {"type": "error", "requestId": request_id, **error_body(refusal)}
    return frame | {"orderId": str(order_id)} if order_id else frame


def error_body(refusal: ExecutionError) -> JsonObject:
    """Return code, message and details, as REST has them too."""
    details = [{"field": p.field, "problem": p.problem} for p in refusal.details]
    return {"code": refusal.code, "message": refusal.message, "details": details}
