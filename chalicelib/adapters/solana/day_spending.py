"""Caps on what is spent, kept across processes: an order is put down before anything is signed for it.

A day's orders are added up and put down under a lock per token, so that two consumers cannot both take what
is left. An order that ended without a fill has spent nothing, and counts no more, nor does one that rests and
that no consumer has, until it is signed for again: it may rest for weeks, and the cap is others' too. A
filled one has spent what its transaction moved, even if more was put down for another order of its id. Orders
that have ended are settled: they become part of their day's sum, so that what is added up anew each time is
what is under way.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, Engine, text

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.solana.spending import Spend, SpendCaps, check_spend
from chalicelib.domain.errors import RetryableError

SETTLED_MAX: Final = 1_000
"""Orders at a time: more than end between two that are signed for."""

# One day for all of a transaction: what is put down counts on the day whose sum it was compared with, though
# midnight has come meanwhile, and a server's clock that was ahead may have been on that day before.
_TODAY: Final = "(transaction_timestamp() AT TIME ZONE 'UTC')::date"
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('orderflow spending ' || :token, 0))")
# What is left after so many is settled by the next ones, and counted by itself until then.
_SETTLE: Final = text(f"""
WITH ended AS (
    SELECT s.order_id, CASE WHEN o.status = 'confirmed' THEN least(s.units, o.input_units) ELSE 0 END AS units
    FROM spending s CROSS JOIN LATERAL (
        SELECT status, input_units FROM orders WHERE order_id = s.order_id AND ended_at IS NOT NULL LIMIT 1
    ) AS o
    WHERE s.day = {_TODAY} AND s.token = :token AND NOT s.is_settled
        AND s.order_id <> ALL (CAST(:order_ids AS uuid[]))
    LIMIT {SETTLED_MAX}
), settled AS (
    UPDATE spending s SET is_settled = true FROM ended WHERE s.order_id = ended.order_id
    RETURNING ended.units
)
INSERT INTO spent_days AS d (day, token, units)
SELECT {_TODAY}, :token, sum(units) FROM settled HAVING count(*) > 0
ON CONFLICT (day, token) DO UPDATE SET units = d.units + excluded.units
""")
_SPENT: Final = text(f"""
SELECT coalesce((SELECT units FROM spent_days WHERE day = {_TODAY} AND token = :token), 0)
    + coalesce(sum(s.units), 0)
FROM spending s LEFT JOIN LATERAL (
    SELECT status, lease_until FROM orders WHERE order_id = s.order_id LIMIT 1
) AS o ON true
WHERE s.day = {_TODAY} AND s.token = :token AND NOT s.is_settled
    AND s.order_id <> ALL (CAST(:order_ids AS uuid[]))
    AND (o.status IS NULL OR o.status NOT IN ('failed', 'canceled', 'expired'))
    AND (o.status IS DISTINCT FROM 'open' OR o.lease_until >= clock_timestamp())
""")
# A client may have sent two orders under one id at once: only one of them comes on record and is sent, and it
# may be the other one than asks for this. So never less is put down, nor another token.
_PUT_DOWN: Final = text(f"""
INSERT INTO spending AS s (order_id, day, token, units)
VALUES (CAST(:order_id AS uuid), {_TODAY}, :token, :units)
ON CONFLICT (order_id) DO UPDATE SET day = excluded.day, units = greatest(s.units, excluded.units)
WHERE s.token = excluded.token
""")


class DaySpending:
    """Holds orders to their caps.

    Args:
        is_demanded: Whether a token without caps may not be spent at all.
    """

    def __init__(self, engine: Engine, caps: Mapping[str, SpendCaps], *, is_demanded: bool) -> None:
        self._engine, self._caps, self._is_demanded = engine, caps, is_demanded

    def reserve(self, spends: Sequence[Spend]) -> None:
        """Put down what is about to be signed, all of it or nothing. Safe to repeat for an order.

        Raises:
            RefusedError: A cap would be passed.
            RetryableError: The database does not answer; or another token is put down for an order's id.
        """
        with translated_errors(), self._engine.begin() as connection:
            tokens = sorted({spend.token for spend in spends if spend.token in self._caps})
            spent = Counter({token: _spent(connection, token, spends) for token in tokens})
            for spend in spends:
                check_spend(
                    self._caps,
                    spend.token,
                    spend.units,
                    spent_today=spent[spend.token],
                    is_demanded=self._is_demanded,
                )
                if spend.token in self._caps:
                    spent[spend.token] += spend.units
                    row = {"order_id": str(spend.order_id), "token": spend.token, "units": spend.units}
                    if not connection.execute(_PUT_DOWN, row).rowcount:
                        raise RetryableError("another token is put down for an order of the same id")


def _spent(connection: Connection, token: str, spends: Sequence[Spend]) -> int:
    """Return what others spend today; from here to the transaction's end no other consumer adds to it."""
    connection.execute(_LOCK, {"token": token})
    asked = {"token": token, "order_ids": [str(spend.order_id) for spend in spends]}
    connection.execute(_SETTLE, asked)
    return int(connection.execute(_SPENT, asked).scalar_one())
