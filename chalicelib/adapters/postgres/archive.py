"""The record's side of archiving: what ended long ago, whether it is sound, and dropping it.

Only ``public.archive_orders``, which belongs to the tables' owner, can drop events and attempts; it drops
those of final orders a day after their end at the earliest, and leaves a row that names the archive.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from chalicelib.adapters.audit_checks import AuditCheck, ComputedCheck, Finding
from chalicelib.adapters.postgres.archived_lines import archived_line
from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.postgres.event_chain import GENESIS, link_of_row
from chalicelib.domain.statuses import FINAL
from chalicelib.services.archive.ports import Archive, ArchiveStore
from chalicelib.wire.archived_orders import (
    ArchivedOrder,
    UnreadableArchiveError,
    lines_of,
    order_of,
    unpacked,
)
from chalicelib.wire.json_text import JsonObject

# Who follows a finished order is forgotten after ten minutes, unless it still has to be caught up.
_READY: Final = """
FROM orders o
WHERE o.ended_at IS NOT NULL AND o.archive_id IS NULL AND o.ended_at < :ended_before
  AND NOT EXISTS (SELECT FROM subscriptions s WHERE s.order_id = o.order_id)
  AND NOT EXISTS (SELECT FROM unpublished u WHERE u.order_id = o.order_id)
"""
_COUNT: Final = text(f"SELECT count(*) {_READY}")
EVENT_COLUMNS: Final = "e.seq, e.status, e.attempt, e.occurred_at, e.recorded_at, e.chain"
"""What an event's row says beside its order and its fields; a test compares them with the table."""

# Rows become text on the server, in the order in which they are in their tables: it takes six tenths of the
# time of objects, whose members the server sorts, and there is less to parse.
_NEXT: Final = text(f"""
WITH ready AS MATERIALIZED (
    SELECT o.order_id, o.ended_at, o.seq {_READY}
      AND (o.ended_at, o.order_id) > (CAST(:after_end AS timestamptz), CAST(:after_id AS uuid))
    ORDER BY o.ended_at, o.order_id LIMIT :limit
), of_a_day AS (
    SELECT order_id, ended_at
    FROM (SELECT *, sum(seq) OVER (ORDER BY ended_at, order_id) - seq AS events_before FROM ready) AS counted
    WHERE (ended_at AT TIME ZONE 'UTC')::date = (SELECT (min(ended_at) AT TIME ZONE 'UTC')::date FROM ready)
      AND events_before < :events_max
)
SELECT o.order_id::text, row_to_json(o)::text AS whole,
    (SELECT string_agg(concat_ws(chr(31), row_to_json(told)::text, e.data::text, encode(e.packed, 'hex')),
        chr(30) ORDER BY e.seq)
     FROM order_events e, LATERAL (SELECT {EVENT_COLUMNS}) AS told
     WHERE e.order_id = o.order_id) AS events,
    (SELECT coalesce(string_agg(row_to_json(a)::text, ',' ORDER BY a.attempt), '') FROM attempts a
     WHERE a.order_id = o.order_id) AS attempts,
    (SELECT coalesce(string_agg(row_to_json(t)::text, ',' ORDER BY t.ordinal), '')
     FROM attempts a JOIN market.transactions t ON md5(t.signature)::uuid = md5(a.signature)::uuid
     WHERE a.order_id = o.order_id) AS transactions
FROM of_a_day d JOIN orders o USING (order_id) ORDER BY d.ended_at, d.order_id
""")
_FIRST: Final = ("-infinity", "00000000-0000-0000-0000-000000000000")
_SETTLE: Final = text("""
SELECT public.archive_with_transactions(:place, :sha256, CAST(:day AS date), CAST(:ids AS uuid[]),
    CAST(:seqs AS int[]), CAST(:events AS int), CAST(:attempts AS int), CAST(:transactions AS int))
""")
_FORGET: Final = text("SELECT public.forget_orders(CAST(:kept_days AS int))")
_PLACE_OF: Final = text("""
SELECT a.place, a.sha256 FROM orders o JOIN archives a USING (archive_id)
WHERE o.order_id = CAST(:order_id AS uuid)
""")
_ARCHIVES: Final = text("""
SELECT archive_id, place, sha256, orders, events, attempts, transactions, forgotten_at FROM archives
ORDER BY archive_id
""")
_KEPT: Final = text("""
SELECT order_id::text, status, seq, '\\x' || encode(chain, 'hex') AS chain
FROM orders WHERE archive_id = :archive_id
""")


