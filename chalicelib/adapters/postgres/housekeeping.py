"""What the sweep asks of the record, and the archive of dead letters."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres.error_translation import LOCK_NOT_AVAILABLE, sqlstate, translated_errors
from chalicelib.adapters.postgres.rows import json_rows
from chalicelib.adapters.postgres.servers import PostgresServers
from chalicelib.adapters.postgres.status_lists import FINAL_STATUSES, IDLE_STATUSES, UNDER_WAY
from chalicelib.adapters.postgres.unpublished import OLD_UNPUBLISHED
from chalicelib.adapters.postgres.watches import WATCHED
from chalicelib.services.consumer.dead_letters import DeadLetter
from chalicelib.services.recovery.sweeper import Forgotten, StrandedOrder, SubscriptionBehind, SweepPart
from chalicelib.services.recovery.turns import ACCOUNTS_MAX, Place, Rest

# A waiting message comes back after its back-off or its lease, both well below this.
STRANDED_AFTER_S: Final = 15
NO_LEASE_LASTS_S: Final = 600
"""A lease that ends later is of a server whose clock was ahead: nothing of ours waits for it."""

BEHIND_AFTER_S: Final = 15
FINISHED_AFTER_S: Final = 600

# How long a message of the sweep may wait in a queue that is behind. An order that a consumer has claimed
# since is stranded anew once that lease has ended.
SENT_AGAIN_AFTER_S: Final = 120

IDLE_PAIRS_KEPT: Final = 200
"""So many pairs of tokens that nothing waits for are no burden, and listed tokens alone hardly make more."""

PAIRS_LOCK_WAIT_MS: Final = 100
"""What arms a watch meanwhile waits as long."""

MARKS_RECENT_BLOCKS: Final = 100
"""More than any trigger looks back."""

_BEGINNING: Final = ("", UUID(int=0))

# What was looked at, whatever it is: of an account whose orders were all resumed a moment ago, too, a part
# reads no more than its share.
_STRANDED: Final = text(f"""
SELECT w.account_id, s.looked_at, s.order_ids, s.last_at, s.last_id
FROM jsonb_to_recordset(CAST(:places AS jsonb)) AS w(account_id text, at timestamptz, order_id uuid)
CROSS JOIN LATERAL (
    SELECT count(*) AS looked_at, jsonb_agg(order_id) FILTER (WHERE is_stranded) AS order_ids,
        max(accepted_at) AS last_at,
        (array_agg(order_id ORDER BY accepted_at DESC, order_id DESC))[1] AS last_id
    FROM (
        SELECT order_id, accepted_at,
            lease_until NOT BETWEEN clock_timestamp() - make_interval(secs => {STRANDED_AFTER_S})
                AND clock_timestamp() + make_interval(secs => {NO_LEASE_LASTS_S})
            AND (resumed_at IS NULL OR resumed_at NOT BETWEEN
                 greatest(lease_until, clock_timestamp() - make_interval(secs => {SENT_AGAIN_AFTER_S}))
                 AND clock_timestamp()
            ) AS is_stranded
        FROM orders
        WHERE {UNDER_WAY} AND account_id = w.account_id
            AND (accepted_at, order_id) > (coalesce(w.at, '-infinity'), w.order_id)
        ORDER BY accepted_at, order_id LIMIT CAST(:share AS int)
    ) AS part
) AS s
""")

_UNPUBLISHED: Final = text(f"""
WITH {OLD_UNPUBLISHED} SELECT order_id, account_id FROM old WHERE NOT is_published
""")

# An order that is held is being worked on: it is not stranded any more.
_NOTE_RESUMED: Final = text(f"""
WITH sent AS (
    UPDATE unpublished SET since = clock_timestamp() WHERE order_id = ANY(CAST(:order_ids AS uuid[]))
)
UPDATE orders SET resumed_at = clock_timestamp() WHERE order_id IN (
    SELECT order_id FROM orders
    WHERE order_id = ANY(CAST(:order_ids AS uuid[])) AND status NOT IN {IDLE_STATUSES}
    ORDER BY order_id FOR UPDATE SKIP LOCKED)
