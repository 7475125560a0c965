"""Who waits for whom in the market.

Whatever lets a transaction land, now or later, holds the landing lock in shared mode from before
it reads the clock until its commit. A node that is about to say "unknown to me, at this height"
takes it exclusively first, then reads clock and statuses in one new statement. So each landing is either
committed, and then seen, or reads the clock later, at no smaller height, where the validity of a
transaction that is dead by then has passed. (PostgreSQL's clock must not be set back meanwhile.)

Among themselves, landings lock the pools and then the wallets they touch, in order of their keys.
"""

from collections.abc import Callable, Collection
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres.arrays import Columns
from chalicelib.adapters.postgres.error_translation import sqlstate, translated_errors
from chalicelib.adapters.postgres.statements import Asked, Statement

LANDING_LOCK: Final = 0x6D61726B6574  # "market"; the only advisory lock in this schema
TRIES_MAX: Final = 5

_POOLS: Final = Columns("pools", {"pool_id": "text"})
_WALLETS: Final = Columns("wallets", {"address": "text", "token": "text"})

_LOCK: Final = Statement(f"""
    WITH landing AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(:landing_lock)),
    pool AS MATERIALIZED (
        SELECT pool_id FROM market.pools
        WHERE pool_id IN (SELECT pool_id FROM {_POOLS.rows()} AS named)
        ORDER BY pool_id FOR UPDATE
    ),
    wallet AS MATERIALIZED (
        SELECT address FROM market.wallets
        WHERE (address, token) IN (SELECT address, token FROM {_WALLETS.rows()} AS named)
        ORDER BY address, token FOR UPDATE
    )
    SELECT (SELECT count(*) FROM landing), (SELECT count(*) FROM pool), (SELECT count(*) FROM wallet)
""")

# serialization_failure, deadlock_detected, unique_violation: done over, each finds what the other did.
_CONFLICTS: Final = {"40001", "40P01", "23505"}

Result = TypeVar("Result")


def locks(pool_ids: Collection[str], wallets: Collection[tuple[str, str]]) -> Asked:
    """Return the statement that locks what a landing touches.

    What it then reads, it reads in a statement of its own: a statement sees what was committed when it began.
    """
    named = _POOLS.parameters([(pool_id,) for pool_id in pool_ids]) | _WALLETS.parameters([*wallets])
    return _LOCK, named | {"landing_lock": str(LANDING_LOCK)}


def unless_lost(work: Callable[[], Result]) -> Result | None:
    """Do work that is one database transaction; return None if it lost against another, and so did nothing.

    Raises:
        RetryableError: The database does not answer.
    """
    with translated_errors():
        try:
            return work()
        except DBAPIError as error:
            if sqlstate(error) not in _CONFLICTS:
                raise
            return None


def retried(work: Callable[[], Result]) -> Result:
    """Do work that is one database transaction, again if it lost against another.

    Raises:
        RetryableError: The database does not answer, or the work lost too often.
    """
    with translated_errors():
        for _ in range(TRIES_MAX - 1):
            try:
                return work()
            except DBAPIError as error:
                if sqlstate(error) not in _CONFLICTS:
                    raise
        return work()
