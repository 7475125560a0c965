"""Whether the events on record are those that were written, in that order: their chain, computed anew."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from chalicelib.adapters.audit_checks import Finding
from chalicelib.adapters.postgres.event_chain import GENESIS, link
from chalicelib.adapters.postgres.rows import order_event, stored_fields
from chalicelib.wire.packed_fields import UnreadableFieldsError

OLD_FUNCTIONS_FOR: Final = timedelta(hours=1)
"""How long after the first event with a hash others may lack one:
a deployment replaces functions one by one.
"""

_ORDERS: Final = 500

_BEGUN: Final = text("SELECT min(recorded_at) FROM order_events WHERE chain IS NOT NULL")
# A page of the orders that have events here: one of archived orders, which have none, would be the end.
_EVENTS: Final = text("""
    SELECT e.order_id, e.seq, e.status, e.attempt, e.occurred_at, e.recorded_at, e.data, e.packed, e.chain,
        o.chain AS head, o.seq AS last_seq
    FROM (SELECT DISTINCT order_id FROM order_events WHERE order_id > CAST(:after AS uuid) ORDER BY order_id
        LIMIT :orders) AS page
    JOIN orders o USING (order_id) JOIN order_events e USING (order_id)
    ORDER BY e.order_id, e.seq
""")


def check_event_chain(connection: Connection) -> Iterator[Finding]:
    """Yield the orders whose events were changed, left out, slipped in, or written without their hash."""
    begun_at: datetime | None = connection.execute(_BEGUN).scalar()
    if begun_at is None:
        return
    after = UUID(int=0)
    while rows := connection.execute(_EVENTS, {"after": str(after), "orders": _ORDERS}).all():
        before = GENESIS
        for row in rows:
            if row.order_id != after:
                after, before = row.order_id, GENESIS
            if row.chain is None:
                if row.recorded_at > begun_at + OLD_FUNCTIONS_FOR:
                    yield Finding(str(after), f"event {row.seq} has no hash")
            else:
                found, before = _hash_of(before, row), bytes(row.chain)
                if before and found != before:
                    yield Finding(str(after), f"event {row.seq}, or one before it, is not what was written")
                before = before or found
            if row.seq == row.last_seq and bytes(row.head or GENESIS) != before:
                yield Finding(str(after), "the order shows another hash than its last event")


def _hash_of(before: bytes, row: Row[Any]) -> bytes:
    """Return the hash that an event should have, given its predecessor's; none without its fields."""
    try:
        return link(before, order_event(row), stored_fields(row.data, row.packed))
    except UnreadableFieldsError:
        return GENESIS
