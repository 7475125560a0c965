"""The chain of an order's events: the SHA-256 of each is taken of itself and its predecessor's.

Of events that are written together the last one carries its hash, which covers the others.

An event that is changed, left out or slipped in later breaks it. It is computed here and not by the database,
where it took a twentieth of a batch's time: the bytes that are hashed are those that are sent anyway.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final
from uuid import UUID

from chalicelib.adapters.postgres.arrays import Columns
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.ids import id_text
from chalicelib.domain.statuses import OrderStatus
from chalicelib.wire.json_text import JsonObject, canonical
from chalicelib.wire.packed_fields import packed

GENESIS: Final = b""
"""What stands for the predecessor of an order's first event."""

PACKED: Final = frozenset({OrderStatus.PENDING, OrderStatus.ROUTED, OrderStatus.CONFIRMED})
"""Statuses whose fields are long, and which no statement looks into: their rows hold them packed."""

EVENTS: Final = Columns(
    "events",
    {
        "step": "int",
        "seq": "int",
        "status": "text",
        "attempt": "int",
        "occurred_at": "timestamptz",
        "data": "jsonb",
        "packed": "bytea",
        "chain": "bytea",
    },
    rendered=["data"],
)
"""Events as a statement is given them; ``step`` is the place, from 1, of the order that each is of."""

_HEADS_MAX: Final = 10_000

# What orders without conditions begin with has few spellings.
_packed_again: Final = lru_cache(maxsize=256)(packed)


def link(before: bytes, event: OrderEvent, fields: Mapping[str, object]) -> bytes:
    """Return the hash that an event with these fields carries, given its predecessor's."""
    return sha256(before + (stated(event) + canonical(fields)).encode()).digest()


def link_of_row(before: bytes, order_id: str, row: JsonObject) -> bytes:
    """Return the same of an event's row as ``to_jsonb`` has it, with its fields as they were written."""
    said = f"{order_id}|{row['seq']}|{row['status']}|{row['attempt']}|{_spelled(row['occurred_at'])}|"
    data = row["data"]
    return sha256(before + (said + (canonical(data) if data else "{}")).encode()).digest()


def stated(event: OrderEvent) -> str:
    """Return what an event's hash covers but for its data: ids, numbers, status and time, in that order."""
    return f"{event.order_id}|{event.seq}|{event.status.value}|{event.attempt}|{_time(event.at)}|"


def chained_rows(
    steps: Iterable[Sequence[OrderEvent]],
    heads: Iterable[bytes],
    text_of: Callable[[OrderEvent], str],
    *,
    packs: bool = True,
) -> tuple[dict[str, str], list[bytes]]:
    """Return the parameters of ``EVENTS``, and the hash of each step's last one.

    Args:
        steps: Events of one order each, in the order of their numbers; of an order without any, its head
            stays what it was.
        heads: The last hash on record of each of the orders, ``GENESIS`` of one that has none.
        text_of: Renders what only an event's status says, as canonical JSON.
        packs: Whether long fields are packed, and hashes that a later one covers left out; releases before
            migration 0022 can do nothing with such rows.
    """
    after, rows, said_of = [], [], []
    attempt, said, time = 0, "", ""
    for place, (events, head) in enumerate(zip(steps, heads, strict=False), 1):
        chain, at = head, None
        if events:
            name, last = id_text(events[0].order_id), events[-1]
        for event in events:
            if event.at is not at or event.attempt != attempt:
                at, attempt = event.at, event.attempt
                time = _time(at)
                said = f"|{attempt}|{time}|"
            seq, status, data = event.seq, event.what.status, text_of(event)
            chain = sha256(chain + f"{name}|{seq}|{status}{said}{data}".encode()).digest()
            shown = chain.hex() if event is last or not packs else ""
            short = ""
            if packs and status in PACKED:
                short, data = (_packed_again if status is OrderStatus.PENDING else packed)(data).hex(), "{}"
            rows.append((place, seq, str(status), attempt, time, short, shown))
            said_of.append(data)
        after.append(chain)
    return EVENTS.parameters(rows, data=said_of), after


class Heads:
    """The last hashes of the orders that this process has claimed.
    No other process moves those orders on meanwhile: the fence sees to it.
    """

    def __init__(self) -> None:
        self._known: dict[UUID, bytes] = {}

    def note(self, order_id: UUID, head: bytes) -> None:
        """Remember a hash; what is known is dropped first if there would be too much of it,
        since a claim that this process never releases leaves its hash behind.
        """
        if len(self._known) >= _HEADS_MAX:
            self._known.clear()
        self._known[order_id] = head

    def known(self, order_ids: Iterable[UUID]) -> list[bytes | None]:
        """Return the hash of each order, None if it is not remembered."""
        return [*map(self._known.get, order_ids)]

    def forget(self, order_id: UUID) -> None:
        self._known.pop(order_id, None)


# The events of a step have one time.
@lru_cache(maxsize=64)
def _spelled(at: str) -> str:
    return _time(datetime.fromisoformat(at))


@lru_cache(maxsize=64)
def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
