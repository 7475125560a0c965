"""Whether the database takes writes, asked without writing anything that stays.

A server whose disk is full, or that has become a replica, answers queries as ever, and no order is executed.
"""

from typing import Final

from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.error_translation import READ_ONLY, translated_errors
from chalicelib.domain.errors import RetryableError

# So many rows do not fit into the memory that they are given, so the server puts them on its disk and takes
# them away again: a file of 150 KB, in 2 ms, and no word in the log that a replica or a crash would repeat.
# What a table or a log has left in pages of its own would let smaller writes pass on a disk that is full.
_CHECK: Final = text("""
SELECT current_setting('transaction_read_only') = 'on',
       (SELECT public.for_transaction('work_mem', '64kB')),
       (SELECT count(*) FROM generate_series(1, 8000))
""")


def check_takes_writes(engine: Engine) -> None:
    """Return if the database answers and takes writes.

    Raises:
        RetryableError: It does not answer, its disk is full, or it is read-only.
    """
    with translated_errors(), engine.connect() as connection:
        is_read_only = connection.execute(_CHECK).scalar_one()
    if is_read_only:
        raise RetryableError(READ_ONLY)
