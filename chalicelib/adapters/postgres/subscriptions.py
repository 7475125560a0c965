"""Which connection is subscribed to which orders.

The division of labour between live frames and replays rests on two facts. A sender reads the subscriptions
*after* its events are committed: in a statement that may have been sent with the commit, and begins after it.
``go_live`` takes a share lock on the order and compares its last event. So an event is either committed
before that lock, then the comparison fails and the replay goes on; or after it, then its sender sees the
subscription live. No event is lost between the two, and ``replayed_to`` keeps either from sending what the
other sent.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.postgres.rows import json_rows, text_array
from chalicelib.adapters.postgres.statements import Asked, Database, Row, Statement
from chalicelib.adapters.postgres.status_lists import RESTS, UNDER_WAY
from chalicelib.domain.ids import id_text
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import Subscribed, Subscription
from chalicelib.services.subscription_ports import AccountOrders, Missed, Replay, ReplayKind

EVERY_ORDER: Final = UUID(int=0)
_REPLAYED_ORDERS_MAX: Final = 100

# One whose token has expired gets nothing more, even before the sweep closes it; one that could not be noted
# has no row. LATERAL, since a join would be free to read all connections. In one row: each of a batch's would
# be a message of its own, which the driver takes apart value by value.
# The limits are none, which the planner cannot know: it expects little of each part. Without them it takes
# ten ids for granted, finds one cheaper, and plans anew for each order that comes by itself: 168 for 47 µs.
_SUBSCRIPTIONS: Final = Statement("""
SELECT jsonb_agg(jsonb_build_array(order_id, account_id, connection_id, live, replayed_to,
    coalesce(c.batched, false))) AS found
FROM (
    (SELECT order_id, account_id, connection_id, live, replayed_to FROM subscriptions
    WHERE order_id = ANY(CAST(:order_ids AS uuid[])) LIMIT CAST(:limit AS bigint))
    UNION ALL
    (SELECT order_id, account_id, connection_id, live, replayed_to FROM subscriptions
    WHERE order_id = CAST(:every AS uuid) AND account_id = ANY(CAST(:accounts AS text[]))
    LIMIT CAST(:limit AS bigint))
) AS s
LEFT JOIN LATERAL (
    SELECT batched, expires_at FROM connections WHERE connection_id = s.connection_id OFFSET 0
) AS c ON true
WHERE c.expires_at IS NULL OR c.expires_at > clock_timestamp()
""")

_BATCHED: Final = """coalesce(
    (SELECT batched FROM connections c WHERE c.connection_id = {}.connection_id), false) AS batched
"""
_REPLAY: Final = f"""
INSERT INTO subscriptions (connection_id, order_id, account_id, live, replayed_to, replay_id)
SELECT :connection_id, order_id, account_id, false, least(:after_seq, seq), CAST(:replay_id AS uuid)
FROM orders WHERE order_id = CAST(:order_id AS uuid) AND account_id = :account_id {{condition}}
ON CONFLICT (connection_id, order_id) DO UPDATE
SET live = false, replayed_to = excluded.replayed_to, replay_id = excluded.replay_id,
    updated_at = clock_timestamp()
RETURNING replayed_to, {_BATCHED.format("subscriptions")}
"""
_BEGIN_NAMED: Final = text(_REPLAY.format(condition=""))
# The lock makes it one or the other: what unsubscribes from everything removes this row first, so it waits
# for the replay and then removes what that inserted, or the replay waits for it and finds nothing.
_BEGIN_OF_ALL: Final = text(f"""
WITH all_of_them AS MATERIALIZED (
    SELECT FROM subscriptions WHERE connection_id = :connection_id AND order_id = CAST(:every AS uuid)
    FOR KEY SHARE)
{_REPLAY.format(condition="AND EXISTS (SELECT FROM all_of_them)")}
""")

# An update waits for what unsubscribes, and then finds nothing.
_BEGIN_CATCH_UP: Final = text(f"""
UPDATE subscriptions s
SET live = false, replay_id = CAST(:replay_id AS uuid), updated_at = clock_timestamp(),
    replayed_to = least(:after_seq, o.seq, CASE WHEN NOT s.live THEN s.replayed_to END)
FROM orders o
WHERE s.connection_id = :connection_id AND s.order_id = CAST(:order_id AS uuid)
  AND o.order_id = s.order_id AND o.account_id = :account_id AND s.account_id = o.account_id
  AND NOT EXISTS (SELECT FROM connections c
                  WHERE c.connection_id = s.connection_id AND c.expires_at <= clock_timestamp())
