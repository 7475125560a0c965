"""What a driver's error means, whichever driver says it; real servers are in ``tests/integration``."""

from typing import Any

import pg8000
import pytest
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from chalicelib.adapters.postgres.error_translation import (
    condemns_connection,
    courtesy,
    is_passing,
    sqlstate,
    translated_errors,
)
from chalicelib.domain.errors import DatabaseInternalError, RetryableError, UnansweredError


def of_pg8000(state: str, severity: str = "ERROR", message: str = "") -> Exception:
    error: Exception = pg8000.DatabaseError({"S": severity, "V": severity, "C": state, "M": message})
    return error


class Diagnostics:
    def __init__(self, severity: str) -> None:
        self.severity_nonlocalized = severity


class OfPsycopg(Exception):  # noqa: N818  # as the driver names them
    """An error as psycopg's look."""

    def __init__(self, state: str, severity: str = "ERROR") -> None:
        super().__init__(state)
        self.sqlstate = state
        self.diag = Diagnostics(severity)


def raised(error: Exception, statement: str | None = "SELECT 1") -> DBAPIError:
    return DBAPIError(statement, {}, error)


def translated(error: Exception) -> BaseException:
    with pytest.raises(Exception) as found, translated_errors():  # noqa: PT011  # which one is the question
        raise error
    return found.value


@pytest.mark.parametrize("driver", [of_pg8000, OfPsycopg])
@pytest.mark.parametrize(
    ("state", "is_fault"),
    [
        ("08006", True),  # connection failure
        ("28P01", True),  # a login that is being rotated
        ("40001", True),  # serialization failure
        ("40P01", True),  # deadlock
        ("55P03", True),  # lock not available
        ("53300", True),  # too many connections
        ("57014", True),  # statement timeout
        ("25006", True),  # read only
        ("26000", True),  # prepared statement unknown
        ("23505", False),  # duplicate key
        ("42601", False),  # syntax error
        ("42501", False),  # no right
        ("22003", False),  # out of range
        ("XX000", False),  # internal error that leaves the session alive
        ("3D000", True),  # no such database
    ],
)
def test_state_says_whether_the_fault_passes(driver: Any, state: str, *, is_fault: bool) -> None:
    error = raised(driver(state))
    assert (sqlstate(error), is_passing(error)) == (state, is_fault)


@pytest.mark.parametrize("driver", [of_pg8000, OfPsycopg])
@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("53100", "the database's disk is full"),
        ("53300", "the database takes no more connections"),
        ("25006", "the database takes no writes"),
        ("3D000", "there is no such database"),
        ("57014", "the database did not answer"),
    ],
)
def test_fault_that_an_operator_has_to_mend_is_named(driver: Any, state: str, reason: str) -> None:
    assert str(translated(raised(driver(state)))) == f"SERVICE_UNAVAILABLE: {reason}"


@pytest.mark.parametrize("driver", [of_pg8000, OfPsycopg])
@pytest.mark.parametrize(
    "state",
    [
        "XX000",
        "55000",  # a database that is closed to connections
        "42501",  # a login without the right to connect
    ],
)
def test_error_that_ends_the_session_or_lets_none_begin_passes(driver: Any, state: str) -> None:
    assert is_passing(raised(driver(state, "FATAL")))
    assert not is_passing(raised(driver(state)))


@pytest.mark.parametrize("driver", [of_pg8000, OfPsycopg])
@pytest.mark.parametrize("state", ["XX000", "XX001", "XX002"])
def test_internal_error_that_leaves_the_session_alive_decides_nothing(driver: Any, state: str) -> None:
    error = translated(raised(driver(state)))
    assert isinstance(error, DatabaseInternalError)
    assert not isinstance(error, UnansweredError)  # the statement was undone


def test_connection_that_broke_without_a_word_passes_and_a_drivers_own_refusal_does_not() -> None:
    assert is_passing(raised(pg8000.InterfaceError("network error")))
    assert not is_passing(raised(pg8000.ProgrammingError("bad parameter")))
    assert not is_passing(StatementError("no value", "SELECT 1", {}, None))


@pytest.mark.parametrize(
    ("error", "is_condemned"),
    [
        (of_pg8000("08006"), True),
        (of_pg8000("25006"), True),
        (of_pg8000("57P01", "FATAL"), True),
        (of_pg8000("23505"), False),
        (of_pg8000("40001"), False),
        (of_pg8000("XX000", "PANIC"), True),
        (of_pg8000("0A000", message="cached plan must not change result type"), False),
        (OSError("no word of a server"), False),
    ],
)
def test_connection_is_of_no_more_use_after_some_errors_alone(
    error: Exception, *, is_condemned: bool
) -> None:
    assert condemns_connection(error) is is_condemned


@pytest.mark.parametrize(
    "error",
    [
        of_pg8000("08006"),
        of_pg8000("40003"),
        of_pg8000("57P01", "FATAL"),
        pg8000.InterfaceError("network error"),
    ],
)
def test_statement_that_may_have_been_done_is_of_unknown_outcome(error: Exception) -> None:
    assert isinstance(translated(raised(error)), UnansweredError)


@pytest.mark.parametrize(
    "error",
    [
        raised(of_pg8000("40001")),  # the server has undone it
        raised(pg8000.InterfaceError("network error"), statement=None),  # nothing was asked yet
        PoolTimeoutError(),
        ConnectionRefusedError(),
    ],
)
def test_fault_after_which_nothing_is_done_is_told_as_such(error: Exception) -> None:
    found = translated(error)
    assert isinstance(found, RetryableError)
    assert not isinstance(found, UnansweredError)
    assert found.__cause__ is error


def test_defect_of_ours_escapes_as_it_is() -> None:
    error = raised(of_pg8000("42601"))
    assert translated(error) is error


def test_defect_in_a_mere_courtesy_is_a_passing_fault() -> None:
    with pytest.raises(RetryableError), courtesy():
        raise raised(of_pg8000("42601"))
