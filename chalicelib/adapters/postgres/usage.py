"""How much accounts and connections take up: what the limits are compared with."""

from datetime import datetime
from typing import Final

from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.error_translation import courtesy, translated_errors
from chalicelib.adapters.postgres.status_lists import FINAL_STATUSES, RESTS, UNDER_WAY
from chalicelib.domain.principals import Principal
from chalicelib.services.intake.limits import NotedConnection

# Counting stops at the limit: an account far beyond it costs no more than one that has just reached it.
_OPEN_ORDERS: Final = text(f"""
SELECT count(*) FROM (
    SELECT FROM orders WHERE account_id = :account_id AND {UNDER_WAY} LIMIT :limit) AS open
""")

_RESTING_ORDERS: Final = text(f"""
SELECT count(*) FROM (
    SELECT FROM orders WHERE account_id = :account_id AND {RESTS} LIMIT :limit) AS resting
""")

# Two handshakes at the very same moment may both be the last one allowed: not worth a lock.
_NOTE_CONNECTION: Final = text("""
INSERT INTO connections (connection_id, account_id, expires_at, batched)
SELECT :connection_id, :account_id, CAST(:expires_at AS timestamptz), CAST(:batched AS boolean)
WHERE (SELECT count(*) FROM (
    SELECT FROM connections WHERE account_id = :account_id AND expires_at > clock_timestamp() LIMIT :limit
) AS present) < :limit
ON CONFLICT (connection_id) DO UPDATE SET expires_at = excluded.expires_at, batched = excluded.batched
-- Ids do not recur. Should one, its new account must not be taken for the old one.
WHERE connections.account_id = excluded.account_id
RETURNING connection_id
""")

_NOTED_CONNECTION: Final = text("""
SELECT account_id, expires_at, batched FROM connections WHERE connection_id = :connection_id
""")

_SUBSCRIPTION_COUNT: Final = text(f"""
SELECT count(*) FROM subscriptions s LEFT JOIN orders o USING (order_id)
WHERE s.connection_id = :connection_id AND (o.status IS NULL OR o.status NOT IN {FINAL_STATUSES})
""")


class PostgresUsage:
    """``Usage`` on Postgres, and the count behind ``OpenOrders``."""

    def __init__(self, engine: Engine) -> None:
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")

    def open_orders(self, account_id: str, *, limit: int) -> int:
        with translated_errors(), self._single.connect() as connection:
            parameters = {"account_id": account_id, "limit": limit}
            return int(connection.execute(_OPEN_ORDERS, parameters).scalar_one())

    def resting_orders(self, account_id: str, *, limit: int) -> int:
        with translated_errors(), self._single.connect() as connection:
            parameters = {"account_id": account_id, "limit": limit}
            return int(connection.execute(_RESTING_ORDERS, parameters).scalar_one())

    def note_connection(
        self, connection_id: str, account_id: str, expires_at: datetime, *, batched: bool, limit: int
    ) -> bool:
        parameters = {
            "connection_id": connection_id,
            "account_id": account_id,
            "expires_at": expires_at,
            "batched": batched,
            "limit": limit,
        }
        with courtesy(), self._single.connect() as connection:
            return connection.execute(_NOTE_CONNECTION, parameters).first() is not None

    def noted_connection(self, connection_id: str) -> NotedConnection | None:
        with translated_errors(), self._single.connect() as connection:
            row = connection.execute(_NOTED_CONNECTION, {"connection_id": connection_id}).first()
        return (
            None if row is None else NotedConnection(Principal(row.account_id, row.expires_at), row.batched)
        )

    def subscription_count(self, connection_id: str) -> int:
        with translated_errors(), self._single.connect() as connection:
            return int(connection.execute(_SUBSCRIPTION_COUNT, {"connection_id": connection_id}).scalar_one())