RETURNING s.replayed_to, {_BATCHED.format("s")}
""")

_BEGINNINGS: Final = {
    ReplayKind.NAMED: _BEGIN_NAMED,
    ReplayKind.OF_ALL: _BEGIN_OF_ALL,
    ReplayKind.CATCH_UP: _BEGIN_CATCH_UP,
}

_GO_LIVE: Final = text("""
WITH present AS (SELECT order_id, seq FROM orders WHERE order_id = CAST(:order_id AS uuid) FOR SHARE),
flipped AS (
    UPDATE subscriptions s SET live = true, replayed_to = p.seq, replay_id = NULL,
        updated_at = clock_timestamp()
    FROM present p
    WHERE s.order_id = p.order_id AND s.connection_id = :connection_id
      AND s.replay_id = CAST(:replay_id AS uuid) AND p.seq = :seq
    RETURNING 1
)
SELECT EXISTS (SELECT FROM flipped) OR NOT EXISTS (
    SELECT FROM subscriptions WHERE connection_id = :connection_id AND order_id = CAST(:order_id AS uuid)
      AND replay_id = CAST(:replay_id AS uuid))
""")

# Ten thousand orders may rest: the newest are replayed beside those under way, the others on request.
_UNFINISHED_ORDERS: Final = f"""
(SELECT order_id FROM orders WHERE account_id = :account_id AND {UNDER_WAY}
ORDER BY accepted_at DESC LIMIT {_REPLAYED_ORDERS_MAX})
UNION ALL
(SELECT order_id FROM orders WHERE account_id = :account_id AND {RESTS}
ORDER BY accepted_at DESC LIMIT {_REPLAYED_ORDERS_MAX})
"""
_UNFINISHED: Final = text(_UNFINISHED_ORDERS)
_MORE_REST: Final = text(f"""
SELECT EXISTS (
    SELECT FROM orders WHERE account_id = :account_id AND {RESTS}
    ORDER BY accepted_at DESC OFFSET {_REPLAYED_ORDERS_MAX})
""")

# What is under way waits for its replay from the first moment: no live event may go ahead of it.
_SUBSCRIBE_ACCOUNT: Final = text(f"""
WITH unfinished AS ({_UNFINISHED_ORDERS})
INSERT INTO subscriptions (connection_id, order_id, account_id, live, replayed_to)
SELECT :connection_id, CAST(:every AS uuid), :account_id, true, 0
UNION ALL
SELECT :connection_id, order_id, :account_id, false, 0 FROM unfinished
ON CONFLICT DO NOTHING
""")

# A frame takes its time to fail, in which its connection may have unsubscribed: the lock is that of a replay.
_MARK_BEHIND: Final = text("""
WITH missed AS MATERIALIZED (
    SELECT connection_id, order_id, account_id, sent_to
    FROM jsonb_to_recordset(CAST(:missed AS jsonb))
        AS m(connection_id text, order_id uuid, account_id text, sent_to integer)
), still AS MATERIALIZED (
    SELECT s.connection_id, s.order_id FROM subscriptions s
    WHERE (s.connection_id, s.order_id) IN (
        SELECT connection_id, unnest(ARRAY[order_id, CAST(:every AS uuid)]) FROM missed)
    ORDER BY s.connection_id, s.order_id FOR KEY SHARE
)
INSERT INTO subscriptions (connection_id, order_id, account_id, live, replayed_to)
SELECT connection_id, order_id, account_id, false, sent_to FROM missed m
WHERE EXISTS (SELECT FROM still WHERE still.connection_id = m.connection_id
              AND still.order_id IN (m.order_id, CAST(:every AS uuid)))
-- In one order, so that two consumers that mark the same connections behind cannot deadlock.
ORDER BY connection_id, order_id
ON CONFLICT (connection_id, order_id) DO UPDATE
SET live = false, replayed_to = excluded.replayed_to, updated_at = clock_timestamp()
WHERE subscriptions.live
""")

_REMOVE_ONE: Final = text("""
DELETE FROM subscriptions WHERE connection_id = :connection_id AND order_id = CAST(:order_id AS uuid)
""")
REMOVED_MAX: Final = 5_000
"""Subscriptions that one statement removes: of a bot that sent a thousand orders a second, connections have
hundreds of thousands, more than an answer of the database is waited for.
"""

# In one order, so that two that remove the same connections cannot deadlock.
_REMOVE_SOME: Final = text("""
DELETE FROM subscriptions WHERE (connection_id, order_id) IN (
    SELECT connection_id, order_id FROM subscriptions WHERE connection_id = ANY(:connection_ids)
    ORDER BY connection_id, order_id LIMIT :limit FOR UPDATE)
