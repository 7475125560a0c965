"""The system's clock, and a sleep that no invocation outlives."""

from datetime import UTC, datetime
from time import monotonic

from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.time_left import MARGIN_S, time_left


def test_moment_is_the_systems_in_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.tzinfo is UTC


def test_sleep_takes_the_time_it_was_asked_for() -> None:
    began = monotonic()
    SystemClock().sleep(0.01)
    assert monotonic() - began >= 0.01


def test_sleep_ends_with_the_time_of_the_invocation() -> None:
    with time_left.of_invocation(MARGIN_S):
        # Otherwise this test would last an hour.
        SystemClock().sleep(3_600)
