"""When it is worth waiting for the chain."""

import pytest

from chalicelib.services.consumer.wait_policy import PROBE_INTERVAL_S, WaitPolicy
from tests.fakes.ports import FrozenClock


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


def in_vain(clock: FrozenClock) -> WaitPolicy:
    """The policy after a full batch of which the chain decided nothing in time."""
    wait_policy = WaitPolicy(clock)
    wait_policy.waited(decided=0, undecided=10)
    return wait_policy


def test_chain_is_waited_for_until_it_is_known_to_be_slow(clock: FrozenClock) -> None:
    assert WaitPolicy(clock).is_worth_waiting()


def test_chain_that_decides_nothing_in_time_is_not_waited_for(clock: FrozenClock) -> None:
    wait_policy = in_vain(clock)
    assert not wait_policy.is_worth_waiting()


def test_somebody_finds_out_now_and_then_whether_the_chain_is_still_slow(clock: FrozenClock) -> None:
    wait_policy = in_vain(clock)
    for _ in range(3):
        clock.sleep(PROBE_INTERVAL_S)
        assert wait_policy.is_worth_waiting()
        wait_policy.waited(decided=0, undecided=1)
        assert not wait_policy.is_worth_waiting()


def test_chain_that_has_become_fast_is_waited_for_again(clock: FrozenClock) -> None:
    wait_policy = in_vain(clock)
    clock.sleep(PROBE_INTERVAL_S)
    wait_policy.waited(decided=10, undecided=0)
    assert all(wait_policy.is_worth_waiting() for _ in range(3))


def test_chain_that_decides_a_few_of_each_batch_in_time_is_not_waited_for(clock: FrozenClock) -> None:
    wait_policy = in_vain(clock)
    for decided in (1, 2, 4, 3, 2, 4, 3):
        clock.sleep(PROBE_INTERVAL_S)
        wait_policy.waited(decided=decided, undecided=10 - decided)
        assert not wait_policy.is_worth_waiting()


def test_chain_that_decides_most_of_each_batch_in_time_is_waited_for(clock: FrozenClock) -> None:
    wait_policy = WaitPolicy(clock)
    for decided in (9, 7, 10, 6, 8):
        wait_policy.waited(decided=decided, undecided=10 - decided)
        assert wait_policy.is_worth_waiting()


def test_lost_transaction_now_and_then_changes_nothing(clock: FrozenClock) -> None:
    wait_policy = WaitPolicy(clock)
    for _ in range(50):
        wait_policy.waited(decided=4, undecided=1)
        assert wait_policy.is_worth_waiting()


def test_what_was_sent_before_teaches_nothing(clock: FrozenClock) -> None:
    wait_policy = in_vain(clock)
    clock.sleep(PROBE_INTERVAL_S)
    wait_policy.waited(decided=0, undecided=0)
    assert wait_policy.is_worth_waiting()
