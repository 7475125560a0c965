"""What a database error means to the engine: try again, or a defect of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from chalicelib.domain.errors import RetryableError

# SQLSTATE classes (PostgreSQL manual, appendix A): connection, resources, operator intervention,
# system; then serialization failure and deadlock.
_PASSING_CLASSES: Final = ("08", "53", "57", "58")
_PASSING_STATES: Final = frozenset({"40001", "40P01", "55P03"})


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn passing faults of the database into ``RetryableError``; let everything else escape."""
    try:
        yield
    except PoolTimeoutError as error:
        raise RetryableError("no database connection was free in time") from error
    except DBAPIError as error:
        if is_passing(error):
            raise RetryableError("the database did not answer") from error
        raise
    except OSError as error:
        raise RetryableError("the database is unreachable") from error


def is_passing(error: SQLAlchemyError) -> bool:
    """Return whether the same statement may succeed later."""
    if not isinstance(error, DBAPIError):
        return False
    state = sqlstate(error)
    if state is None:
        # No answer from a server at all: the connection broke or was never made.
        return True
    return state in _PASSING_STATES or state.startswith(_PASSING_CLASSES)


def sqlstate(error: DBAPIError) -> str | None:
    """Return the server's five-character code, whichever driver reports it; None if no server spoke."""
    original = error.orig
    state = getattr(original, "sqlstate", None)  # psycopg
    if isinstance(state, str):
        return state
    fields = original.args[0] if original is not None and original.args else None  # pg8000
    return fields.get("C") if isinstance(fields, dict) else None
