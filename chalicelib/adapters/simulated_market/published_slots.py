"""Whether confirmed orders were published with the slot that the ledger booked."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, text

from chalicelib.adapters.audit_checks import Finding
from chalicelib.adapters.postgres.chains import is_on
from chalicelib.adapters.postgres.rows import stored_fields
from chalicelib.wire.packed_fields import UnreadableFieldsError

_PAGE: Final = 1_000
_FIRST: Final = "00000000-0000-0000-0000-000000000000"

# By the index of signatures, a page at a time; else each page would read the whole ledger. As it would with
# the chain among the conditions: the planner takes that for one that few orders meet.
_PUBLISHED: Final = text(f"""
    SELECT o.order_id, e.data, e.packed, t.slot,
        {is_on("'simulated'")} AS is_here
    FROM orders o JOIN order_events e ON e.order_id = o.order_id AND e.seq = o.seq
    LEFT JOIN market.transactions t
        ON t.signature = o.tx_signature AND md5(t.signature)::uuid = md5(o.tx_signature)::uuid
    WHERE o.status = 'confirmed' AND o.order_id > CAST(:after AS uuid) ORDER BY o.order_id LIMIT :page
""")


def check_published_slots(connection: Connection) -> Iterator[Finding]:
    """Yield the confirmed orders whose last event names another slot than their transaction has."""
    after = _FIRST
    while rows := connection.execute(_PUBLISHED, {"after": after, "page": _PAGE}).all():
        for row in (row for row in rows if row.is_here):
            try:
                published = stored_fields(row.data, row.packed).get("slot")
            except UnreadableFieldsError as error:
                yield Finding(str(row.order_id), str(error))
                continue
            if published != row.slot:
                found = "none" if row.slot is None else row.slot
                yield Finding(str(row.order_id), f"published slot {published or 'none'}, and it is {found}")
        if len(rows) < _PAGE:
            return
        after = str(rows[-1].order_id)
