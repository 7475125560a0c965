"""What one account may take: rates, open orders, connections and subscriptions."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.errors import Code, ExecutionError, LimitExceededError, RetryableError
from chalicelib.domain.principals import Principal
from chalicelib.services.intake.limits import (
    ACCOUNTS_MAX,
    CONNECTION_DURATION_MAX,
    ConnectionLimits,
    OpenOrders,
    OrderLimits,
    OrderRate,
)
from tests.fakes.ports import FrozenClock
from tests.fakes.usage import FakeUsage


class Later(Executor):
    """Runs nothing until asked to."""

    def __init__(self) -> None:
        self.work: list[Callable[[], Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.work.append(lambda: fn(*args, **kwargs))
        return Future()

    def run(self) -> None:
        work, self.work = self.work, []
        for each in work:
            each()


def code_of(work: Callable[[], object]) -> Code:
    with pytest.raises(ExecutionError) as refused:
        work()
    return refused.value.code


def test_burst_is_allowed_at_once_and_then_the_rate_counts() -> None:
    clock = FrozenClock()
    rate = OrderRate(10, 3, clock)
    assert [rate.take("alice") for _ in range(4)] == [True, True, True, False]
    clock.sleep(0.125)
    assert [rate.take("alice") for _ in range(2)] == [True, False]


def test_fast_account_slows_only_itself() -> None:
    rate = OrderRate(1, 1, FrozenClock())
    assert [rate.take("alice"), rate.take("alice"), rate.take("bob")] == [True, False, True]


def test_of_too_many_accounts_the_one_that_was_quiet_for_longest_starts_afresh() -> None:
    rate = OrderRate(1, 1, FrozenClock())
    assert all(rate.take(str(number)) for number in range(ACCOUNTS_MAX + 1))
    assert [rate.take(str(number)) for number in (ACCOUNTS_MAX, 1, 0)] == [False, False, True]


def test_refused_orders_do_not_postpone_the_next_one_allowed() -> None:
    clock = FrozenClock()
    rate = OrderRate(1, 1, clock)
    rate.take("alice")
    for _ in range(10):
        clock.sleep(0.1)
        allowed = rate.take("alice")
    assert allowed


def test_wait_is_what_the_rate_takes_to_allow_one_more() -> None:
    clock = FrozenClock()
    rate = OrderRate(4, 2, clock)
    assert (rate.wait_s("alice"), rate.take("alice"), rate.take("alice")) == (0, True, True)
    assert rate.wait_s("alice") == 0.25
    clock.sleep(0.125)
    assert (rate.take("alice"), rate.wait_s("alice"), rate.wait_s("bob")) == (False, 0.125, 0)
    clock.sleep(0.125)
    assert (rate.wait_s("alice"), rate.take("alice")) == (0, True)


def test_refusal_of_a_pace_says_for_how_long_and_one_of_a_number_does_not() -> None:
    clock = FrozenClock()
    slow = OrderLimits(OrderRate(2, 1, clock), OpenOrders(lambda *_: 0, clock, Later(), limit=9))
    slow.admit("alice")
    for ask in (slow.admit, slow.admit_subscription, slow.check_rate):
        assert wait_of(lambda ask=ask: ask("alice")) == 0.5  # type: ignore[misc]
    full = OrderLimits(OrderRate(9, 9, clock), OpenOrders(lambda *_: 0, clock, Later(), limit=1))
    full.admit("alice")
    assert wait_of(lambda: full.admit("alice")) is None


def wait_of(work: Callable[[], object]) -> float | None:
    with pytest.raises(LimitExceededError) as refused:
        work()
    return refused.value.wait_s


class OpenOrdersCase:
    def __init__(self, limit: int, *, is_lasting: bool = False) -> None:
        self.clock, self.executor = FrozenClock(), Later()
        self.on_record: int | None = 0
        self.fault: Exception = RetryableError("down")
        self.questions = 0
        self.limit = OpenOrders(self._count, self.clock, self.executor, limit=limit, is_lasting=is_lasting)

    def _count(self, _account_id: str, limit: int) -> int:
        self.questions += 1
        if self.on_record is None:
            raise self.fault
        return min(self.on_record, limit)

    def take(self, times: int = 1) -> int:
        return sum(self.limit.take("alice") for _ in range(times))


def test_quiet_account_never_costs_a_question_to_the_record() -> None:
    case = OpenOrdersCase(limit=100)
    case.take(9)
    case.executor.run()
    assert case.questions == 0


def test_account_with_too_many_open_orders_is_refused_until_some_end() -> None:
    case = OpenOrdersCase(limit=100)
    assert case.take(10) == 10
    case.on_record = 95
    case.executor.run()
    assert case.take(10) == 5
    case.clock.sleep(2)
    assert case.take(10) == 5
    case.on_record = 100
    case.clock.sleep(2)
    assert case.take() == 0
    case.on_record = 20
    assert case.take() == 0
    case.clock.sleep(2)
    assert case.take() == 1


def test_account_that_comes_back_is_not_refused_for_orders_that_ended_meanwhile() -> None:
    case = OpenOrdersCase(limit=10)
    case.take(10)
    case.on_record = 10
    case.executor.run()
    assert (case.take(), case.limit.has_room("alice")) == (0, False)
    case.clock.sleep(60)
    case.on_record = 0
    assert case.limit.has_room("alice")
    assert case.take(10) == 10


@pytest.mark.parametrize("hours", [-1, 1])
def test_limits_hold_no_longer_and_no_shorter_if_the_clock_is_set_to_another_time(hours: int) -> None:
    case, rate = OpenOrdersCase(limit=10), OrderRate(per_second=1, burst=1, clock=(clock := FrozenClock()))
    case.on_record = 10
    assert (case.take(10), rate.take("alice")) == (10, True)
    case.executor.run()
    for each in (case.clock, clock):
        each.put(by=timedelta(hours=hours))
    assert (case.take(), rate.take("alice")) == (0, False)
    case.on_record = 0
    for each in (case.clock, clock):
        each.sleep(2)
    assert (case.take(), rate.take("alice")) == (1, True)


def test_count_replaces_only_the_orders_that_it_could_have_seen() -> None:
    case = OpenOrdersCase(limit=20)
    case.take(2)
    case.take(10)
    case.on_record = 2
    case.executor.run()
    assert case.take(20) == 8


def test_open_orders_are_not_refused_while_the_record_is_down() -> None:
    case = OpenOrdersCase(limit=10)
    case.on_record = None
    for _ in range(10):
        assert case.take(5) == 5
        case.executor.run()
        case.clock.sleep(2)


def test_defect_of_the_count_refuses_no_order_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    case = OpenOrdersCase(limit=10)
    case.on_record, case.fault = None, ValueError("broken")
    assert case.take(10) == 10
    case.executor.run()  # what it raised would be its future's, which nothing reads
    case.take(10)
    case.clock.sleep(2)
    assert case.take(5) == 5  # counted at once: the limit is reached
    assert [(each.message, bool(each.exc_info)) for each in caplog.records] == [("defect", True)] * 2


def test_orders_that_last_are_counted_from_the_first_one_on_that_an_environment_takes() -> None:
    """Else each environment that starts would let an account have a tenth of its limit more, for good."""
    case = OpenOrdersCase(limit=1_000, is_lasting=True)
    case.on_record = 1_000
    assert case.take() == 1
    case.executor.run()
    case.clock.sleep(2)
    assert case.take(50) == 0


def test_orders_that_last_are_counted_again_with_every_hundredth_of_the_limit() -> None:
    case = OpenOrdersCase(limit=1_000, is_lasting=True)
    for taken in (1, 9, 10):
        case.clock.sleep(2)
        case.take(taken)
        case.executor.run()
    assert case.questions == 2
    case.on_record = None
    case.clock.sleep(2)
    assert case.take(10) == 10


def test_each_limit_on_orders_has_a_code_of_its_own() -> None:
    clock = FrozenClock()
    slow = OrderLimits(OrderRate(1, 1, clock), OpenOrders(lambda *_: 0, clock, Later(), limit=9))
    slow.admit("alice")
    assert code_of(lambda: slow.admit("alice")) is Code.RATE_LIMITED
    full = OrderLimits(OrderRate(9, 9, clock), OpenOrders(lambda *_: 0, clock, Later(), limit=1))
    full.admit("alice")
    assert code_of(lambda: full.admit("alice")) is Code.TOO_MANY_OPEN_ORDERS


def test_number_of_orders_is_checked_among_those_of_their_kind_and_not_counted() -> None:
    clock = FrozenClock()

    def orders(on_record: int, limit: int) -> OpenOrders:
        return OpenOrders(lambda *_: on_record, clock, Later(), limit=limit)

    limits = OrderLimits(OrderRate(1, 1, clock), orders(2, 3), orders(5, 5))
    for _ in range(3):
        limits.check_rate("alice")
        limits.check_number("alice", may_rest=False)
    assert code_of(lambda: limits.check_number("alice", may_rest=True)) is Code.TOO_MANY_RESTING_ORDERS
    alone = OrderLimits(OrderRate(9, 9, clock), orders(0, 1))
    alone.admit("alice", may_rest=True)
    assert code_of(lambda: alone.admit("alice", may_rest=True)) is Code.TOO_MANY_OPEN_ORDERS
    apart = OrderLimits(OrderRate(9, 9, clock), orders(0, 1), orders(0, 1))
    apart.admit("alice")
    apart.admit("alice", may_rest=True)
    assert code_of(lambda: apart.admit("alice")) is Code.TOO_MANY_OPEN_ORDERS


def test_orders_taken_here_since_a_count_leave_no_room_that_the_record_does_not_know_of() -> None:
    case = OpenOrdersCase(limit=10)
    case.take()
    case.on_record = 4
    case.executor.run()
    case.take(5)
    assert case.limit.has_room("alice")
    case.take()
    assert not case.limit.has_room("alice")


def test_account_near_its_limit_is_counted_again_with_the_next_order() -> None:
    case = OpenOrdersCase(limit=1_000)
    case.on_record = 500
    case.take(100)
    case.executor.run()
    case.clock.sleep(2)
    case.take()
    case.executor.run()
    assert case.questions == 2


def test_one_count_at_a_time_is_under_way() -> None:
    """Else what two of them have seen would be taken off twice, and more orders be let in."""
    case = OpenOrdersCase(limit=20)
    case.take(4)
    case.clock.sleep(2)
    case.take(4)
    case.on_record = 8
    case.executor.run()
    assert case.questions == 1


def connection_limits(usage: FakeUsage) -> ConnectionLimits:
    return ConnectionLimits(usage, FrozenClock(), connections_max=2, subscriptions_max=3)


@pytest.mark.parametrize(
    ("token_s", "lasts_s"), [(None, 7_200), (60, 60), (9_000, CONNECTION_DURATION_MAX.total_seconds())]
)
def test_connection_lasts_as_long_as_its_token_and_two_hours_at_most(
    token_s: int | None, lasts_s: int
) -> None:
    usage, now = FakeUsage(), FrozenClock().now()
    until = None if token_s is None else now + timedelta(seconds=token_s)
    connection_limits(usage).admit("c", Principal("alice", until))
    assert usage.noted == {"c": now + timedelta(seconds=lasts_s)}


def test_connection_beyond_the_limit_is_refused() -> None:
    limits = connection_limits(FakeUsage(has_room=False))
    assert code_of(lambda: limits.admit("c", Principal("alice"))) is Code.TOO_MANY_CONNECTIONS


def test_connection_is_let_in_while_the_record_is_down() -> None:
    connection_limits(FakeUsage(is_down=True)).admit("c", Principal("alice"))


def test_subscription_beyond_the_limit_is_refused() -> None:
    connection_limits(FakeUsage(subscription_count=2)).check_subscriptions("c")
    full = connection_limits(FakeUsage(subscription_count=3))
    assert code_of(lambda: full.check_subscriptions("c")) is Code.TOO_MANY_SUBSCRIPTIONS
