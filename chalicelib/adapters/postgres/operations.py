"""What operators ask of the record, across accounts: every statement stops at a written bound."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, TextClause, text

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.postgres.status_lists import RESTS, UNDER_WAY
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType
from chalicelib.services.queries.operations import (
    BODY_CHARS_MAX,
    BOUNDS_MS,
    CONNECTIONS_MAX,
    CONSUMERS_MAX,
    EVENTS_MAX,
    UNFINISHED_MAX,
    WINDOW_S,
    ArchivedLetter,
    Consumers,
    Histogram,
    Recent,
    UnfinishedOrders,
)

_BOUNDS: Final = ", ".join(map(str, BOUNDS_MS))

# Rows come as they lie, the oldest first: where a window has more than are looked at, the newest are found by
# looking at a shorter one. Below the shortest of these, 20,000 events are far beyond what was ever measured.
_WINDOWS_S: Final = tuple(WINDOW_S / (1 << halved) for halved in range(8))

# In the order of their indexes, which are read no further than that: backwards, so that of an account with
# more the oldest are seen.
_UNFINISHED: Final = text(f"""
SELECT status, order_type, count(*) AS number, min(accepted_at) AS oldest_at FROM (
    SELECT * FROM (SELECT status, order_type, accepted_at FROM orders WHERE {UNDER_WAY}
        ORDER BY account_id DESC, accepted_at, order_id LIMIT {UNFINISHED_MAX}) AS under_way
    UNION ALL
    SELECT * FROM (SELECT status, order_type, accepted_at FROM orders WHERE {RESTS}
        ORDER BY account_id DESC, accepted_at, order_id LIMIT {UNFINISHED_MAX}) AS resting
    LIMIT {UNFINISHED_MAX}
) AS unfinished GROUP BY 1, 2 ORDER BY 1, 2
""")

_CONNECTIONS: Final = text(f"""
SELECT count(*) FROM (
    SELECT FROM connections WHERE expires_at > statement_timestamp() LIMIT {CONNECTIONS_MAX}
) AS present
""")

# A consumer tells every fifteen seconds that it has work.
_CONSUMERS: Final = text(f"""
SELECT count(*) AS number, max(oldest_ms) AS oldest_ms FROM (
    SELECT oldest_ms FROM consumers WHERE seen_at > now() - interval '1 minute' LIMIT {CONSUMERS_MAX}
) AS present
""")

# Ten rows a code at most.
_REFUSALS: Final = text("""
SELECT code, sum(number) AS number FROM refusals WHERE minute > now() - interval '5 minutes' GROUP BY code
""")

# What ended on a day that was forgotten was accepted before the end of that day.
_LETTER_COLUMNS: Final = f"""
SELECT d.message_id, d.order_id, d.receive_count, d.reason, d.archived_at,
       left(d.body, {BODY_CHARS_MAX}) AS body, o.status,
       (SELECT CAST(max(day) + 1 AS timestamp) AT TIME ZONE 'UTC' FROM archives
        WHERE forgotten_at IS NOT NULL) AS forgotten_before
FROM dead_letters d LEFT JOIN orders o USING (order_id)
"""

_AT_THE_TOP: Final = ("infinity", "")
"""Where a first page begins: "or is not given" would keep the others' beginnings from being looked up."""

_LETTER: Final = text(f"{_LETTER_COLUMNS} WHERE d.message_id = :message_id")

_LETTERS: Final = text(f"""
{_LETTER_COLUMNS}
WHERE (d.archived_at, d.message_id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS text))
ORDER BY d.archived_at DESC, d.message_id DESC LIMIT :limit
""")


