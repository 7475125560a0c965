"""Answers that are waited for equally long, in time that is the test's."""

import asyncio
import weakref
from collections.abc import Callable
from typing import Any

from chalice_offline.invocation import Outcome, Returned, TimedOut
from chalice_offline.lambda_host.deadlines import Deadlines


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time passes by being told, and whose timers are called then."""

    now = 100.0

    def time(self) -> float:
        return self.now

    async def pass_to(self, now: float) -> None:
        self.now = now
        for _ in range(3):  # rounds: the timer, what it calls, what waits for that
            await asyncio.sleep(0)


def run(scenario: Callable[[Clock], Any]) -> None:
    with asyncio.Runner(loop_factory=Clock) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, Clock)
        runner.run(scenario(loop))


def test_each_answer_is_waited_for_equally_long() -> None:
    async def scenario(clock: Clock) -> None:
        deadlines = Deadlines(10)
        first, second = (asyncio.Future[Outcome]() for _ in range(2))
        deadlines.watch(first)
        await clock.pass_to(104)
        deadlines.watch(second)
        await clock.pass_to(109.9)
        assert not first.done()
        await clock.pass_to(110)
        assert first.result() == TimedOut(10)
        assert not second.done()
        await clock.pass_to(114)
        assert second.result() == TimedOut(10)

    run(scenario)


def test_answer_that_came_in_time_stays_and_those_behind_it_are_watched_on() -> None:
    async def scenario(clock: Clock) -> None:
        deadlines = Deadlines(10)
        first, second, third = (asyncio.Future[Outcome]() for _ in range(3))
        deadlines.watch(first)
        deadlines.watch(second)
        first.set_result(Returned(1))
        await clock.pass_to(105)
        deadlines.watch(third)
        await clock.pass_to(110)
        assert (first.result(), second.result()) == (Returned(1), TimedOut(10))
        third.cancel()
        await clock.pass_to(115)
        assert third.cancelled()
        # Nothing is watched now; the next one is again.
        fourth = asyncio.Future[Outcome]()
        deadlines.watch(fourth)
        await clock.pass_to(125)
        assert fourth.result() == TimedOut(10)

    run(scenario)


def test_answers_behind_one_that_takes_its_time_are_not_kept() -> None:
    async def scenario(clock: Clock) -> None:
        deadlines = Deadlines(10)
        slow = asyncio.Future[Outcome]()
        deadlines.watch(slow)
        kept = weakref.WeakSet[asyncio.Future[Outcome]]()
        for _ in range(5_000):
            answer = asyncio.Future[Outcome]()
            kept.add(answer)
            deadlines.watch(answer)
            answer.set_result(Returned(None))
        assert len(kept) <= 1_001
        await clock.pass_to(110)
        assert slow.result() == TimedOut(10)

    run(scenario)
