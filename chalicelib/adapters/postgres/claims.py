"""Claiming orders that are on record: each by one consumer at a time, under the next fence."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres.error_translation import LOCK_NOT_AVAILABLE, sqlstate
from chalicelib.adapters.postgres.event_chain import GENESIS
from chalicelib.adapters.postgres.rows import ORDER_COLUMNS, order_state
from chalicelib.adapters.postgres.statements import Database, DatabaseSession, Row, Statement
from chalicelib.adapters.postgres.watches import fired_among
from chalicelib.domain.orders import OrderState
from chalicelib.domain.progress import ClaimedOrder, Claims, OpenAttempt
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import SignedTransaction
from chalicelib.logs import logger

CLOCK_JUMP_S: Final = 60
"""By so much the server's clock may go back and orders that are claimed, or were released, merely wait."""

LOCK_WAIT_MS: Final = 500

# A lease that ends later than any that is taken now is of a server whose clock was ahead, as before a
# failover: the fence shuts its holder out. A step of a consumer's writes down when it was done, and a release
# has the lease end then.
_ABANDONED: Final = "o.lease_until > o.updated_at + interval '0.1 second'"
_FOUND: Final = f"""
SELECT {ORDER_COLUMNS}, o.fence, o.chain,
    o.lease_until NOT BETWEEN clock_timestamp()
        AND clock_timestamp() + make_interval(secs => {CLOCK_JUMP_S} + CAST(:lease_ms AS float8) / 1000)
        AS is_free,
    {_ABANDONED} AS is_abandoned
FROM orders o WHERE o.order_id = ANY(:order_ids) ORDER BY o.order_id
"""
_LOCK: Final = Statement(f"{_FOUND} FOR UPDATE")

# A row is held for some milliseconds by all that is ours. What holds it for longer, as a transaction that an
# operator left open, must not cost the orders beside it their turn.
_LOCK_WAIT: Final = Statement(f"SELECT public.for_transaction('lock_timeout', '{LOCK_WAIT_MS}')")
_LOCK_FREE: Final = Statement(f"{_FOUND} FOR UPDATE SKIP LOCKED")
_HELD: Final = Statement(_FOUND)

_CLAIM: Final = Statement(f"""
UPDATE orders o
SET fence = o.fence + 1, given_up = o.given_up + CAST({_ABANDONED} AS int),
    lease_until = clock_timestamp() + make_interval(secs => CAST(:lease_ms AS float8) / 1000)
WHERE o.order_id = ANY(:order_ids)
""")

_OPEN_ATTEMPTS: Final = Statement("""
SELECT order_id, signature, payload, last_valid_height, attempt,
    quoted_in_units, quoted_out_units, threshold_units
FROM attempts WHERE order_id = ANY(:order_ids) AND outcome IS NULL
""")

# Of an order that is held to one, nothing is refused but its end, one leg, or what was due to neither price
# nor wallet. A sniper order may rest after that, and be amended: a threshold is of the amount that it was
# made for.
_REFUSED_AT: Final = Statement("""
SELECT a.order_id, max(a.threshold_units) AS most, min(a.threshold_units) AS least
FROM attempts a
WHERE a.order_id = ANY(:order_ids) AND a.outcome = 'refused' AND NOT EXISTS (
    SELECT FROM order_events e
    WHERE e.order_id = a.order_id AND e.status = 'open' AND e.attempt > a.attempt
      AND e.data #> '{amended,amount}' IS NOT NULL)
GROUP BY a.order_id
""")

_Lock = Callable[[DatabaseSession, Mapping[str, Any]], tuple[Sequence[Row], Sequence[Row]]]
"""Locks the rows of orders; returns them, and those of orders that others hold."""


def claimed(
    database: Database, order_ids: Sequence[UUID], lease_ms: int
) -> tuple[Claims, Mapping[UUID, bytes]]:
    """Claim what is free of some orders; return what became of each, and the last hashes of those claimed.

    What something holds for longer than ours ever does counts as busy, and the others do not wait for it.
    """
    try:
        return _claimed(database, order_ids, lease_ms, _awaited)
    except DBAPIError as error:
        if sqlstate(error) != LOCK_NOT_AVAILABLE:
            raise
    logger.warning("orders held by others", orders=len(order_ids))
    return _claimed(database, order_ids, lease_ms, _not_held)


def _claimed(
    database: Database, order_ids: Sequence[UUID], lease_ms: int, lock: _Lock
) -> tuple[Claims, Mapping[UUID, bytes]]:
    with database.transaction() as session:
        rows, held = lock(session, {"order_ids": sorted(order_ids), "lease_ms": lease_ms})
        states = {row.order_id: order_state(row) for row in (*rows, *held)}
        free = {row.order_id: row for row in rows if row.is_free and not states[row.order_id].is_final}
        attempts = _claim_rows(session, list(free), lease_ms)
        resting = [id_ for id_ in free if states[id_].status is OrderStatus.OPEN]
        fired = fired_among(session, resting) if resting else {}
        held_to = _held_to(session, [states[id_] for id_ in free])
    claims = Claims(
        claimed={
            id_: ClaimedOrder(
                states[id_].abandoned() if row.is_abandoned else states[id_],
                row.fence + 1,
                attempts.get(id_),
                fired.get(id_),
                held_to.get(id_),
                row.is_abandoned,
            )
            for id_, row in free.items()
        },
        busy={id_: state for id_, state in states.items() if not state.is_final and id_ not in free},
        final={id_: state for id_, state in states.items() if state.is_final},
    )
    return claims, {id_: bytes(row.chain or GENESIS) for id_, row in free.items()}


def _awaited(session: DatabaseSession, wanted: Mapping[str, Any]) -> tuple[Sequence[Row], Sequence[Row]]:
    _, rows = session.execute_all((_LOCK_WAIT, {}), (_LOCK, wanted))
    return rows, ()


def _not_held(session: DatabaseSession, wanted: Mapping[str, Any]) -> tuple[Sequence[Row], Sequence[Row]]:
    rows = session.execute(_LOCK_FREE, wanted)
    ours = {row.order_id for row in rows}
    return rows, [row for row in session.execute(_HELD, wanted) if row.order_id not in ours]


def _claim_rows(session: DatabaseSession, order_ids: list[UUID], lease_ms: int) -> Mapping[UUID, OpenAttempt]:
    if not order_ids:
        return {}
    session.execute(_CLAIM, {"order_ids": order_ids, "lease_ms": lease_ms})
    rows = session.execute(_OPEN_ATTEMPTS, {"order_ids": order_ids})
    return {row.order_id: _open_attempt(row) for row in rows}


def _held_to(session: DatabaseSession, states: Sequence[OrderState]) -> Mapping[UUID, int]:
    """Return the strictest threshold that the chain refused, of each order that is held to one."""
    retried = {state.order.order_id: state.order for state in states if state.is_held_to_refusals}
    if not retried:
        return {}
    rows = session.execute(_REFUSED_AT, {"order_ids": list(retried)})
    return {
        row.order_id: int(
            row.most if retried[row.order_id].terms.swap_mode is SwapMode.EXACT_IN else row.least
        )
        for row in rows
    }


def _open_attempt(row: Row) -> OpenAttempt:
    return OpenAttempt(
        SignedTransaction(row.signature, bytes(row.payload), row.last_valid_height),
        row.attempt,
        int(row.quoted_in_units),
        int(row.quoted_out_units),
        int(row.threshold_units),
    )
