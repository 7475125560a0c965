"""Runs of schedules, by a host that fails."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalice_offline.invocation import Outcome, Raised, Returned
from chalice_offline.project.functions import ScheduleTrigger
from chalice_offline.schedules.runner import ScheduleRunner
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions


def a_runner(functions: FakeFunctions, *, retries_s: tuple[float, ...]) -> ScheduleRunner:
    triggers = [ScheduleTrigger(name, "rate(1 hour)") for name in ("recovers", "fails")]
    return ScheduleRunner(
        triggers, functions, region="us-east-1", account="0" * 12, runs_at_start=True, retries_s=retries_s
    )


def test_run_that_fails_is_tried_twice_more_with_the_same_event() -> None:
    async def recovers(_event: Any) -> Outcome:
        return Raised("ValueError", "no") if len(functions.events_of("recovers")) == 1 else Returned(None)

    functions = FakeFunctions(recovers=recovers, fails=Raised("ValueError", "no"))

    async def scenario() -> None:
        runner = a_runner(functions, retries_s=(0.01, 0.02))
        runner.start()
        await functions.wait_for("fails", 3)
        await runner.stop()

    asyncio.run(scenario())
    first, again = functions.events_of("recovers")
    assert first == again
    assert len(functions.events_of("fails")) == 3


def test_runner_that_stops_tries_nothing_again() -> None:
    functions = FakeFunctions(recovers=Raised("ValueError", "no"), fails=Raised("ValueError", "no"))

    async def scenario() -> None:
        runner = a_runner(functions, retries_s=(3600.0,))
        runner.start()
        await functions.wait_for("fails")
        await functions.wait_for("recovers")
        await runner.stop()

    asyncio.run(scenario())
    assert len(functions.events) == 2


class SetBackTime:
    """Time that passes as it is slept through, by a clock that is set back by two hours after ten minutes."""

    def __init__(self) -> None:
        self.elapsed = 0.0

    def now(self) -> datetime:
        back = timedelta(hours=2) if self.elapsed > 600 else timedelta()
        return datetime(2026, 11, 30, 12, 5, tzinfo=UTC) + timedelta(seconds=self.elapsed) - back

    async def sleep(self, seconds: float) -> None:
        self.elapsed += seconds
        await asyncio.sleep(0)

    def elapsed_s(self) -> float:
        return self.elapsed


@pytest.mark.parametrize(
    ("expression", "runs_by_s"),
    [
        ("rate(1 hour)", 4_000),  # within what time it takes to see that it ran
        ("cron(0 * * * ? *)", 3_600),  # of 10:15 at 11:00
    ],
)
def test_clock_that_is_set_back_does_not_hold_a_schedule_up_for_as_long(
    expression: str, runs_by_s: float
) -> None:
    functions, passing = FakeFunctions(cleans=Returned(None)), SetBackTime()

    async def scenario() -> float:
        triggers = [ScheduleTrigger("cleans", expression)]
        runner = ScheduleRunner(
            triggers, functions, region="us-east-1", account="0" * 12, runs_at_start=False, time=passing
        )
        runner.start()
        await functions.wait_for("cleans")
        ran_at = passing.elapsed
        await runner.stop()
        return ran_at

    assert asyncio.run(scenario()) <= runs_by_s


def test_stop_that_is_hurried_ends_as_canceled_and_waits_for_no_run() -> None:
    async def scenario() -> None:
        is_canceled, release = asyncio.Event(), asyncio.Event()

        async def tidies_up(_event: Any) -> Outcome:
            try:
                await release.wait()
            finally:
                is_canceled.set()
                await release.wait()
            return Returned(None)

        functions = FakeFunctions(recovers=tidies_up, fails=Returned(None))
        runner = a_runner(functions, retries_s=())
        runner.start()
        await functions.wait_for("recovers")
        stopping = asyncio.create_task(runner.stop())
        await is_canceled.wait()
        stopping.cancel()
        await asyncio.wait({stopping})
        assert stopping.cancelled()

    asyncio.run(scenario())
