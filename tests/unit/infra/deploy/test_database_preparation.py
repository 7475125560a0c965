"""The function of the migration is waited for, whatever it or the terminal does meanwhile."""

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.deploy.database_preparation import MigrationError, prepare_database

NAME = "orderflow-dev-prepare_database"


class Lambda:
    """A function that answers, after what was put in its way.

    Attributes:
        faults: What its next invocations end with, the last one first.
        answer: What it answers then.
        invoked: How often it was.
        waited_for: What was waited for.
    """

    def __init__(self, *faults: BaseException, answer: dict[str, Any] | None = None) -> None:
        self.faults = list(faults)
        self.answer = answer or {"revision": "0001"}
        self.invoked = 0
        self.waited_for: list[str] = []

    def invoke(self, **asked: str) -> dict[str, Any]:
        assert asked["FunctionName"] == NAME
        self.invoked += 1
        if self.faults:
            raise self.faults.pop()
        answer = {"Payload": io.BytesIO(json.dumps(self.answer).encode())}
        return answer | ({} if "revision" in self.answer else {"FunctionError": "Unhandled"})

    def get_waiter(self, state: str) -> "Lambda":
        self.waited_for.append(state)
        return self

    def wait(self, **asked: str) -> None:
        assert asked["FunctionName"] == NAME


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "not now"}}, "Invoke")


def test_revision_is_told() -> None:
    said: list[str] = []
    prepare_database(Lambda(), NAME, said.append)
    assert said[-1] == "database at 0001"


@pytest.mark.parametrize("code", ["ResourceNotReadyException", "ResourceConflictException"])
def test_function_that_was_not_called_for_weeks_is_waited_for_and_called_again(code: str) -> None:
    function = Lambda(refused(code))
    prepare_database(function, NAME, lambda _: None)
    assert (function.invoked, function.waited_for) == (2, ["function_active_v2"])


def test_function_that_may_not_be_called_is_called_once() -> None:
    function = Lambda(refused("AccessDeniedException"))
    with pytest.raises(ClientError):
        prepare_database(function, NAME, lambda _: None)
    assert function.invoked == 1


def test_interrupted_migration_is_told_to_go_on() -> None:
    with pytest.raises(MigrationError, match="goes on"):
        prepare_database(Lambda(KeyboardInterrupt()), NAME, lambda _: None)


@pytest.mark.parametrize(
    ("kind", "told"),
    [("ConfigurationError", "CHAIN: the record is of it"), ("KeyError", '.*"stackTrace": .*')],
)
def test_refused_record_is_told_by_its_reason_and_a_defect_by_its_stack(kind: str, told: str) -> None:
    answer = {"errorType": kind, "errorMessage": "CHAIN: the record is of it", "stackTrace": ["x"]}
    with pytest.raises(MigrationError, match=f"^{told}$"):
        prepare_database(Lambda(answer=answer), NAME, lambda _: None)
