"""What a node answers for signatures, such that "unknown, past its validity" means dead for ever."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Engine

from chalicelib.adapters.postgres.statements import Database, Row, Statement
from chalicelib.adapters.simulated_market.landing import Landing
from chalicelib.adapters.simulated_market.ledger import Record
from chalicelib.adapters.simulated_market.legs import fills
from chalicelib.adapters.simulated_market.locking import LANDING_LOCK
from chalicelib.domain.errors import Code, RetryableError
from chalicelib.domain.transactions import ChainView, SignatureStatus, TransactionStatus

ROUNDS_MAX: Final = 100
"""Signatures can become due while others are landed; more rounds than this and the node gives up."""

_LOCK: Final = Statement("SELECT pg_advisory_xact_lock(:landing_lock)")

# A signature is in doubt if it is neither in the ledger nor known to be on its way and still valid.
# The limit is for the planner, which expects a hundred rows of a function; see ``order_record``.
_STATUSES: Final = Statement("""
    WITH asked AS MATERIALIZED (
        SELECT jsonb_array_elements_text(CAST(:signatures AS jsonb)) AS signature
        LIMIT jsonb_array_length(CAST(:signatures AS jsonb))
    ),
    moment AS MATERIALIZED (
        SELECT now, now - CAST(:lag AS interval) AS seen_until, market.height_at(now) AS height
        FROM (SELECT market.now() AS now) AS clock
    ),
    landed AS (
        SELECT signature, slot, error, input_units, output_units, legs
        FROM moment CROSS JOIN asked JOIN market.transactions t USING (signature)
        WHERE md5(t.signature)::uuid = md5(asked.signature)::uuid AND landed_at <= moment.seen_until
    )
    SELECT market.height_at(moment.seen_until) AS height,
        EXISTS (SELECT FROM market.mempool WHERE lands_at <= moment.now) AS is_any_due,
        EXISTS (SELECT FROM market.mempool JOIN asked USING (signature) WHERE lands_at <= moment.now)
            AS is_asked_due,
        EXISTS (
            SELECT FROM asked
            WHERE NOT EXISTS (SELECT FROM landed WHERE landed.signature = asked.signature)
            AND NOT EXISTS (
                SELECT FROM market.mempool
                WHERE mempool.signature = asked.signature AND last_valid_height >= moment.height)
        ) AS is_in_doubt,
        (SELECT jsonb_agg(to_jsonb(landed)) FROM landed) AS landed
    FROM moment
""")


class StatusReader:
    """Answers for signatures, after landing what is due."""

    def __init__(self, engine: Engine, landing: Landing) -> None:
        self._database = Database(engine)
        self._landing = landing

    def view(self, signatures: Sequence[str], lag_ms: int) -> ChainView:
        """Return height and statuses as of one moment, ``lag_ms`` ago.

        If the height is past a transaction's validity and its status is unknown, it never landed
        and never will. Where that hangs on a landing under way, this waits for it; where a
        transaction is on its way and still valid, "unknown" claims nothing and needs no lock. What this
        node itself landed last, and committed, it knows without a question.

        Raises:
            RetryableError: The node cannot catch up with what is due.
        """
        asked = {"signatures": json.dumps(list(signatures)), "lag": f"{lag_ms} milliseconds"}
        if not lag_ms and (known := self._last_landed(signatures)):
            return known
        row = self._read(asked)
        for _ in range(ROUNDS_MAX):
            if row.is_any_due:
                self._landing.land_due()
                row = self._read(asked)
            if row.is_in_doubt and not row.is_asked_due:
                row = self._locked_read(asked)
            if not row.is_asked_due:
                return _chain_view(signatures, row)
        raise RetryableError("the node is behind with its blocks")

    def _last_landed(self, signatures: Sequence[str]) -> ChainView | None:
        """Return a view as of the node's last landing, if that decided all of the signatures."""
        landed = {record.landed.transaction.signature: record for record in self._landing.last}
        if not signatures or not landed.keys() >= set(signatures):
            return None
        statuses = {signature: _recorded_status(landed[signature]) for signature in signatures}
        return ChainView(max(record.height for record in landed.values()), statuses)

    def _read(self, asked: Mapping[str, str]) -> Row:
        (row,) = self._database.execute(_STATUSES, asked)
        return row

    def _locked_read(self, asked: Mapping[str, str]) -> Row:
        # Two statements on purpose: the second one's snapshot must be younger than the lock. They go
        # together, since nothing lands while the lock is held.
        with self._database.transaction() as session:
            _, (row,) = session.finish((_LOCK, {"landing_lock": LANDING_LOCK}), (_STATUSES, asked))
        return row


def _chain_view(signatures: Sequence[str], row: Row) -> ChainView:
    landed = {status["signature"]: _status(status) for status in row.landed or ()}
    unknown = TransactionStatus(SignatureStatus.UNKNOWN)
    return ChainView(row.height, {signature: landed.get(signature, unknown) for signature in signatures})


def _recorded_status(record: Record) -> TransactionStatus:
    landed = record.landed
    if landed.error is not None:
        return TransactionStatus(SignatureStatus.REFUSED, slot=record.height, refusal=landed.error)
    return TransactionStatus(
        SignatureStatus.LANDED,
        slot=record.height,
        input_units=landed.input_units,
        output_units=landed.output_units,
        legs=landed.legs,
    )


def _status(row: Mapping[str, Any]) -> TransactionStatus:
    if row["error"] is not None:
        return TransactionStatus(SignatureStatus.REFUSED, slot=row["slot"], refusal=Code(row["error"]))
    return TransactionStatus(
        SignatureStatus.LANDED,
        slot=row["slot"],
        input_units=row["input_units"],
        output_units=row["output_units"],
        legs=fills(row["legs"]),
    )