""")

# Noted ahead of time, by what a message may wait longer than what was never sent: while the queue is behind,
# it would get the same messages with each run.
_BEHIND: Final = text(f"""
WITH part AS MATERIALIZED (
    SELECT s.connection_id, s.order_id FROM unnest(CAST(:accounts AS text[])) AS w(account_id)
    CROSS JOIN LATERAL (
        SELECT connection_id, order_id FROM subscriptions
        WHERE NOT live AND account_id = w.account_id AND updated_at < CAST(:before AS timestamptz)
        ORDER BY updated_at LIMIT CAST(:share AS int) FOR UPDATE SKIP LOCKED
    ) AS s
    LIMIT CAST(:limit AS int)
)
UPDATE subscriptions s
SET updated_at = clock_timestamp() + make_interval(secs => {SENT_AGAIN_AFTER_S - BEHIND_AFTER_S})
FROM part p WHERE s.connection_id = p.connection_id AND s.order_id = p.order_id
RETURNING s.connection_id, s.account_id, s.order_id, s.replayed_to
""")

# Not one that was caught up, or marked behind anew, meanwhile: its time is not ahead.
_NOTE_UNSENT: Final = text(f"""
WITH unsent AS MATERIALIZED (
    SELECT s.connection_id, s.order_id FROM subscriptions s
    JOIN unnest(CAST(:connection_ids AS text[]), CAST(:order_ids AS uuid[])) AS u(connection_id, order_id)
        USING (connection_id, order_id)
    WHERE NOT s.live AND s.updated_at > clock_timestamp() FOR UPDATE OF s SKIP LOCKED
)
UPDATE subscriptions s SET updated_at = clock_timestamp() - make_interval(secs => {BEHIND_AFTER_S})
FROM unsent u WHERE s.connection_id = u.connection_id AND s.order_id = u.order_id
""")


def _accounts_of(table: str, condition: str) -> TextClause:
    """Return the statement that names the next accounts with such rows, each found by itself in an index."""
    next_one = f"""
        SELECT account_id FROM {table} WHERE {condition} AND account_id > {{}} ORDER BY account_id LIMIT 1"""
    return text(f"""
WITH RECURSIVE found AS (
    SELECT account_id, 1 AS place FROM ({next_one.format("CAST(:seen_to AS text)")}) AS first
    UNION ALL
    SELECT n.account_id, f.place + 1 FROM found f CROSS JOIN LATERAL ({next_one.format("f.account_id")}) AS n
    WHERE f.place < CAST(:most AS int)
)
SELECT jsonb_agg(account_id ORDER BY place) AS accounts,
    statement_timestamp() - make_interval(secs => {BEHIND_AFTER_S}) AS before
FROM found
""")


_UNDER_WAY_OF: Final = _accounts_of("orders", UNDER_WAY)
_BEHIND_OF: Final = _accounts_of("subscriptions", "NOT live")

_EXPIRED: Final = text("""
SELECT connection_id FROM connections WHERE expires_at < statement_timestamp()
ORDER BY expires_at LIMIT :limit
""")

# So many rows along the primary key, whatever is among them: an index by age would cost every order its
# entry, and the oldest subscriptions, to orders that rest, would be in front of all others each time.
_FORGET_FINISHED: Final = text(f"""
WITH part AS MATERIALIZED (
    SELECT connection_id, order_id FROM subscriptions
    WHERE (connection_id, order_id) > (:connection_id, CAST(:order_id AS uuid))
    ORDER BY connection_id, order_id LIMIT :limit
), forgotten AS (
    DELETE FROM subscriptions s USING part p, LATERAL (
        SELECT status, updated_at FROM orders WHERE order_id = p.order_id
    ) AS o
    WHERE s.connection_id = p.connection_id AND s.order_id = p.order_id AND s.live
      AND o.status IN {FINAL_STATUSES}
      AND o.updated_at < clock_timestamp() - make_interval(secs => {FINISHED_AFTER_S})
      AND NOT EXISTS (SELECT FROM unpublished u WHERE u.order_id = p.order_id)
    RETURNING 1
), last AS (
    SELECT connection_id, order_id FROM part ORDER BY connection_id DESC, order_id DESC LIMIT 1
)
SELECT l.connection_id, l.order_id, (SELECT count(*) FROM part) AS looked_at,
    (SELECT count(*) FROM forgotten) AS removed
