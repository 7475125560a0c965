"""Who waits for whom in the market.

Whatever lets a transaction land, now or later, holds the landing lock in shared mode from before
it reads the clock until its commit. A node that is about to say "unknown to me, at this height"
takes it exclusively first, then reads clock and statuses in one new statement. So each landing is either
committed, and then seen, or reads the clock later, at no smaller height, where the validity of a
transaction that is dead by then has passed. (PostgreSQL's clock must not be set back meanwhile.)

Among themselves, landings lock the pools and then the wallets they touch, in order of their keys.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres.error_translation import sqlstate, translated_errors

LANDING_LOCK: Final = 0x6D61726B6574  # "market"; the only advisory lock in this schema
TRIES_MAX: Final = 5

# serialization_failure, deadlock_detected, unique_violation: done over, each finds what the other did.
_CONFLICTS: Final = {"40001", "40P01", "23505"}

Result = TypeVar("Result")


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
