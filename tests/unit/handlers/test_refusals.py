"""Refused requests reach the count where metrics are on, and nothing of that reaches the client."""

from typing import Any

import pytest

from chalicelib.config import Settings
from chalicelib.domain.errors import Code, FieldError, RetryableError
from chalicelib.handlers import refusals
from tests.unit.handlers.conftest import ENVIRONMENT, Wired


class Noted:
    """A count that keeps what it is told; ``is_broken`` makes it a defect."""

    def __init__(self) -> None:
        self.told: list[tuple[Code, bool]] = []
        self.is_broken = False

    def count(self, code: Code, *, may_write: bool) -> None:
        if self.is_broken:
            raise KeyError("planted")
        self.told.append((code, may_write))


@pytest.fixture
def noted(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> Noted:
    made = Noted()
    wired.services.settings = Settings.from_env(ENVIRONMENT | {"METRICS": "1"})
    vars(wired.services)["count_refusals"] = made
    monkeypatch.setattr(refusals, "services", lambda: wired.services)
    return made


def test_refusal_is_counted_by_its_code_and_a_passing_fault_does_not_ask_the_record(noted: Noted) -> None:
    refusals.note(FieldError("amount", "is required"))
    refusals.note(RetryableError("the database did not answer"))
    assert noted.told == [(Code.INVALID_REQUEST, True), (Code.SERVICE_UNAVAILABLE, False)]


def test_nothing_is_counted_while_metrics_are_off(noted: Noted, wired: Wired) -> None:
    wired.services.settings = Settings.from_env(ENVIRONMENT)
    refusals.note(FieldError("amount", "is required"))
    assert noted.told == []


def test_defect_in_counting_is_logged_and_raises_nothing(
    noted: Noted, caplog: pytest.LogCaptureFixture
) -> None:
    noted.is_broken = True
    refusals.note(FieldError("amount", "is required"))
    records: list[Any] = caplog.records
    assert [record.doing for record in records] == ["counting a refusal"]
