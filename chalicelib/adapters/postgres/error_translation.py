"""What a database error means to the engine: try again, on another connection, or a defect of ours."""

from contextlib import AbstractContextManager
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from chalicelib.adapters.time_left import time_left
from chalicelib.domain.errors import DatabaseInternalError, RetryableError, UnansweredError
from chalicelib.logs import logger

COURTESY_TIME_LIMIT_S: Final = 1.5
"""For what the accept path asks of the database, which may be down: the rest of the time is the queue's."""

# SQLSTATEs and their classes are those of the PostgreSQL manual, appendix A.
_CONNECTION: Final = "08"
_INTERNAL: Final = "XX"

# Connection, refused login (a secret is being rotated), resources, operator intervention, system.
_PASSING_CLASSES: Final = (_CONNECTION, "28", "53", "57", "58")

# Not prepared yet, or named wrongly: nothing of an order is wrong with it, and the order waits.
_NO_SUCH_DATABASE: Final = "3D000"

# The session is not what we take it for, and every later statement on it would end alike. Read-only: the
# server was demoted, or the database made read-only for a while, which a session keeps from its start to its
# end. A transaction that failed or timed out unnoticed; a statement prepared that the server does not know,
# or knows by another meaning: a pooler has put another session behind the connection.
_NO_SUCH_STATEMENT: Final = "26000"
_STATEMENT_IS_THERE: Final = "42P05"
_SESSION_STATES: Final = frozenset(
    {"25006", "25P02", "25P03", "25P04", _NO_SUCH_STATEMENT, _STATEMENT_IS_THERE}
)

# Among them too many connections (53300): the one that gets this answer was never established.
_SERVER_STATES: Final = frozenset({"53300", "57P01", "57P02", "57P03", "57P04", "57P05"})

# Serialization failure, deadlock, lock not available, and a statement whose end is unknown.
_STATEMENT_UNKNOWN: Final = "40003"
LOCK_NOT_AVAILABLE: Final = "55P03"
_DEADLOCK: Final = "40P01"
_PASSING_STATES: Final = (
    frozenset({"40001", _STATEMENT_UNKNOWN, _DEADLOCK, LOCK_NOT_AVAILABLE, _NO_SUCH_DATABASE})
    | _SESSION_STATES
)

OTHER_SERVER: Final = "57OF1"
"""Ours: ``public.is_on_server`` raises it. As any of its class it passes."""

NOT_KNOWN: Final = "57OF2"
"""Likewise ``public.is_known``."""

READ_ONLY: Final = "the database takes no writes"
_WRONG_SESSION: Final = "a pooler in between keeps no prepared statements: it has to, or to pool sessions"
_NO_ANSWER: Final = "the database did not answer"
_FAILED: Final = "the database failed within itself"
# What its operator has to mend; no other fault of a server that answers is said by name.
_REASONS: Final = {
    "25006": READ_ONLY,
    _NO_SUCH_STATEMENT: _WRONG_SESSION,
    _STATEMENT_IS_THERE: _WRONG_SESSION,
    _NO_SUCH_DATABASE: "there is no such database",
    OTHER_SERVER: "the record has come to another server, and may lack its last commits",
    NOT_KNOWN: "whether the order has executed is not known yet, since the database has failed over",
    "53100": "the database's disk is full",
    "53300": "the database takes no more connections",
}

# Said of a statement that was prepared before a migration changed what it returns. pg8000's connections
# prepare it anew; psycopg's would go on with the old one.
_FEATURE_NOT_SUPPORTED: Final = "0A000"
_STALE_PLAN: Final = "cached plan must not change result type"

_ENDS_SESSION: Final = frozenset({"FATAL", "PANIC"})
_FATAL_PLACES: Final = ("V", "S")  # not translated, and translated (protocol, error fields)
_REFUSED_BY_THE_DRIVER: Final = frozenset(
    {"DataError", "IntegrityError", "NotSupportedError", "ProgrammingError"}
)  # as PEP 249 names them


def translated_errors() -> AbstractContextManager[None]:
    """Turn faults of the database into ``RetryableError``; let everything else escape.

    If a statement was sent and its end is unknown, the error is an ``UnansweredError``.
    """
    return _TRANSLATED


def courtesy() -> AbstractContextManager[None]:
    """Let something that orders and connections can do without cost them little time, and never an error.

    Every error of the database becomes a ``RetryableError``, a defect too, which is logged.
    """
    return _Courtesy()


class _Translated(AbstractContextManager[None]):
    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            _raise_translated(error)


