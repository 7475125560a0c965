"""A process of a run tells of every failure and of what belongs to it."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.telling import is_shown, tell_what_is_shown


def a_report(when: str, outcome: str = "passed", *sections: tuple[str, str]) -> dict[str, Any]:
    return {"data": {"when": when, "outcome": outcome, "sections": list(sections)}}


@pytest.mark.parametrize("when", ["setup", "teardown"])
def test_fixture_is_told_of_if_it_fails_skips_or_prints(when: str) -> None:
    assert not is_shown("testreport", a_report(when))
    assert is_shown("testreport", a_report(when, "failed"))
    assert is_shown("testreport", a_report(when, "skipped"))
    assert is_shown("testreport", a_report(when, "passed", ("Captured stdout setup", "words")))


@pytest.mark.parametrize("outcome", ["passed", "failed", "skipped"])
def test_what_a_test_came_to_is_told(outcome: str) -> None:
    assert is_shown("testreport", a_report("call", outcome))


@pytest.mark.parametrize(
    "name", ["logfinish", "runtest_protocol_complete", "warning_recorded", "workerfinished"]
)
def test_what_is_counted_waited_for_or_warned_of_is_told(name: str) -> None:
    assert is_shown(name, {})


class Interactor:
    """As xdist's, in a process that runs tests."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def sendevent(self, name: str, **_: Any) -> None:
        self.sent.append(name)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["logfinish"]),
        ({"verbose": 1}, ["logstart", "logfinish"]),
        ({"durations": 0}, ["logstart", "logfinish"]),
        ({"xmlpath": "report.xml"}, ["logstart", "logfinish"]),
    ],
)
def test_all_is_told_where_it_is_asked_for(asked: dict[str, Any], expected: list[str]) -> None:
    option = SimpleNamespace(**{"verbose": 0, "durations": None, "xmlpath": None, **asked})
    interactor = Interactor()
    plugins = pytest.PytestPluginManager()
    plugins.register(interactor)

    tell_what_is_shown(option, plugins)

    interactor.sendevent("logstart", nodeid="a test")
    interactor.sendevent("logfinish", nodeid="a test")
    assert interactor.sent == expected