class PostgresOperations:
    """``Operations`` on Postgres."""

    def __init__(self, engine: Engine) -> None:
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")

    def recent(self) -> Recent:
        with translated_errors(), self._single.connect() as connection:
            window_s = _window_s(connection)
            rows = connection.execute(_recent(window_s)).all()
        is_cut = bool(rows) and rows[0].seen >= EVENTS_MAX
        started = [row for row in rows if row.status == OrderStatus.ROUTING and row.again]
        return Recent(
            seconds=rows[0].span_s if is_cut else window_s,
            is_whole=window_s == WINDOW_S and not is_cut,
            queued=_histogram(row for row in rows if row.is_first),
            opened=_histogram(row for row in rows if row.status == OrderStatus.OPEN and not row.again),
            confirmed=_histogram(row for row in rows if row.status == OrderStatus.CONFIRMED),
            events=_sums(((OrderStatus(row.status), OrderType(row.order_type)), row) for row in rows),
            failures=_sums((row.why or "", row) for row in rows if row.status == OrderStatus.FAILED),
            retries=_sums((row.why or "", row) for row in started),
            attempts=sum(row.number for row in rows if row.status == OrderStatus.SUBMITTED),
        )

    def unfinished(self) -> Sequence[UnfinishedOrders]:
        with translated_errors(), self._single.connect() as connection:
            rows = connection.execute(_UNFINISHED)
            return [
                UnfinishedOrders(
                    OrderStatus(row.status), OrderType(row.order_type), row.number, row.oldest_at
                )
                for row in rows
            ]

    def connections(self) -> int:
        with translated_errors(), self._single.connect() as connection:
            return int(connection.execute(_CONNECTIONS).scalar_one())

    def consumers(self) -> Consumers:
        with translated_errors(), self._single.connect() as connection:
            row = connection.execute(_CONSUMERS).one()
        return Consumers(row.number, row.oldest_ms)

    def refusals(self) -> dict[str, int]:
        with translated_errors(), self._single.connect() as connection:
            return {row.code: int(row.number) for row in connection.execute(_REFUSALS)}

    def dead_letters(self, *, limit: int, before: tuple[datetime, str] | None) -> Sequence[ArchivedLetter]:
        before_at, before_id = before or _AT_THE_TOP
        parameters = {"limit": limit, "before_at": before_at, "before_id": before_id}
        with translated_errors(), self._single.connect() as connection:
            return [_letter(row) for row in connection.execute(_LETTERS, parameters)]

    def dead_letter(self, message_id: str) -> ArchivedLetter | None:
        with translated_errors(), self._single.connect() as connection:
            row = connection.execute(_LETTER, {"message_id": message_id}).first()
        return None if row is None else _letter(row)


# Written out, not a parameter, and not clock_timestamp(), which may change while a statement runs: the
# planner is to know how short a time it is, and to ask the index.
def _since(window_s: float) -> str:
    return f"recorded_at > now() - make_interval(secs => {window_s}) LIMIT {EVENTS_MAX}"


def _how_many(window_s: float) -> TextClause:
    return text(f"SELECT count(*) FROM (SELECT FROM order_events WHERE {_since(window_s)}) AS recent")


# The limit comes before anything is joined or added up.
def _recent(window_s: float) -> TextClause:
    return text(f"""
WITH recent AS MATERIALIZED (
    SELECT order_id, seq, status, attempt, occurred_at, recorded_at,
           data ->> 'code' AS code, data ->> 'reason' AS reason
    FROM order_events WHERE {_since(window_s)}
),
timed AS (
    SELECT r.*, o.order_type,
           greatest(0, extract(epoch FROM r.occurred_at - o.accepted_at) * 1000)::bigint AS ms
    FROM recent r JOIN orders o USING (order_id)
)
SELECT status, order_type, attempt > 1 AS again, seq = 1 AS is_first, coalesce(code, reason) AS why,
       width_bucket(ms - 1, ARRAY[{_BOUNDS}]::bigint[]) AS bucket, count(*) AS number,
       sum(ms)::bigint AS sum_ms,
       (SELECT count(*) FROM recent) AS seen,
       (SELECT extract(epoch FROM max(recorded_at) - min(recorded_at))::float8 FROM recent) AS span_s
FROM timed GROUP BY 1, 2, 3, 4, 5, 6
""")


def _window_s(connection: Connection) -> float:
    """Return the longest time until now whose events are fewer than are looked at, in seconds."""
    for window_s in _WINDOWS_S:
        if connection.execute(_how_many(window_s)).scalar_one() < EVENTS_MAX:
            return window_s
    return _WINDOWS_S[-1]


def _letter(row: Row[Any]) -> ArchivedLetter:
    return ArchivedLetter(
        row.message_id,
        row.order_id,
        row.receive_count,
        row.reason,
        row.archived_at,
        row.body,
        None if row.status is None else OrderStatus(row.status),
        row.forgotten_before,
    )


def _histogram(rows: Iterable[Row[Any]]) -> Histogram:
    counts, sum_ms = [0] * (len(BOUNDS_MS) + 1), 0
    for row in rows:
        counts[row.bucket] += row.number
        sum_ms += row.sum_ms
    return Histogram(tuple(counts), sum_ms)


def _sums(rows: Iterable[tuple[Any, Row[Any]]]) -> dict[Any, int]:
    sums: Counter[Any] = Counter()
    for key, row in rows:
        sums[key] += row.number
    return dict(sums)
