"""Canceling an account's orders together: each is ended as a single cancel ends it (``order_record``)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Engine

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.postgres.rows import ORDER_COLUMNS, order_state
from chalicelib.adapters.postgres.statements import Database, Statement
from chalicelib.adapters.postgres.status_lists import CANCELABLE_STATUSES, IDLE_STATUSES
from chalicelib.domain.events import Canceled, OrderEvent
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.orders import Order
from chalicelib.services.intake.cancel_all import Unfinished

# As ``OrderFilter.fits`` has it.
_MEANT: Final = """
o.account_id = :account_id
AND (CAST(:types AS text[]) IS NULL OR o.order_type = ANY(CAST(:types AS text[])))
AND CASE
    WHEN CAST(:base AS text) IS NOT NULL AND CAST(:quote AS text) IS NOT NULL
        THEN :base IN (o.input_token, o.output_token) AND :quote IN (o.input_token, o.output_token)
    WHEN CAST(:base AS text) IS NOT NULL THEN o.price_base = :base
    WHEN CAST(:quote AS text) IS NOT NULL
        THEN o.price_base <> :quote AND :quote IN (o.input_token, o.output_token)
    ELSE true
END
"""

# Two conditions, since orders under way and resting ones have an index each.
_UNDER_WAY: Final = f"o.status NOT IN {IDLE_STATUSES} AND {_MEANT}"
_RESTING: Final = f"o.status = 'open' AND {_MEANT}"
_UNSENT: Final = f"o.status IN {CANCELABLE_STATUSES} AND o.tx_signature IS NULL"

# Rows that a consumer holds are left to a later look: waiting for several of them, in another order than the
# consumer's, would end in a deadlock.
_CANCEL_SOME: Final = Statement(f"""
WITH under_way AS MATERIALIZED (
    SELECT o.order_id FROM orders o WHERE {_UNDER_WAY} AND {_UNSENT}
    ORDER BY o.accepted_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
), resting AS MATERIALIZED (
    SELECT o.order_id FROM orders o WHERE {_RESTING}
    ORDER BY o.accepted_at LIMIT :limit - (SELECT count(*) FROM under_way) FOR NO KEY UPDATE SKIP LOCKED
), canceled AS (
    UPDATE orders o
    SET status = 'canceled', seq = o.seq + 1, fence = o.fence + 1, updated_at = clock_timestamp(),
        chain = sha256(coalesce(o.chain, '') || convert_to(
            concat_ws('|', o.order_id, o.seq + 1, 'canceled', o.attempt, CAST(:at_text AS text), '{{}}'),
            'UTF8'))
    FROM (SELECT order_id FROM under_way UNION ALL SELECT order_id FROM resting) AS wanted
    WHERE o.order_id = wanted.order_id
    RETURNING {ORDER_COLUMNS}, o.chain
), logged AS (
    INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data, chain)
    SELECT order_id, seq, status, attempt, :at, '{{}}', chain FROM canceled
), disarmed AS (
    DELETE FROM watches w USING canceled c WHERE w.order_id = c.order_id
)
SELECT * FROM canceled
""")

_UNFINISHED: Final = Statement(f"""
SELECT
    (SELECT array_agg(order_id ORDER BY accepted_at) FROM (
        SELECT o.order_id, o.accepted_at FROM orders o WHERE {_UNDER_WAY} AND NOT ({_UNSENT})
        ORDER BY o.accepted_at LIMIT :limit) AS sent) AS already_sent,
    (SELECT count(*) FROM (
        (SELECT FROM orders o WHERE {_UNDER_WAY} AND {_UNSENT} LIMIT :limit)
        UNION ALL (SELECT FROM orders o WHERE {_RESTING} LIMIT :limit)
        LIMIT :limit) AS left_over) AS cancelable
""")


class PostgresOpenOrders:
    """``OpenOrdersRecord`` on Postgres."""

    def __init__(self, engine: Engine) -> None:
        self._database = Database(engine)

    def cancel_some(
        self, account_id: str, wanted: OrderFilter, at: datetime, *, limit: int
    ) -> Sequence[tuple[Order, OrderEvent]]:
        parameters = _meant(account_id, wanted, limit) | {
            "at": at,
            "at_text": at.astimezone(UTC).isoformat(),
        }
        with translated_errors():
            states = [order_state(row) for row in self._database.execute(_CANCEL_SOME, parameters)]
        return [
            (state.order, OrderEvent(state.order.order_id, state.seq, state.attempt, at, Canceled()))
            for state in states
        ]

    def unfinished(self, account_id: str, wanted: OrderFilter, *, limit: int) -> Unfinished:
        with translated_errors():
            (row,) = self._database.execute(_UNFINISHED, _meant(account_id, wanted, limit))
        return Unfinished([UUID(str(each)) for each in row.already_sent or ()], row.cancelable)


def _meant(account_id: str, wanted: OrderFilter, limit: int) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "types": None if wanted.types is None else [each.value for each in wanted.types],
        "base": wanted.base,
        "quote": wanted.quote,
        "limit": limit,
    }
