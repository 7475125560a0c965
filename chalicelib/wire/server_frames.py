"""What the engine sends over the WebSocket, and the same things as REST bodies."""

from collections.abc import Iterable, Iterator
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_json

from chalicelib.domain.errors import ExecutionError, UnknownOutcomeError
from chalicelib.domain.ids import id_text
from chalicelib.domain.orders import Order
from chalicelib.wire.json_text import JsonObject
from chalicelib.wire.moments import rfc3339

BATCH_BYTES_MAX: Final = 30_000
"""Of one batch; API Gateway counts a message for each 32 KB (WebSocket pricing)."""

_BATCH: Final = '{{"type":"batch","frames":[{members}]}}'


def json_text(value: Any) -> str:
    """Return compact JSON."""
    return to_json(value).decode()


def accepted(request_id: str | None, order: Order) -> JsonObject:
    """The order is in the queue: durable, and will reach a final status."""
    return {
        "type": "accepted",
        "requestId": request_id,
        "orderId": id_text(order.order_id),
        "clientOrderId": order.terms.client_order_id,
        "at": rfc3339(order.accepted_at),
    }


def batch_texts(texts: Iterable[str]) -> Iterator[str]:
    """Yield frames that hold the given frames, in order, each in as few bytes as it has alone.

    A frame that is too large for a batch has one to itself.
    """
    members: list[str] = []
    room = left = BATCH_BYTES_MAX - len(_BATCH.format(members="")) + 1
    for text in texts:
        needed = len(text.encode()) + 1  # each member but the last has a comma
        if members and needed > left:
            yield _BATCH.format(members=",".join(members))
            members, left = [], room
        members.append(text)
        left -= needed
    if members:
        yield _BATCH.format(members=",".join(members))


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
    """Return code, message and details, as REST has them too;
    after an unknown outcome also the order to ask for.
    """
    details = [{"field": p.field, "problem": p.problem} for p in refusal.details]
    body: JsonObject = {"code": refusal.code, "message": refusal.message, "details": details}
    if isinstance(refusal, UnknownOutcomeError) and refusal.order_id is not None:
        body["orderId"] = str(refusal.order_id)
    return body
