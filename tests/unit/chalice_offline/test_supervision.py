"""Work that nothing awaits: its failures are logged, and it goes on."""

import ast
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

import chalice_offline
from chalice_offline.supervision import Deadline, Failures, keep_going, spawn, tell

SOURCES: Final = Path(chalice_offline.__file__).parent
# Tasks that are awaited where they are made, so that their maker meets their failure.
AWAITED: Final = {
    ("event_source/mapping.py", "_wait_long"),
    ("gateway/session.py", "_take_slot"),
    ("lifecycle.py", "unless_stopped"),
    ("lifecycle.py", "hurried_by_second"),
    ("reload.py", "run"),
    ("reload.py", "unless"),
    ("runtime.py", "start"),
    # ``PromptHttp`` is called back with what came of it, and tells a failure.
    ("services/emulator_http.py", "respond_later"),
    ("services/ministack.py", "start"),
}


def watched(scenario: Callable[[], Awaitable[None]]) -> list[tuple[str, str]]:
    """Run a scenario; return the failures that were told."""
    told: list[tuple[str, str]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: told.append((context["message"], str(context["exception"])))
        )
        await scenario()

    asyncio.run(main())
    return told


def fail(*arguments: object) -> None:
    raise OverflowError(*arguments)


async def fail_later() -> None:
    await asyncio.sleep(0)
    fail("later")


def test_listener_that_fails_does_not_stop_its_caller() -> None:
    heard: list[int] = []

    async def scenario() -> None:
        tell("first", fail, "no")
        tell("second", heard.append, 1)

    assert watched(scenario) == [("first", "no")]
    assert heard == [1]


def test_failure_of_spawned_work_is_told_and_its_task_forgotten() -> None:
    tasks: set[asyncio.Task[None]] = set()

    async def scenario() -> None:
        await asyncio.wait({spawn("work", fail_later(), tasks)})
        spawn("canceled", asyncio.Event().wait(), tasks).cancel()  # type: ignore[arg-type]
        while tasks:  # noqa: ASYNC110  # the callback has no event
            await asyncio.sleep(0)

    assert watched(scenario) == [("work", "later")]


def test_work_that_fails_is_begun_anew_until_it_returns() -> None:
    begun: list[float] = []

    async def work() -> None:
        begun.append(asyncio.get_running_loop().time())
        if len(begun) < 3:
            fail("again")

    async def scenario() -> None:
        await keep_going("work", work)

    assert watched(scenario) == [("work", "again")] * 2
    assert begun[1] - begun[0] > 0.09
    assert begun[2] - begun[1] > 0.19


def test_work_that_is_kept_going_ends_when_it_is_canceled() -> None:
    async def scenario() -> None:
        async def work() -> None:
            await asyncio.Event().wait()

        task = keep_going("work", work)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert watched(scenario) == []


def test_failures_at_one_place_are_shown_once_a_minute_with_their_number() -> None:
    shown: list[tuple[str, int]] = []
    now = [0.0]
    failures = Failures(
        lambda what, trace, hidden: shown.append((f"{what} {trace[-9:]}", hidden)), lambda: now[0]
    )
    loop = asyncio.new_event_loop()
    loop.close()

    def happen(what: str) -> None:
        try:
            fail("x")
        except OverflowError as error:
            failures(loop, {"message": what, "exception": error})

    for _ in range(100):
        happen("callback")
    happen("another")
    failures(loop, {"message": "without exception"})
    now[0] = 61.0
    happen("callback")
    assert [hidden for _, hidden in shown] == [0, 0, 0, 99]
    assert failures.count == 103


def test_what_is_remembered_of_failures_is_bounded() -> None:
    failures = Failures(lambda *_: None)
    loop = asyncio.new_event_loop()
    loop.close()
    for number in range(10_000):
        failures(loop, {"message": str(number)})
    assert len(failures._places) <= 256


def test_every_task_of_the_runtime_is_supervised_or_awaited_where_it_is_made() -> None:
    stray = {
        (str(path.relative_to(SOURCES)), function.name)
        for path in SOURCES.rglob("*.py")
        if path.name != "supervision.py"
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(_starts_a_task(node) for node in ast.walk(function))
    }
    assert stray == AWAITED


def _starts_a_task(node: Any) -> bool:
    names = {"create_task", "ensure_future", "run_coroutine_threadsafe", "run_in_executor"}
    return isinstance(node, ast.Attribute) and node.attr in names


def test_steps_that_share_a_deadline_get_what_those_before_them_left() -> None:
    now = [100.0]
    given: list[float] = []

    async def stop(*, timeout_s: float) -> None:
        given.append(timeout_s)
        now[0] += 10.0

    async def scenario() -> None:
        deadline = Deadline(15.0, now=lambda: now[0])
        for step in [deadline.of(stop)] * 3:
            await step()

    asyncio.run(scenario())
    assert given == [15.0, 5.0, 0.0]
