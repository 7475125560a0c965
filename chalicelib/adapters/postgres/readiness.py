"""Whether the database takes writes, keeps them and shows them, asked without writing anything that stays.

A server whose disk is full, or that has become a replica, answers queries as ever, and no order is executed.
One that confirms commits before they are on its disk may take back, after a crash, what was sent by then.
One whose transactions see what there was when they began shows nothing of what they have waited for: of two
that meet, as an order's first step and a cancel of all, neither would find the other.
"""

from typing import Final

from sqlalchemy import Engine

from chalicelib.adapters.postgres.error_translation import READ_ONLY, translated_errors
from chalicelib.adapters.postgres.statements import Database, Statement
from chalicelib.domain.errors import RetryableError

# So many rows do not fit into the memory that they are given, so the server puts them on its disk and takes
# them away again: a file of 150 KB, in 2 ms, and no word in the log that a replica or a crash would repeat.
# What a table or a log has left in pages of its own would let smaller writes pass on a disk that is full.
_CHECK: Final = Statement("""
SELECT current_setting('transaction_read_only') = 'on' AS is_read_only,
       current_setting('synchronous_commit') = 'off' AS may_lose,
       current_setting('transaction_isolation') IN ('repeatable read', 'serializable') AS is_isolated,
       (SELECT public.for_transaction('work_mem', '64kB')),
       (SELECT count(*) FROM generate_series(1, 8000))
""")

_MAY_LOSE: Final = "the database confirms commits before they are kept (synchronous_commit)"
_IS_ISOLATED: Final = "transactions do not see what they have waited for (default_transaction_isolation)"


def check_takes_writes(engine: Engine) -> None:
    """Return if the database answers, takes writes, keeps what it confirms, and shows it to who waited.

    It is asked as it is for an order: by a prepared statement, which a pooler may get in the way of. Sessions
    keep what the settings were at their start: what an older one says, a new one has to confirm.

    Raises:
        RetryableError: It does not answer, its disk is full, it is read-only, may lose commits, or has
            transactions see what there was when they began.
    """
    if _problem(engine) is None:
        return
    engine.dispose()
    if (problem := _problem(engine)) is not None:
        # No later request is served by a session that began now.
        engine.dispose()
        raise RetryableError(problem)


def _problem(engine: Engine) -> str | None:
    """Return why no order could be executed by a session of the pool's, if it says so."""
    with translated_errors():
        (found,) = Database(engine).execute(_CHECK)
    if found.is_read_only:
        return READ_ONLY
    if found.may_lose:
        return _MAY_LOSE
    return _IS_ISOLATED if found.is_isolated else None