class PostgresFinishedOrders:
    """``FinishedOrders`` on Postgres."""

    def __init__(self, engine: Engine) -> None:
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")

    def count(self, ended_before: datetime) -> int:
        with translated_errors(), self._single.connect() as connection:
            return int(connection.execute(_COUNT, {"ended_before": ended_before}).scalar_one())

    def next(
        self, ended_before: datetime, *, after: ArchivedOrder | None, limit: int, events_max: int
    ) -> Sequence[str]:
        end, order_id = _FIRST if after is None else (after.order["ended_at"], after.order_id)
        parameters = {"ended_before": ended_before, "after_end": end, "after_id": order_id}
        parameters |= {"limit": limit, "events_max": events_max}
        with translated_errors(), self._single.connect() as connection:
            rows = connection.execute(_NEXT, parameters).all()
        return [
            archived_line(row.order_id, row.whole, row.events or "", row.attempts, row.transactions)
            for row in rows
        ]

    def problem(self, order: ArchivedOrder) -> str | None:
        return problem_of(order)

    def settle(self, archive: Archive, seqs: Mapping[str, int]) -> bool:
        parameters = {
            "place": archive.place,
            "sha256": archive.sha256,
            "day": archive.day,
            "ids": list(seqs),
            "seqs": list(seqs.values()),
            "events": archive.events,
            "attempts": archive.attempts,
            "transactions": archive.transactions,
        }
        with translated_errors(), self._single.connect() as connection:
            return bool(connection.execute(_SETTLE, parameters).scalar_one())

    def forget(self, *, kept_days: int) -> int | None:
        with translated_errors(), self._single.connect() as connection:
            forgotten: int | None = connection.execute(_FORGET, {"kept_days": kept_days}).scalar_one()
        return forgotten


def problem_of(order: ArchivedOrder) -> str | None:
    """Return why an order with its events is not what was written; None if it is."""
    seq, status = order.order["seq"], order.order["status"]
    if [event["seq"] for event in order.events] != list(range(1, int(seq) + 1)):
        return f"at seq {seq}, with events numbered otherwise"
    if status != order.events[-1]["status"] or status not in FINAL:
        return f"{status}, and its last event is {order.events[-1]['status']}"
    before = GENESIS
    for event in order.events:
        if "packed" in event:
            return f"event {event['seq']} cannot be read"
        if event["chain"] is not None:
            found, said = link_of_row(before, order.order_id, event), _bytes(event["chain"])
            if said and found != said:
                return f"event {event['seq']}, or one before it, is not what was written"
            before = found
    if before != _bytes(order.order["chain"]):
        return "another hash than its last event has"
    return _landing_problem(order)


def _landing_problem(order: ArchivedOrder) -> str | None:
    """Return why what landed is not what the order says; without transactions nothing is known of it."""
    if not order.transactions:
        return None
    names = ("tx_signature", "input_units", "output_units")
    said = [tuple(order.order[name] for name in names)] if order.order["status"] == "confirmed" else []
    names = ("signature", "input_units", "output_units")
    landed = [tuple(each[name] for name in names) for each in order.transactions if each["error"] is None]
    return None if landed == said else f"{said} by its own account, and in the ledger {landed}"


def place_of(connection: Connection, order_id: str) -> tuple[str, bytes] | None:
    """Return the archive that holds an order's events and attempts, and its SHA-256.

    None if the record holds them.
    """
    found = connection.execute(_PLACE_OF, {"order_id": order_id}).one_or_none()
    return None if found is None else (found.place, bytes(found.sha256))


def found_in(archive: bytes, order_id: str) -> ArchivedOrder | None:
    """Return an order of an archive. Raises ``UnreadableArchiveError``."""
    near = (order_of(line) for line in lines_of(archive) if order_id in line)
    return next((order for order in near if order.order_id == order_id), None)


def archive_check(store: ArchiveStore) -> AuditCheck:
    """Return the audit's rule about archives."""
    return ComputedCheck(
        "each archive holds what the record says, and what was written",
        lambda connection: (Finding(*each) for each in _archive_problems(connection, store)),
    )


def _archive_problems(connection: Connection, store: ArchiveStore) -> Iterator[tuple[str, str]]:
    """Yield the archives, and the orders in them, that do not hold what the record says, and why."""
    for row in connection.execute(_ARCHIVES).all():
        content = store.get(row.place)
        if content is None:
            yield row.place, "is missing"
            continue
        if sha256(content).digest() != bytes(row.sha256):
            yield row.place, "is not what was written"
            continue
        try:
            orders = unpacked(content)
        except UnreadableArchiveError as error:
            yield row.place, str(error)
            continue
        counted = [len(orders), *(_sum(lists) for lists in zip(*map(_rows, orders), strict=True))]
        if counted != [row.orders, row.events, row.attempts, row.transactions or 0]:
            yield row.place, f"holds {counted} orders, events, attempts and transactions"
        # Of forgotten orders the record must know nothing.
        here = [] if row.forgotten_at else orders
        said = {(o.order_id, o.order["status"], o.order["seq"], o.order["chain"]) for o in here}
        kept = {tuple(each) for each in connection.execute(_KEPT, {"archive_id": row.archive_id})}
        for order_id, *_ in sorted(said ^ kept, key=str):
            yield order_id, f"the record and {row.place} say different things"
        for order in orders:
            problem = problem_of(order) or (_unlanded_problem(order) if row.transactions else None)
            if problem is not None:
                yield order.order_id, f"in {row.place}: {problem}"


def _unlanded_problem(order: ArchivedOrder) -> str | None:
    is_missing = order.order["status"] == "confirmed" and not order.transactions
    return "confirmed, and no transaction of it landed" if is_missing else None


def _rows(order: ArchivedOrder) -> tuple[Sequence[JsonObject], ...]:
    return order.events, order.attempts, order.transactions


def _sum(lists: Iterable[Sequence[Any]]) -> int:
    return sum(len(each) for each in lists)


def _bytes(written: str | None) -> bytes:
    return GENESIS if written is None else bytes.fromhex(written.removeprefix("\\x"))
