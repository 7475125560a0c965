"""Who waits for whom in the market.

Whatever lets a transaction land, now or later, holds the landing lock in shared mode from before
it reads the clock until its commit. A node that is about to say "unknown to me, at this height"
takes it exclusively first, then reads clock and statuses in one new statement. So each landing is either
committed, and then seen, or reads the clock later, at no smaller height, where the validity of a
transaction that is dead by then has passed. (PostgreSQL's clock must not be set back meanwhile.)

Among themselves, landings lock the pools and then the wallets they touch, in order of their keys.
"""

import json
from collections.abc import Callable, Collection
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres.error_translation import sqlstate, translated_errors
from chalicelib.adapters.postgres.statements import Asked, Statement

LANDING_LOCK: Final = 0x6D61726B6574  # "market"; the only advisory lock in this schema
TRIES_MAX: Final = 5

_LOCK: Final = Statement("""
    WITH landing AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(:landing_lock)),
    pool AS MATERIALIZED (
        SELECT pool_id FROM market.pools
        WHERE pool_id IN (SELECT jsonb_array_elements_text(CAST(:pool_ids AS jsonb)))
        ORDER BY pool_id FOR UPDATE
    ),
    wallet AS MATERIALIZED (
        SELECT address FROM market.wallets
        WHERE (address, token) IN (
            SELECT item ->> 0, item ->> 1 FROM jsonb_array_elements(CAST(:wallets AS jsonb)) AS item)
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
    return _LOCK, {
        "landing_lock": LANDING_LOCK,
        "pool_ids": json.dumps(sorted(pool_ids)),
        "wallets": json.dumps(sorted(wallets)),
    }


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