FROM last l
""")

# What no order waits for, nor had its mark noted in the last blocks. A mark says its height and not its time.
_IDLE: Final = f"""
WITH RECURSIVE {WATCHED}, idle AS (
    SELECT pair_id FROM watch_pairs
    WHERE pair_id NOT IN (SELECT pair_id FROM watched)
      AND pair_id NOT IN (SELECT pair_id FROM marks
                          WHERE height > (SELECT max(height) FROM marks) - {MARKS_RECENT_BLOCKS})
    ORDER BY pair_id LIMIT :limit
)
"""
_COUNT_IDLE: Final = text(f"{_IDLE} SELECT count(*) FROM idle")
# What arms a watch or notes a mark inserts its pair, or finds that it is there, in the same transaction, and
# so holds a lock that this one waits for: pairs are looked at when none of those is under way. Others wait
# behind this one, so it gives up soon, and the next sweep tries again.
_LOCK_WAIT: Final = text("SELECT public.for_transaction('lock_timeout', :ms)")
_LOCK_PAIRS: Final = text("LOCK TABLE watch_pairs IN EXCLUSIVE MODE")
# References are checked at the statement's end, when both are gone.
_FORGET_PAIRS: Final = text(f"""
{_IDLE}, gone AS (
    DELETE FROM marks USING idle WHERE marks.pair_id = idle.pair_id
)
DELETE FROM watch_pairs USING idle WHERE watch_pairs.pair_id = idle.pair_id
""")

# Not on a server that no consumer has noticed yet: it would say that what is missing there is not.
_NOTE_ALIVE: Final = text("""
UPDATE servers SET alive_at = clock_timestamp()
WHERE server_id = (SELECT max(server_id) FROM servers) AND name = public.server()
""")

# What is armed again before it was looked up is one that its owner amends just now. Watches are locked in the
# order in which consumers arm them: else each waited for what the other holds.
_WAKE_DOUBTED: Final = text("""
WITH doubted AS (
    SELECT server_id, woken_to FROM servers
    WHERE lacks_since IS NOT NULL AND settled_at IS NOT NULL AND woken_at IS NULL
    ORDER BY server_id LIMIT 1 FOR UPDATE SKIP LOCKED
), part AS MATERIALIZED (
    SELECT w.order_id FROM doubted AS d CROSS JOIN LATERAL (
        SELECT order_id FROM watches WHERE order_id > d.woken_to ORDER BY order_id LIMIT :limit
        FOR NO KEY UPDATE) AS w
), woken AS (
    UPDATE watches AS w SET wake_at = statement_timestamp() FROM part
    WHERE w.order_id = part.order_id AND w.armed RETURNING 1
), noted AS (
    UPDATE servers AS s
    SET woken_to = coalesce((SELECT order_id FROM part ORDER BY order_id DESC LIMIT 1), s.woken_to),
        woken_at = CASE WHEN (SELECT count(*) FROM part) < :limit THEN clock_timestamp() END
    FROM doubted AS d WHERE s.server_id = d.server_id
)
SELECT count(*) FROM woken
""")

# For it a consumer finds out when nothing of before can land any more, also where none has anything to do.
_WAKE_ONE: Final = text("""
UPDATE watches SET wake_at = statement_timestamp() WHERE order_id = (
    SELECT order_id FROM watches WHERE armed ORDER BY order_id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
""")

_ARCHIVE: Final = text("""
INSERT INTO dead_letters (message_id, order_id, body, receive_count, reason)
VALUES (:message_id, CAST(:order_id AS uuid), :body, :receive_count, :reason) ON CONFLICT DO NOTHING
""")


class PostgresHousekeeping:
    """``Housekeeping`` on Postgres.

    Args:
        servers: Where the record is; None where it lacks nothing wherever it is.
    """

    def __init__(self, engine: Engine, *, servers: PostgresServers | None = None) -> None:
        self._servers = servers
        self._engine = engine
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._looked_at = _BEGINNING

    def stranded_orders(self, rest: Rest, *, limit: int) -> SweepPart[StrandedOrder]:
        with translated_errors(), self._single.connect() as connection:
            turn, share, rest = _turn(connection, _UNDER_WAY_OF, rest, limit)
            if not turn:
                return SweepPart([])
            places = json_rows(
                [
                    {"account_id": each.account_id, "at": each.at, "order_id": str(each.order_id)}
                    for each in turn
                ]
            )
            rows = connection.execute(_STRANDED, {"places": places, "share": share}).all()
        more = [Place(row.account_id, row.last_at, row.last_id) for row in rows if row.looked_at == share]
        found = [StrandedOrder(UUID(id_), row.account_id) for row in rows for id_ in row.order_ids or ()]
        return SweepPart(found, rest.with_more(more))

    def unpublished_orders(self, *, limit: int) -> Sequence[StrandedOrder]:
        with translated_errors(), self._single.connect() as connection:
            rows = connection.execute(_UNPUBLISHED, {"limit": limit})
            return [StrandedOrder(row.order_id, row.account_id) for row in rows]

    def note_resumed(self, order_ids: Sequence[UUID]) -> None:
        with translated_errors(), self._single.connect() as connection:
            connection.execute(_NOTE_RESUMED, {"order_ids": [str(order_id) for order_id in order_ids]})

    def subscriptions_behind(self, rest: Rest, *, limit: int) -> SweepPart[SubscriptionBehind]:
        with translated_errors(), self._single.connect() as connection:
            turn, share, rest = _turn(connection, _BEHIND_OF, rest, limit)
            if not turn:
                return SweepPart([])
            parameters = {
                "accounts": [each.account_id for each in turn],
                "before": rest.before,
                "share": share,
                "limit": limit,
            }
            rows = connection.execute(_BEHIND, parameters).all()
        found = [
            SubscriptionBehind(row.connection_id, row.account_id, row.order_id, row.replayed_to)
            for row in rows
        ]
        numbers = Counter(each.account_id for each in found)
        # What was taken is not found again: an account that has more begins with it.
        return SweepPart(found, rest.with_more([each for each in turn if numbers[each.account_id] == share]))

    def note_unsent(self, behind: Sequence[SubscriptionBehind]) -> None:
        named = {
            "connection_ids": [each.connection_id for each in behind],
            "order_ids": [str(each.order_id) for each in behind],
        }
        with translated_errors(), self._single.connect() as connection:
            connection.execute(_NOTE_UNSENT, named)

    def expired_connections(self, *, limit: int) -> Sequence[str]:
        with translated_errors(), self._single.connect() as connection:
            return connection.execute(_EXPIRED, {"limit": limit}).scalars().all()

    def forget_finished(self, *, limit: int) -> Forgotten:
        connection_id, order_id = self._looked_at
        parameters = {"connection_id": connection_id, "order_id": str(order_id), "limit": limit}
        with translated_errors(), self._single.connect() as connection:
            row = connection.execute(_FORGET_FINISHED, parameters).first()
        if row is None or row.looked_at < limit:
            self._looked_at = _BEGINNING
            return Forgotten(0 if row is None else row.removed, is_more=False)
        self._looked_at = row.connection_id, row.order_id
        return Forgotten(row.removed, is_more=True)

    def forget_pairs(self, *, limit: int) -> Forgotten:
        with translated_errors(), self._single.connect() as connection:
            idle = connection.execute(_COUNT_IDLE, {"limit": IDLE_PAIRS_KEPT + 1}).scalar_one()
        if idle <= IDLE_PAIRS_KEPT:
            return Forgotten(0, is_more=False)
        with translated_errors(), self._engine.begin() as connection:
            connection.execute(_LOCK_WAIT, {"ms": str(PAIRS_LOCK_WAIT_MS)})
            try:
                connection.execute(_LOCK_PAIRS)
            except DBAPIError as error:
                if sqlstate(error) != LOCK_NOT_AVAILABLE:
                    raise
                connection.rollback()
                return Forgotten(0, is_more=False)
            removed = connection.execute(_FORGET_PAIRS, {"limit": limit}).rowcount
        return Forgotten(removed, is_more=removed == limit)

    def wake_doubted(self, *, limit: int) -> int:
        doubt = self._servers.found().doubt if self._servers else None
        with translated_errors(), self._single.connect() as connection:
            connection.execute(_NOTE_ALIVE)
            if doubt is not None and not doubt.is_settled:
                connection.execute(_WAKE_ONE)
            return int(connection.execute(_WAKE_DOUBTED, {"limit": limit}).scalar_one())


class PostgresDeadLetterArchive:
    """``DeadLetterArchive`` on Postgres."""

    def __init__(self, engine: Engine) -> None:
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")

    def archive(self, letter: DeadLetter, *, order_id: UUID | None, reason: str) -> None:
        parameters = {
            "message_id": letter.message_id,
            "order_id": None if order_id is None else str(order_id),
            "body": _storable(letter.body),
            "receive_count": letter.receive_count,
            "reason": _storable(reason),
        }
        with translated_errors(), self._single.connect() as connection:
            connection.execute(_ARCHIVE, parameters)


def _turn(
    connection: Connection, accounts_of: TextClause, rest: Rest, limit: int
) -> tuple[list[Place], int, Rest]:
    """Return whose turn it is, how much of each, and what is left without them."""
    most = min(limit, ACCOUNTS_MAX)
    found: Sequence[str] = ()
    if rest.seen_to is not None:
        row = connection.execute(accounts_of, {"seen_to": rest.seen_to, "most": most}).one()
        found, rest = row.accounts or (), replace(rest, before=rest.before or row.before)
    turn, rest = rest.turn(found, most)
    return turn, limit // max(1, len(turn)), rest


def _storable(text: str) -> str:
    """Return a text without what Postgres cannot store (NUL, half a surrogate):
    that must not keep a message out.
    """
    return text.replace("\x00", "\\u0000").encode(errors="backslashreplace").decode()
