"""An order's life as spans of one trace, told from its committed events alone.

Nothing has to travel through the queue: the trace's id is the order's own 128 bits, and the ids of its spans
follow from the order and the event that ends them, so that an event told twice is the same span again.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Final, NamedTuple
from uuid import UUID

from chalicelib.domain.events import Expired, Failed, Open, OrderEvent, Pending, Routing, Submitted
from chalicelib.domain.orders import Order
from chalicelib.domain.statuses import FINAL, OrderStatus

Attributes = Mapping[str, str | int]

ROOT: Final = "order"
QUEUE: Final = "queue"
# What was under way after an event, until the next.
_UNDER_WAY: Final = {
    OrderStatus.PENDING: "claim",
    OrderStatus.OPEN: "rest",
    OrderStatus.TRIGGERED: "fire",
    OrderStatus.ROUTING: "plan",
    OrderStatus.ROUTED: "build",
    OrderStatus.BUILDING: "sign",
    OrderStatus.SUBMITTED: "send and confirm",
}
_REMEMBERED_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class OrderSpan:
    """One step of one order. ``parent_id`` is None for the order's whole life, until its last event."""

    trace_id: int
    span_id: int
    parent_id: int | None
    name: str
    start: datetime
    end: datetime
    is_error: bool = False
    attributes: Attributes = field(default_factory=dict)


class _Seen(NamedTuple):
    """What is remembered of an event, which may be large."""

    seq: int
    status: OrderStatus
    at: datetime


class OrderSpans:
    """Knows when the step before began, of orders whose earlier events this process saw.

    Another process may have committed those, as before an order rested, or after a crash. Such a span has no
    length, and says ``orderflow.start`` = ``unknown``.
    """

    def __init__(self) -> None:
        self._last: OrderedDict[UUID, _Seen] = OrderedDict()
        self._lock = Lock()

    def of(
        self, order: Order, events: Sequence[OrderEvent], correlation_id: str | None
    ) -> Iterator[OrderSpan]:
        """Yield a span for each event, and after a final one that of the order's life."""
        order_id = order.order_id
        root_id = _span_id(order_id, 0)
        for event in events:
            before = self._step_before(event)
            attributes = _facts(event)
            if event.seq == 1:
                name, start = QUEUE, order.accepted_at
            elif before is None:
                name, start = event.status.value, event.at
                attributes["orderflow.start"] = "unknown"
            else:
                name, start = _UNDER_WAY[before.status], before.at
            is_error = event.status is OrderStatus.FAILED
            yield OrderSpan(
                order_id.int,
                _span_id(order_id, event.seq),
                root_id,
                name,
                min(start, event.at),
                event.at,
                is_error,
                attributes,
            )
            if event.status in FINAL:
                yield OrderSpan(
                    order_id.int,
                    root_id,
                    None,
                    ROOT,
                    min(order.accepted_at, event.at),
                    event.at,
                    is_error,
                    _facts(event) | _facts_of_order(order, correlation_id),
                )

    def _step_before(self, event: OrderEvent) -> _Seen | None:
        with self._lock:
            before = self._last.pop(event.order_id, None)
            if event.status not in FINAL:
                self._last[event.order_id] = _Seen(event.seq, event.status, event.at)
                if len(self._last) > _REMEMBERED_MAX:
                    self._last.popitem(last=False)
        return before if before is not None and before.seq == event.seq - 1 else None


def _span_id(order_id: UUID, seq: int) -> int:
    digest = hashlib.sha256(order_id.bytes + seq.to_bytes(8, "big")).digest()
    # Zero is no span's id.
    return int.from_bytes(digest[:8], "big") or 1


def _facts(event: OrderEvent) -> dict[str, str | int]:
    """Return what the log has of an event too: no account, no amount, no key."""
    facts: dict[str, str | int] = {
        "orderflow.order_id": str(event.order_id),
        "orderflow.seq": event.seq,
        "orderflow.status": event.status.value,
        "orderflow.attempt": event.attempt,
    }
    match event.what:
        case Pending(terms):
            facts["orderflow.pair"] = f"{terms.input_token}->{terms.output_token}"
        case Routing(str(reason)) | Open(str(reason)):
            facts["orderflow.reason"] = reason
        case Submitted(tx_signature):
            facts["orderflow.tx_signature"] = tx_signature
        case Failed(code) | Expired(code):
            facts["orderflow.code"] = code.value
        case _:
            pass
    return facts


def _facts_of_order(order: Order, correlation_id: str | None) -> dict[str, str | int]:
    facts: dict[str, str | int] = {
        "orderflow.type": order.terms.order_type.value,
        "orderflow.pair": f"{order.terms.input_token}->{order.terms.output_token}",
    }
    return facts | ({"orderflow.correlation_id": correlation_id} if correlation_id else {})
