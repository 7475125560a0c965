"""Canceling an account's orders together: each is ended as a single cancel ends it (``order_record``)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Engine

from chalicelib.adapters.postgres.cancels import (
    ENDED,
    MARK,
    RETURNING,
    SET_CANCELED,
    at_parameters,
    ended,
    meant,
    noted_unpublished,
)
from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.postgres.rows import json_rows
from chalicelib.adapters.postgres.servers import ARE_KNOWN
from chalicelib.adapters.postgres.statements import Database, Statement
from chalicelib.adapters.postgres.status_lists import CANCELABLE_STATUSES, RESTS, UNDER_WAY
from chalicelib.adapters.postgres.unpublished import NOTE_PUBLISHED
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.progress import Published
from chalicelib.services.intake.cancel_all import EndedOrder, Unfinished

_MEANT: Final = f"""
o.account_id = :account_id
AND {meant("CAST(:base AS text)", "CAST(:quote AS text)", "CAST(:types AS text[])")}
"""

# Two conditions, since orders under way and resting ones have an index each.
_UNDER_WAY: Final = f"{UNDER_WAY} AND {_MEANT}"
_RESTING: Final = f"{RESTS} AND {_MEANT}"
_UNSENT: Final = f"o.status IN {CANCELABLE_STATUSES} AND o.tx_signature IS NULL"

# Rows that a consumer holds are left to a later look: waiting for several of them, in another order than the
# consumer's, would end in a deadlock. The union is an expression of its own: within the UPDATE Postgres would
# run it, and what it is of, anew for each row that was moved on meanwhile, and count more than the limit.
_CANCEL_SOME: Final = Statement(f"""
WITH under_way AS MATERIALIZED (
    SELECT o.order_id FROM orders o WHERE {_UNDER_WAY} AND {_UNSENT} AND {ARE_KNOWN}
    ORDER BY o.accepted_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
), resting AS MATERIALIZED (
    SELECT o.order_id FROM orders o WHERE {_RESTING} AND {ARE_KNOWN}
    ORDER BY o.accepted_at LIMIT :limit - (SELECT count(*) FROM under_way) FOR NO KEY UPDATE SKIP LOCKED
), wanted AS MATERIALIZED (
    SELECT order_id FROM under_way UNION ALL SELECT order_id FROM resting
), canceled AS (
    UPDATE orders o {SET_CANCELED}
    FROM wanted WHERE o.order_id = wanted.order_id
    {RETURNING}
), {ENDED}, {noted_unpublished("canceled")}
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
    """``OpenOrdersRecord`` on Postgres.

    Args:
        must_be_known: Orders may have executed that the record shows as unsent, after a failover: those that
            no consumer has looked up since are not canceled yet.
    """

    def __init__(self, engine: Engine, *, must_be_known: bool = False) -> None:
        self._database = Database(engine)
        self._must_be_known = must_be_known

    def mark(self, account_id: str, wanted: OrderFilter, at: datetime) -> None:
        parameters = {
            "account_id": account_id,
            "base": wanted.base or "",
            "quote": wanted.quote or "",
            "types": ",".join(sorted({each.value for each in wanted.types or ()})),
            "at": at,
        }
        with translated_errors():
            self._database.execute(MARK, parameters)

    def cancel_some(
        self, account_id: str, wanted: OrderFilter, at: datetime, *, limit: int
    ) -> Sequence[EndedOrder]:
        parameters = _meant(account_id, wanted, limit) | at_parameters(at)
        parameters["must_be_known"] = self._must_be_known
        with translated_errors():
            rows = self._database.execute(_CANCEL_SOME, parameters)
        return [
            EndedOrder(order, event, row.told_seq)
            for row, (order, event) in zip(rows, ended(rows, at), strict=True)
        ]

    def note_published(self, published: Sequence[Published]) -> None:
        named = json_rows([each._asdict() for each in published])
        with translated_errors():
            self._database.execute(NOTE_PUBLISHED, {"published": named})

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
