"""When it is worth waiting for the chain."""

import pytest

from chalicelib.services.pace import PROBE_INTERVAL_S, Pace
from tests.fakes.outside import FrozenClock


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


def in_vain(clock: FrozenClock) -> Pace:
    """The pace after a full batch of which the chain decided nothing in time."""
    pace = Pace(clock)
    pace.waited(decided=0, undecided=10)
    return pace


def test_chain_is_waited_for_until_it_is_known_to_be_slow(clock: FrozenClock) -> None:
    assert Pace(clock).is_worth_waiting()


def test_chain_that_decides_nothing_in_time_is_not_waited_for(clock: FrozenClock) -> None:
    pace = in_vain(clock)
    assert not pace.is_worth_waiting()


def test_somebody_finds_out_now_and_then_whether_the_chain_is_still_slow(clock: FrozenClock) -> None:
    pace = in_vain(clock)
    for _ in range(3):
        clock.sleep(PROBE_INTERVAL_S)
        assert pace.is_worth_waiting()
        pace.waited(decided=0, undecided=1)
        assert not pace.is_worth_waiting()


def test_chain_that_has_become_fast_is_waited_for_again(clock: FrozenClock) -> None:
    pace = in_vain(clock)
    clock.sleep(PROBE_INTERVAL_S)
    pace.waited(decided=10, undecided=0)
    assert all(pace.is_worth_waiting() for _ in range(3))


def test_chain_that_decides_a_few_of_each_batch_in_time_is_not_waited_for(clock: FrozenClock) -> None:
    pace = in_vain(clock)
    for decided in (1, 2, 4, 3, 2, 4, 3):
        clock.sleep(PROBE_INTERVAL_S)
        pace.waited(decided=decided, undecided=10 - decided)
        assert not pace.is_worth_waiting()


def test_chain_that_decides_most_of_each_batch_in_time_is_waited_for(clock: FrozenClock) -> None:
    pace = Pace(clock)
    for decided in (9, 7, 10, 6, 8):
        pace.waited(decided=decided, undecided=10 - decided)
        assert pace.is_worth_waiting()


def test_lost_transaction_now_and_then_changes_nothing(clock: FrozenClock) -> None:
    pace = Pace(clock)
    for _ in range(50):
        pace.waited(decided=4, undecided=1)
        assert pace.is_worth_waiting()


def test_what_was_sent_before_teaches_nothing(clock: FrozenClock) -> None:
    pace = in_vain(clock)
    clock.sleep(PROBE_INTERVAL_S)
    pace.waited(decided=0, undecided=0)
    assert pace.is_worth_waiting()
