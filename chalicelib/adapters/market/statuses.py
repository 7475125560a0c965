"""What a node answers for signatures, such that "unknown, past its validity" means dead for ever."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, text

from chalicelib.adapters.market.locking import LANDING_LOCK
from chalicelib.domain.errors import Code, RetryableError
from chalicelib.services.ports import ChainView, Fate, LegFill, TransactionStatus

ROUNDS_MAX: Final = 100
"""Signatures can become due while others are landed; more rounds than this and the node gives up."""

_LOCK: Final = text("SELECT pg_advisory_xact_lock(:landing_lock)")

_STATUSES: Final = text("""
    WITH asked AS (SELECT jsonb_array_elements_text(CAST(:signatures AS jsonb)) AS signature),
    moment AS MATERIALIZED (SELECT market.now() AS now)
    SELECT market.height_at(moment.now - CAST(:lag AS interval)) AS height,
        EXISTS (SELECT FROM market.mempool WHERE lands_at <= moment.now) AS is_any_due,
        EXISTS (SELECT FROM market.mempool JOIN asked USING (signature) WHERE lands_at <= moment.now)
            AS is_asked_due,
        (SELECT jsonb_agg(to_jsonb(done)) FROM (
            SELECT signature, slot, error, input_units, output_units, legs
            FROM market.transactions JOIN asked USING (signature)
            WHERE landed_at <= moment.now - CAST(:lag AS interval)) AS done) AS landed
    FROM moment
""")


class StatusReader:
    """Answers for signatures, after landing what is due."""

    def __init__(self, engine: Engine, land_due: Callable[[], int]) -> None:
        self._engine = engine
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._land_due = land_due

    def view(self, signatures: Sequence[str], lag_ms: int) -> ChainView:
        """Return height and statuses as of one moment, ``lag_ms`` ago.

        If the height is past a transaction's validity and its status is unknown, it never landed
        and never will. While that cannot be told (a landing is under way), this waits.

        Raises:
            RetryableError: The node cannot catch up with what is due.
        """
        asked = {"signatures": json.dumps(list(signatures)), "lag": f"{lag_ms} milliseconds"}
        with self._single.connect() as connection:
            row = connection.execute(_STATUSES, asked).one()
        for _ in range(ROUNDS_MAX):
            if row.is_any_due:
                self._land_due()
            elif len(row.landed or ()) == len(set(signatures)):
                return _chain_view(signatures, row)
            with self._engine.begin() as connection:
                row = _locked_read(connection, asked)
            if not row.is_asked_due:
                return _chain_view(signatures, row)
        raise RetryableError("the node is behind with its blocks")


def _locked_read(connection: Connection, asked: Mapping[str, str]) -> Row[Any]:
    # Two statements on purpose: the second one's snapshot must be younger than the lock.
    connection.execute(_LOCK, {"landing_lock": LANDING_LOCK})
    return connection.execute(_STATUSES, asked).one()


def _chain_view(signatures: Sequence[str], row: Row[Any]) -> ChainView:
    landed = {status["signature"]: _status(status) for status in row.landed or ()}
    unknown = TransactionStatus(Fate.UNKNOWN)
    return ChainView(row.height, {signature: landed.get(signature, unknown) for signature in signatures})


def _status(row: Mapping[str, Any]) -> TransactionStatus:
    if row["error"] is not None:
        return TransactionStatus(Fate.REFUSED, slot=row["slot"], refusal=Code(row["error"]))
    return TransactionStatus(
        Fate.LANDED,
        slot=row["slot"],
        input_units=row["input_units"],
        output_units=row["output_units"],
        legs=tuple(LegFill(**leg) for leg in row["legs"]),
    )
