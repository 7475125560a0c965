"""Waiting for what is not there yet: free if it comes, and bounded for each account if it does not."""

from collections.abc import Callable

import pytest

from chalicelib.domain.errors import NotFoundError
from chalicelib.services.wait_budget import VAIN_WAIT_BURST_S, VAIN_WAIT_SHARE, WaitBudget, found_in_time
from tests.fakes.ports import FrozenClock

WAIT_S = 1.5


class Waiting:
    """An environment in which requests wait, and for how long they did."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.wait_budget = WaitBudget(self.clock)

    def waited_s(self, account_id: str, look: Callable[[], str | None]) -> float:
        began = self.clock.now()
        self.wait_budget.wait(account_id, look, limit_s=WAIT_S)
        return (self.clock.now() - began).total_seconds()

    def in_vain_s(self, account_id: str) -> float:
        return self.waited_s(account_id, lambda: None)


def looks(*answers: str | None) -> Callable[[], str | None]:
    """Return a look that gives one answer after the other."""
    left = list(answers)
    return lambda: left.pop(0)


def test_what_is_there_is_not_waited_for() -> None:
    assert Waiting().waited_s("alice", looks("order")) == 0


def test_what_comes_in_time_is_found() -> None:
    waiting = Waiting()
    assert found_in_time(looks(None, None, "order"), waiting.wait_budget, "alice", wait_s=WAIT_S) == "order"


def test_what_never_comes_is_not_found_after_the_wait() -> None:
    waiting = Waiting()
    with pytest.raises(NotFoundError):
        found_in_time(lambda: None, waiting.wait_budget, "alice", wait_s=WAIT_S)
    assert waiting.clock.now() > FrozenClock().now()


def test_account_that_waits_in_vain_holds_an_environment_for_a_small_share_of_the_time() -> None:
    waiting, hour_s = Waiting(), 3_600.0
    began = waiting.clock.now()
    held_s = 0.0
    while (passed_s := (waiting.clock.now() - began).total_seconds()) < hour_s:
        held_s += waiting.in_vain_s("mallory")
        waiting.clock.sleep(0.01)
    # The last wait may begin with the last bit of the budget.
    assert held_s <= VAIN_WAIT_BURST_S + passed_s * VAIN_WAIT_SHARE + WAIT_S + 0.1


def test_one_account_without_wait_budget_costs_another_nothing() -> None:
    waiting = Waiting()
    while waiting.in_vain_s("mallory"):
        pass
    assert waiting.in_vain_s("alice") == pytest.approx(WAIT_S)


def test_waits_that_end_well_are_free() -> None:
    waiting = Waiting()
    for _ in range(100):
        assert waiting.waited_s("alice", looks(None, None, "order")) == pytest.approx(0.1)


def test_account_without_wait_budget_still_finds_what_is_there() -> None:
    waiting = Waiting()
    while waiting.in_vain_s("alice"):
        pass
    assert found_in_time(looks("order"), waiting.wait_budget, "alice", wait_s=WAIT_S) == "order"


def test_wait_budget_comes_back_with_time() -> None:
    waiting = Waiting()
    while waiting.in_vain_s("alice"):
        pass
    waiting.clock.sleep(VAIN_WAIT_BURST_S / VAIN_WAIT_SHARE)
    assert waiting.in_vain_s("alice") == pytest.approx(WAIT_S)