""")
_DISCONNECTED: Final = text("DELETE FROM connections WHERE connection_id = ANY(:connection_ids)")


def question(orders: Sequence[Order]) -> Asked:
    """Return what asks for the subscriptions to orders."""
    return _SUBSCRIPTIONS, {
        "order_ids": f"{{{','.join(id_text(order.order_id) for order in orders)}}}",
        "accounts": text_array(*sorted({order.account_id for order in orders})),
        "every": str(EVERY_ORDER),
        "limit": None,
    }


def by_order(orders: Sequence[Order], rows: Sequence[Row]) -> Subscribed:
    """Return what the answer to ``question`` says of each of the orders.

    What a connection says of one order goes before what it says of all of its account.
    """
    by_name = {id_text(order.order_id): order for order in orders}
    subscribed: Subscribed = {order.order_id: [] for order in orders}
    of_all = []
    (row,) = rows
    for name, account_id, connection_id, live, replayed_to, batched in row.found or ():
        order = by_name.get(name)
        if order is None:
            of_all.append((account_id, connection_id, live, replayed_to, batched))
        elif order.account_id == account_id:
            subscribed[order.order_id].append(
                Subscription(order.order_id, connection_id, live, replayed_to, batched)
            )
    for order in by_name.values() if of_all else ():
        found = subscribed[order.order_id]
        named = {each.connection_id for each in found}
        found += [
            Subscription(order.order_id, connection_id, live, replayed_to, batched, is_of_all=True)
            for account_id, connection_id, live, replayed_to, batched in of_all
            if account_id == order.account_id and connection_id not in named
        ]
    return subscribed


class PostgresSubscriptions:
    """``Subscriptions`` on Postgres."""

    def __init__(self, engine: Engine) -> None:
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._database = Database(engine)

    def of_orders(self, orders: Sequence[Order]) -> Sequence[Subscription]:
        with translated_errors():
            rows = self._database.execute(*question(orders))
        return [each for found in by_order(orders, rows).values() for each in found]

    def begin_replay(
        self,
        connection_id: str,
        account_id: str,
        order_id: UUID,
        *,
        replay_id: UUID,
        after_seq: int,
        kind: ReplayKind = ReplayKind.NAMED,
    ) -> Replay | None:
        parameters = {
            "connection_id": connection_id,
            "account_id": account_id,
            "order_id": str(order_id),
            "replay_id": str(replay_id),
            "after_seq": after_seq,
        }
        if kind is ReplayKind.OF_ALL:
            parameters["every"] = str(EVERY_ORDER)
        with translated_errors(), self._single.connect() as connection:
            row = connection.execute(_BEGINNINGS[kind], parameters).first()
            return None if row is None else Replay(row.replayed_to, row.batched)

    def go_live(self, connection_id: str, order_id: UUID, *, replay_id: UUID, seq: int) -> bool:
        parameters = {
            "connection_id": connection_id,
            "order_id": str(order_id),
            "replay_id": str(replay_id),
            "seq": seq,
        }
        with translated_errors(), self._single.connect() as connection:
            return bool(connection.execute(_GO_LIVE, parameters).scalar_one())

    def subscribe_account(self, connection_id: str, account_id: str) -> AccountOrders:
        parameters = {"connection_id": connection_id, "account_id": account_id}
        with translated_errors(), self._single.connect() as connection:
            # Two transactions on purpose: an order created after the second one finds the first committed.
            connection.execute(_SUBSCRIBE_ACCOUNT, parameters | {"every": str(EVERY_ORDER)})
            found = connection.execute(_UNFINISHED, {"account_id": account_id}).scalars().all()
            more = connection.execute(_MORE_REST, {"account_id": account_id}).scalar_one()
            return AccountOrders(found, bool(more))

    def mark_behind(self, missed: Sequence[Missed]) -> None:
        rows = [
            {
                "connection_id": each.connection_id,
                "order_id": each.order.order_id,
                "account_id": each.order.account_id,
                "sent_to": each.sent_to,
            }
            for each in missed
        ]
        with translated_errors(), self._single.connect() as connection:
            connection.execute(_MARK_BEHIND, {"missed": json_rows(rows), "every": str(EVERY_ORDER)})

    def remove(self, connection_id: str, order_id: UUID | None) -> bool:
        with translated_errors(), self._single.connect() as connection:
            # That to every order goes ahead, in a transaction of its own: no replay begins after it.
            first = {"connection_id": connection_id, "order_id": str(order_id or EVERY_ORDER)}
            removed = connection.execute(_REMOVE_ONE, first).rowcount > 0
            if order_id is None:
                _remove_all(connection, [connection_id])
            return removed

    def forget(self, connection_ids: Sequence[str]) -> None:
        with translated_errors(), self._single.connect() as connection:
            _remove_all(connection, connection_ids)
            # Last, and by itself: what a stop before it leaves, the sweep finds by the connections.
            connection.execute(_DISCONNECTED, {"connection_ids": list(connection_ids)})


def _remove_all(connection: Connection, connection_ids: Sequence[str]) -> None:
    """Remove all subscriptions of connections, in parts that each are a transaction."""
    parameters = {"connection_ids": list(connection_ids), "limit": REMOVED_MAX}
    while connection.execute(_REMOVE_SOME, parameters).rowcount == REMOVED_MAX:
        pass
