"""What the sweep asks of the record, and the archive of dead letters."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.postgres.status_lists import FINAL_STATUSES, IDLE_STATUSES
from chalicelib.services.consumer.dead_letters import DeadLetter
from chalicelib.services.recovery.sweeper import StrandedOrder, SubscriptionBehind

# A waiting message comes back after its back-off or its lease, both well below this.
STRANDED_AFTER_S: Final = 15
BEHIND_AFTER_S: Final = 15
FINISHED_AFTER_S: Final = 600


# Every account's first order before any account's second: what one
# account leaves behind by the thousand is for later runs.
_STRANDED: Final = text(f"""
SELECT order_id, account_id FROM (
    SELECT order_id, account_id, accepted_at, row_number()
        OVER (PARTITION BY account_id ORDER BY accepted_at) AS place
    FROM orders
    WHERE status NOT IN {IDLE_STATUSES}
        AND lease_until < clock_timestamp() - make_interval(secs => {STRANDED_AFTER_S})
) AS stranded
ORDER BY place, accepted_at LIMIT :limit
""")

_BEHIND: Final = text(f"""
UPDATE subscriptions SET updated_at = clock_timestamp()
WHERE (connection_id, order_id) IN (
    SELECT connection_id, order_id FROM subscriptions WHERE (connection_id, order_id) IN (
        SELECT connection_id, order_id FROM (
            SELECT connection_id, order_id, updated_at,
                row_number() OVER (PARTITION BY account_id ORDER BY updated_at) AS place
            FROM subscriptions
            WHERE NOT live AND updated_at < clock_timestamp() - make_interval(secs => {BEHIND_AFTER_S})
        ) AS lagging
        ORDER BY place, updated_at LIMIT :limit)
    FOR UPDATE SKIP LOCKED)
RETURNING connection_id, account_id, order_id, replayed_to
""")

_EXPIRED: Final = text("""
SELECT connection_id FROM connections WHERE expires_at < clock_timestamp() ORDER BY expires_at LIMIT :limit
""")

_FORGET_FINISHED: Final = text(f"""
DELETE FROM subscriptions s USING orders o
WHERE o.order_id = s.order_id AND s.live AND o.status IN {FINAL_STATUSES}
  AND o.updated_at < clock_timestamp() - make_interval(secs => {FINISHED_AFTER_S})
""")

_ARCHIVE: Final = text("""
INSERT INTO dead_letters (message_id, order_id, body, receive_count, reason)
VALUES (:message_id, CAST(:order_id AS uuid), :body, :receive_count, :reason) ON CONFLICT DO NOTHING
""")


class PostgresHousekeeping:
    """``Housekeeping`` on Postgres."""

    def __init__(self, engine: Engine) -> None:
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")

    def stranded_orders(self, *, limit: int) -> Sequence[StrandedOrder]:
        with translated_errors(), self._single.connect() as connection:
            rows = connection.execute(_STRANDED, {"limit": limit})
            return [StrandedOrder(row.order_id, row.account_id) for row in rows]

    def subscriptions_behind(self, *, limit: int) -> Sequence[SubscriptionBehind]:
        with translated_errors(), self._single.connect() as connection:
            rows = connection.execute(_BEHIND, {"limit": limit})
            return [
                SubscriptionBehind(row.connection_id, row.account_id, row.order_id, row.replayed_to)
                for row in rows
            ]

    def expired_connections(self, *, limit: int) -> Sequence[str]:
        with translated_errors(), self._single.connect() as connection:
            return connection.execute(_EXPIRED, {"limit": limit}).scalars().all()

    def forget_finished(self) -> int:
        with translated_errors(), self._single.connect() as connection:
            return connection.execute(_FORGET_FINISHED).rowcount


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


def _storable(text: str) -> str:
    """Return a text without what Postgres cannot store (NUL, half a surrogate):
    that must not keep a message out.
    """
    return text.replace("\x00", "\\u0000").encode(errors="backslashreplace").decode()
