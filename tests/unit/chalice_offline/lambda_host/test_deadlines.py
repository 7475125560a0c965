"""Answers that are waited for equally long, in time that is the test's."""

import asyncio
import weakref
from collections.abc import Callable
from typing import Any

from chalice_offline.invocation import ANY_CALLER, Caller, Outcome, Returned, TimedOut
from chalice_offline.lambda_host.deadlines import Answer, Deadlines


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


class Waiting:
    """A caller, and all that it was told."""

    def __init__(self, *, still_waits: bool = True) -> None:
        self.told: list[Outcome] = []
        self.answer = Answer(self.told.append, Caller("a", lambda: still_waits))


def test_answer_is_given_once_and_not_worth_waiting_for_from_then_on() -> None:
    waiting = Waiting()
    assert (waiting.answer.key, waiting.answer.still_waits(), waiting.answer.is_given) == ("a", True, False)
    waiting.answer.give(Returned(1))
    waiting.answer.give(TimedOut(10))
    assert waiting.told == [Returned(1)]
    assert (waiting.answer.still_waits(), waiting.answer.is_given) == (False, True)


def test_answer_of_a_caller_who_has_left_is_not_worth_waiting_for() -> None:
    assert not Waiting(still_waits=False).answer.still_waits()


def test_each_answer_is_waited_for_equally_long() -> None:
    async def scenario(clock: Clock) -> None:
        deadlines = Deadlines(10)
        first, second = Waiting(), Waiting()
        deadlines.watch(first.answer)
        await clock.pass_to(104)
        deadlines.watch(second.answer)
        await clock.pass_to(109.9)
        assert not first.told
        await clock.pass_to(110)
        assert first.told == [TimedOut(10)]
        assert not second.told
        await clock.pass_to(114)
        assert second.told == [TimedOut(10)]

    run(scenario)


def test_answer_that_came_in_time_stays_and_those_behind_it_are_watched_on() -> None:
    async def scenario(clock: Clock) -> None:
        deadlines = Deadlines(10)
        first, second, third = Waiting(), Waiting(), Waiting()
        deadlines.watch(first.answer)
        deadlines.watch(second.answer)
        first.answer.give(Returned(1))
        await clock.pass_to(105)
        deadlines.watch(third.answer)
        await clock.pass_to(110)
        assert (first.told, second.told) == ([Returned(1)], [TimedOut(10)])
        third.answer.give(Returned(3))
        await clock.pass_to(115)
        assert third.told == [Returned(3)]
        # Nothing is watched now; the next one is again.
        fourth = Waiting()
        deadlines.watch(fourth.answer)
        await clock.pass_to(125)
        assert fourth.told == [TimedOut(10)]

    run(scenario)


def test_answers_behind_one_that_takes_its_time_are_not_kept() -> None:
    async def scenario(clock: Clock) -> None:
        deadlines = Deadlines(10)
        slow = Waiting()
        deadlines.watch(slow.answer)
        kept = weakref.WeakSet[Answer]()
        for _ in range(5_000):
            answer = Waiting().answer
            kept.add(answer)
            deadlines.watch(answer)
            answer.give(Returned(None))
        assert len(kept) <= 1_001
        await clock.pass_to(110)
        assert slow.told == [TimedOut(10)]

    run(scenario)


def test_caller_who_stumbles_over_its_answer_does_not_keep_it_from_the_others() -> None:
    failures: list[object] = []

    def stumble(_outcome: Outcome) -> None:
        raise ValueError("stumbled")

    async def scenario(clock: Clock) -> None:
        clock.set_exception_handler(lambda _, context: failures.append(context["exception"]))
        deadlines, other = Deadlines(10), Waiting()
        deadlines.watch(Answer(stumble, ANY_CALLER))
        deadlines.watch(other.answer)
        await clock.pass_to(110)
        assert other.told == [TimedOut(10)]

    run(scenario)
    assert len(failures) == 1