class _Courtesy(AbstractContextManager[None]):
    def __enter__(self) -> None:
        self._limit = time_left.at_most(COURTESY_TIME_LIMIT_S)
        self._limit.__enter__()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._limit.__exit__(None, None, None)
        if error is None:
            return
        _raise_translated(error)
        if isinstance(error, SQLAlchemyError):
            logger.error("database refuses a statement", exc_info=error)
            raise RetryableError("the database refuses what it was asked") from error


_TRANSLATED: Final = _Translated()


def _raise_translated(error: BaseException) -> None:
    """Raise what an error means, if it is a passing fault of the database."""
    if isinstance(error, PoolTimeoutError):
        raise RetryableError("no database connection was free in time") from error
    if isinstance(error, DBAPIError):
        if not is_passing(error):
            _raise_fault(error)
            return
        if error.statement is not None and _may_have_done_it(error):
            raise UnansweredError(_NO_ANSWER) from error
        raise RetryableError(_REASONS.get(sqlstate(error) or "", _NO_ANSWER)) from error
    if isinstance(error, OSError):
        raise RetryableError("the database is unreachable") from error


def _raise_fault(error: DBAPIError) -> None:
    """Raise ``DatabaseInternalError`` if the database, and no statement of ours, is to blame.

    As where an index is damaged, for an operator to mend, or what a statement needs is just being replaced.
    """
    state = sqlstate(error) or ""
    if state.startswith(_INTERNAL):
        logger.error("defect", exc_info=error, sqlstate=state, doing="asking the database")
        raise DatabaseInternalError(_FAILED) from error


def is_out_of_turn(error: DBAPIError) -> bool:
    """Return whether a statement came to nothing since others held what it needs, or waited for it."""
    return sqlstate(error) in {LOCK_NOT_AVAILABLE, _DEADLOCK}


def is_passing(error: SQLAlchemyError) -> bool:
    """Return whether the same statement may succeed later, perhaps on another connection."""
    if not isinstance(error, DBAPIError):
        return False
    original = error.orig
    state = sqlstate(error)
    if state is None:
        # No answer from a server at all: the connection broke or was never made.
        return _REFUSED_BY_THE_DRIVER.isdisjoint(kind.__name__ for kind in type(original).__mro__)
    if state in _PASSING_STATES or state.startswith(_PASSING_CLASSES):
        return True
    # What ends the session, or lets none begin, as on a database that is closed to connections for a while
    # (55000) or to a login (42501), says nothing of the statement.
    return original is not None and (_is_stale_plan(original) or _ends_session(original))


def condemns_connection(error: BaseException) -> bool:
    """Return whether a driver's error says that its connection is of no more use, whatever the statement."""
    state = state_of(error)
    if state is None:
        return False
    return (
        state in _SESSION_STATES
        or state in _SERVER_STATES
        or state.startswith(_CONNECTION)
        or _ends_session(error)
        or (_is_stale_plan(error) and not _fields(error))
    )


def said(error: DBAPIError) -> str:
    """Return what the server says, or else the driver; the statement and its parameters are no help."""
    arguments = error.orig.args if error.orig else ()
    fields = arguments[0] if arguments else None
    return str(fields.get("M", fields) if isinstance(fields, dict) else error.orig)


def sqlstate(error: DBAPIError) -> str | None:
    """Return the server's five-character code, whichever driver reports it; None if no server spoke."""
    return None if error.orig is None else state_of(error.orig)


def _may_have_done_it(error: DBAPIError) -> bool:
    """Return whether a statement that failed in passing may be committed all the same.

    A server that reports an error of a statement has undone it. A proxy in between reports the loss of
    the server in classes 08 and XX; a server that shuts down may do so between a commit and its answer.
    """
    state = sqlstate(error)
    return (
        state is None
        or state == _STATEMENT_UNKNOWN
        or state.startswith(_CONNECTION)
        or (error.orig is not None and _ends_session(error.orig))
    )


def state_of(error: BaseException) -> str | None:
    """Return what ``sqlstate`` does, of an error as the driver raises it."""
    state = getattr(error, "sqlstate", None)  # psycopg
    return state if isinstance(state, str) else _fields(error).get("C")


def _ends_session(error: BaseException) -> bool:
    severity = getattr(getattr(error, "diag", None), "severity_nonlocalized", None)  # psycopg
    fields = _fields(error)
    return severity in _ENDS_SESSION or any(fields.get(place) in _ENDS_SESSION for place in _FATAL_PLACES)


def _is_stale_plan(error: BaseException) -> bool:
    return state_of(error) == _FEATURE_NOT_SUPPORTED and _STALE_PLAN in str(error)


def _fields(error: BaseException) -> dict[str, str]:
    """Return the fields of the server's error as pg8000 reports them; none if it is not pg8000's."""
    fields = error.args[0] if error.args else None
    return fields if isinstance(fields, dict) else {}
