"""A runtime, in this process, on a clock that leaps."""

import asyncio
import io
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chalice_offline.gateway.edge import Edge
from chalice_offline.invocation import ANY_CALLER, Caller, OnEnd, Outcome, Returned
from chalice_offline.logs import Log
from chalice_offline.options import Options
from chalice_offline.project.local_toml import read_local_toml
from chalice_offline.runtime import Runtime
from chalice_offline.schedules import runner
from chalice_offline.state_dir import StateDir
from chalice_offline.supervision import Failures
from tests.soak.clock import Clock, LeapingLoop
from tests.soak.health import Health, growth, look
from tests.soak.plan import Done, Plan
from tests.soak.traffic import idle_client
from tests.support.ports import free_port

# Growth counts from here on: what is cached on first use is in use by then.
_SETTLED: Final = 0.15
_LOOK_S: Final = 1.0


@dataclass(slots=True)
class Report:
    simulated_s: float = 0.0
    invocations: int = 0
    reloads: int = 0
    done: Done = field(default_factory=Done)
    problems: list[str] = field(default_factory=list)
    last: Health | None = None


def soak(plan: Plan, state_dir: Path, say: Callable[[str], None]) -> Report:
    """Run it; the report has a problem for whatever failed or grew."""
    clock = Clock()
    report = Report()
    was = runner.utc_now, Edge.now_ms
    runner.utc_now, Edge.now_ms = clock.now, lambda _edge: clock.now_ms()  # type: ignore[assignment, method-assign]
    try:
        with asyncio.Runner(loop_factory=lambda: LeapingLoop(clock)) as loop:
            loop.run(_soak(plan, state_dir, clock, report, say))
    finally:
        runner.utc_now, Edge.now_ms = was  # type: ignore[method-assign]
    return report


async def _soak(
    plan: Plan, state_dir: Path, clock: Clock, report: Report, say: Callable[[str], None]
) -> None:
    def show(what: str, trace: str, _hidden: int) -> None:
        report.problems.append(f"{what}: {trace}")

    failures = Failures(show)
    asyncio.get_running_loop().set_exception_handler(failures)
    log_text = io.StringIO()
    log = Log(log_text)
    options = Options(
        plan.app_dir, "127.0.0.1", free_port(), state_dir, "local", None, None, None, None, reloads=True
    )
    state = StateDir(state_dir)
    state.acquire()
    runtime = Runtime(options, read_local_toml(plan.app_dir), state, log)
    _watch_reloads(runtime, clock, report)
    try:
        await runtime.start()
        _watch_work(runtime, clock, report)
        client = asyncio.create_task(
            idle_client(f"ws://127.0.0.1:{options.port}/ws", clock, plan, report.done, report.problems)
        )
        clock.leaps = True
        await _pass_time(plan, report, lambda: look(_pids(runtime), state_dir), say)
        clock.leaps = False
        if client.done():
            client.result()
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)
    finally:
        clock.leaps = False
        await runtime.stop()
        state.release()
        log.close()
    report.problems += [line for line in log_text.getvalue().splitlines() if " ERROR " in line][:20]


async def _pass_time(
    plan: Plan, report: Report, look_now: Callable[[], Health], say: Callable[[str], None]
) -> None:
    """Wait until the time is over on either clock, looking at the runtime's health as it passes."""
    loop = asyncio.get_running_loop()
    began, began_really = loop.time(), time.monotonic()
    settled: Health | None = None
    told = began_really
    while report.simulated_s < plan.simulated_s and time.monotonic() - began_really < plan.time_limit_s:
        await asyncio.sleep(min(600.0, plan.simulated_s / 50))
        report.simulated_s = loop.time() - began
        if settled is None and report.simulated_s >= plan.simulated_s * _SETTLED:
            settled = look_now()
        if time.monotonic() - told > 15:
            told = time.monotonic()
            say(
                f"{report.simulated_s / 86400:.2f} days, {report.invocations} invocations, "
                f"{_shown(look_now())}"
            )
    report.last = look_now()
    if settled is not None:
        report.problems += growth(settled, report.last)
    say(f"in the end: {_shown(report.last)}")


def _watch_reloads(runtime: Runtime, clock: Clock, report: Report) -> None:
    """Count reloads, of which there is none unless code is changed meanwhile."""
    reload = runtime._reload

    async def watched_reload(changed: Collection[str], is_more: asyncio.Event) -> None:
        report.reloads += 1
        with clock.busy():
            await reload(changed, is_more)

    runtime._reload = watched_reload  # type: ignore[method-assign]


def _watch_work(runtime: Runtime, clock: Clock, report: Report) -> None:
    """Keep time from leaping while functions or the queue are at work, and note what fails."""
    host, sqs = runtime._host, runtime._sqs
    assert host is not None
    begin, call = host.begin, sqs.call

    def watched_begin(
        function_name: str,
        event: Mapping[str, Any],
        on_end: OnEnd,
        *,
        timeout_s: float | None = None,
        caller: Caller = ANY_CALLER,
    ) -> None:
        at_work = ExitStack()
        at_work.enter_context(clock.busy())

        def ended(outcome: Outcome) -> None:
            at_work.close()
            report.invocations += 1
            if not isinstance(outcome, Returned):
                report.problems.append(f"{function_name}: {outcome}")
            on_end(outcome)

        begin(function_name, event, ended, timeout_s=timeout_s, caller=caller)

    async def watched_call(operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if request.get("WaitTimeSeconds"):
            return await call(operation, request)
        with clock.busy():
            return await call(operation, request)

    host.begin = watched_begin  # type: ignore[method-assign]
    sqs.call = watched_call  # type: ignore[method-assign]


def _pids(runtime: Runtime) -> dict[str, list[int]]:
    assert runtime._host is not None
    return {**runtime._services.register.pids(), **runtime._host.pids()}


def _shown(health: Health) -> str:
    memory = ", ".join(f"{kind} {size // 1024**2}" for kind, size in sorted(health.memory.items()))
    return (
        f"MB: {memory}; tasks {health.counts['tasks']}, timers {health.timers}, "
        f"files {health.counts['files']}"
    )
