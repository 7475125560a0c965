"""When the chain is asked again about what it has not decided."""

from typing import cast

import pytest

from chalicelib.services.consumer.confirmation import Confirmation, PollPolicy
from chalicelib.services.consumer.wait_policy import WaitPolicy
from chalicelib.services.ports import Chain
from tests.fakes.ports import FrozenClock


@pytest.fixture
def wait_policy() -> WaitPolicy:
    return WaitPolicy(FrozenClock())


@pytest.fixture
def confirmation(wait_policy: WaitPolicy) -> Confirmation:
    nobody_asks = cast("Chain", None)
    poll_policy = PollPolicy(wait_s=2.0, poll_s=0.05, again_s=1.0)
    return Confirmation(
        nobody_asks,
        FrozenClock(),
        poll_policy=poll_policy,
        wait_policy=wait_policy,
        attempts_max=3,
    )


def test_order_that_was_waited_for_is_looked_at_soon_and_then_ever_later(confirmation: Confirmation) -> None:
    assert confirmation.wait_s() == 2.0
    pauses = [confirmation.pause_s(delivery, waited_s=2.0) for delivery in range(1, 9)]
    assert pauses == [1, 1, 1, 2, 4, 8, 8, 8]


def test_order_of_a_slow_chain_is_left_alone_for_as_long_as_it_was_not_waited_for(
    confirmation: Confirmation, wait_policy: WaitPolicy
) -> None:
    wait_policy.waited(decided=0, undecided=10)
    assert confirmation.wait_s() == 0.0
    assert [confirmation.pause_s(delivery, waited_s=0.0) for delivery in range(1, 5)] == [3, 1, 1, 2]
