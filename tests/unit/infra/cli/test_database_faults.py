"""What a user of the command line reads where the database does not answer as it should."""

from collections.abc import Callable

import click
import pg8000
import pytest
from click.testing import CliRunner, Result
from sqlalchemy.exc import DBAPIError

from chalicelib.domain.errors import RetryableError
from infra.cli.database_faults import NOT_ANSWERED, DatabaseCommands
from infra.cli.orderflow import orderflow


@pytest.mark.parametrize("words", ["orders", "order 01a2", "audit", "market show", "dead-letters list"])
def test_database_out_of_reach_is_told_in_one_sentence_and_is_no_finding(words: str) -> None:
    result = CliRunner().invoke(
        orderflow, ["--database-url", "postgresql://app:x@127.0.0.1:1/app", *words.split()]
    )
    assert result.exit_code == NOT_ANSWERED
    assert result.output == (
        "Error: the database at 127.0.0.1:1 does not answer: "
        "Can't create a connection to host 127.0.0.1 and port 1\n"
    )


def command_that_raises(error: Exception) -> Callable[[], Result]:
    @click.group(cls=DatabaseCommands)
    def group() -> None:
        pass

    @group.command
    def ask() -> None:
        raise error

    return lambda: CliRunner().invoke(group, ["ask"])


def test_what_the_server_says_is_told_without_the_statement() -> None:
    said = {"S": "FATAL", "V": "FATAL", "C": "53300", "M": "sorry, too many clients already"}
    run = command_that_raises(DBAPIError("SELECT 'secret'", None, pg8000.DatabaseError(said)))
    assert run().output == "Error: the database does not answer: sorry, too many clients already\n"


def test_statement_that_the_server_refuses_is_a_defect_with_its_traceback() -> None:
    error = DBAPIError("SELECT oops", None, pg8000.ProgrammingError({"C": "42703", "M": "no such column"}))
    assert command_that_raises(error)().exception is error


def test_passing_fault_that_a_use_case_tells_of_is_told_as_one() -> None:
    result = command_that_raises(RetryableError("the database did not answer"))()
    assert (result.exit_code, result.output) == (NOT_ANSWERED, "Error: the database did not answer\n")
