"""Connections that took no frame a moment ago: hurried, and left out if they were silent."""

import pytest

from chalicelib.adapters.aws import slow_connections
from chalicelib.adapters.aws.slow_connections import LEFT_OUT_S, MOMENT_S, SlowConnections


class Time:
    """A monotonic clock that stands still."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(slow_connections, "monotonic", clock)
    return clock


@pytest.mark.usefixtures("time")
def test_connection_of_which_nothing_is_known_is_waited_for() -> None:
    slow = SlowConnections()
    assert (slow.is_slow("c="), slow.is_left_out("c=")) == (False, False)


def test_refused_connection_gets_one_try_for_a_moment(time: Time) -> None:
    slow = SlowConnections()
    slow.failed("c=", was_silent=False)
    assert (slow.is_slow("c="), slow.is_left_out("c=")) == (True, False)
    assert not slow.is_slow("d=")
    time.now += MOMENT_S
    assert not slow.is_slow("c=")


def test_silent_connection_gets_nothing_for_less_than_the_moment(time: Time) -> None:
    slow = SlowConnections()
    slow.failed("c=", was_silent=True)
    time.now += LEFT_OUT_S - 0.1
    assert slow.is_left_out("c=")
    time.now += 0.1
    assert (slow.is_left_out("c="), slow.is_slow("c=")) == (False, True)


def test_failure_counts_anew_each_time(time: Time) -> None:
    slow = SlowConnections()
    slow.failed("c=", was_silent=False)
    time.now += MOMENT_S - 1
    slow.failed("c=", was_silent=False)
    time.now += MOMENT_S - 1
    assert slow.is_slow("c=")


@pytest.mark.usefixtures("time")
def test_connection_that_takes_a_frame_is_forgiven() -> None:
    slow = SlowConnections()
    slow.failed("c=", was_silent=True)
    slow.took("c=")
    assert (slow.is_slow("c="), slow.is_left_out("c=")) == (False, False)


def test_those_that_failed_longest_ago_are_forgotten_first(
    time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_connections, "_MOST", 2)
    slow = SlowConnections()
    for connection_id in ("a=", "b=", "a=", "c="):
        slow.failed(connection_id, was_silent=False)
    assert time.now == 1_000.0
    assert [slow.is_slow(each) for each in ("a=", "b=", "c=")] == [True, False, True]
