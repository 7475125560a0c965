from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.services.pace import PROBE_INTERVAL_S, Pace


class Watch:
    """A clock that somebody turns."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def watch() -> Watch:
    return Watch()


def in_vain(watch: Watch) -> Pace:
    """The pace after a full batch of which the chain decided nothing in time."""
    pace = Pace(watch)
    pace.waited(decided=0, undecided=10)
    return pace


def test_chain_is_waited_for_until_it_is_known_to_be_slow(watch: Watch) -> None:
    assert Pace(watch).is_worth_waiting()


def test_chain_that_decides_nothing_in_time_is_not_waited_for(watch: Watch) -> None:
    pace = in_vain(watch)
    assert not pace.is_worth_waiting()


def test_somebody_finds_out_now_and_then_whether_the_chain_is_still_slow(watch: Watch) -> None:
    pace = in_vain(watch)
    for _ in range(3):
        watch.sleep(PROBE_INTERVAL_S)
        assert pace.is_worth_waiting()
        pace.waited(decided=0, undecided=1)
        assert not pace.is_worth_waiting()


def test_chain_that_has_become_fast_is_waited_for_again(watch: Watch) -> None:
    pace = in_vain(watch)
    watch.sleep(PROBE_INTERVAL_S)
    pace.waited(decided=10, undecided=0)
    assert all(pace.is_worth_waiting() for _ in range(3))


def test_lost_transaction_now_and_then_changes_nothing(watch: Watch) -> None:
    pace = Pace(watch)
    for _ in range(50):
        pace.waited(decided=4, undecided=1)
        assert pace.is_worth_waiting()


def test_what_was_sent_before_teaches_nothing(watch: Watch) -> None:
    pace = in_vain(watch)
    watch.sleep(PROBE_INTERVAL_S)
    pace.waited(decided=0, undecided=0)
    assert pace.is_worth_waiting()
