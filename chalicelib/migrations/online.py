"""What a migration does while functions go on: its statements are transactions of their own."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op
from sqlalchemy import Connection


@contextmanager
def while_functions_go_on(*, takes_turns: bool = False) -> Iterator[Connection]:
    """Commit what the migration did so far, and run what follows statement by statement.

    A kill leaves it half done, and the revision as it was: each statement must suit a second time.

    Args:
        takes_turns: For what locks a table, for which functions would wait. An index that is built meanwhile
            waits for transactions of before, and no function for it.
    """
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        # Alembic has asked for the isolation level, and by asking pg8000 begins a transaction.
        connection.exec_driver_sql("COMMIT")
        turn = connection.exec_driver_sql("SHOW lock_timeout").scalar_one()
        if not takes_turns:
            connection.exec_driver_sql("SET lock_timeout = 0")
        try:
            yield connection
        finally:
            if not connection.invalidated:
                connection.exec_driver_sql(f"SET lock_timeout = '{turn}'")
