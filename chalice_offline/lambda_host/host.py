"""The Lambda host: every function of the app, each with its own pool of execution environments."""

import asyncio
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from chalice_offline.debugging import DEBUGGING_TIMEOUT_S, Debugging
from chalice_offline.invocation import ANY_CALLER, Caller, OnEnd, Outcome, Raised
from chalice_offline.lambda_host.deadlines import Answer, Deadlines
from chalice_offline.lambda_host.environment import Environment, Launch
from chalice_offline.lambda_host.forker import Forker
from chalice_offline.lambda_host.pool import Limit, Pool
from chalice_offline.lambda_host.snapshot import NAME, Snapshot
from chalice_offline.project.functions import FunctionSpec
from chalice_offline.supervision import keep_going, spawn, tell

RARE_IDLE_S: Final = 15.0
_RETIRE_CHECK_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What all functions share.

    Attributes:
        concurrency_max: Environments per function, where ``concurrency_by_function`` says nothing.
        idle_s: An environment unused for so long ends, unless it is its function's only one.
        rare: Functions that are not started ahead of their first call, and whose last environment ends too,
            all of them after ``RARE_IDLE_S``.
        cut_short: Functions that are not waited for when the host stops: they may be ended at any moment.
        environment: Process environment of every function; a function's own values come on top.
        python: Version of the interpreter that functions run on.
        snapshot: Modules of the app that are imported once, in a process that environments are forked from;
            if none, or if functions are debugged, each environment imports the app.
        debugging: How functions are debugged; each then has one environment, and no time-out.
        tmp_root: See ``Launch``; what an earlier run left there is removed.
    """

    app_name: str
    stage: str
    task_root: Path
    environment: Mapping[str, str]
    region: str = "us-east-1"
    account: str = "000000000000"
    concurrency_max: int = 4
    concurrency_by_function: Mapping[str, int] = field(default_factory=dict)
    idle_s: float = 300.0
    rare: frozenset[str] = frozenset()
    cut_short: frozenset[str] = frozenset()
    tmp_root: Path | None = None
    snapshot: tuple[str, ...] = ()
    debugging: Debugging | None = None
    python: str = f"{sys.version_info.major}.{sys.version_info.minor}"


class LambdaHost:
    """Implements ``chalice_offline.invocation.Functions``."""

    def __init__(
        self,
        functions: Mapping[str, FunctionSpec],
        settings: HostSettings,
        forker: Forker,
        on_lines: Callable[[str, Sequence[str]], None],
        on_finished: Callable[[str], None] = lambda _function_name: None,
        on_refused: Callable[[str], None] = lambda _why: None,
    ) -> None:
        """``on_refused`` hears why environments import the app by themselves though a snapshot is wanted."""
        self._settings = settings
        self._on_lines = on_lines
        self._on_finished = on_finished
        self._on_refused = on_refused
        self._forker = forker
        self._snapshot = self._new_snapshot(functions)
        self._retired: set[Snapshot] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pools = {name: self._new_pool(spec) for name, spec in functions.items()}
        self._running: Counter[str] = Counter()
        # By how long callers wait: the gateway's always wait equally long.
        self._deadlines = _Deadlines()
        self._one_ended = asyncio.Event()
        self._retirement: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Warm every function up that is not rare: two at a time, since an import keeps a core busy."""
        if self._settings.tmp_root is not None:
            await asyncio.to_thread(shutil.rmtree, self._settings.tmp_root, ignore_errors=True)
        self._retirement = keep_going("retire-idle", self._retire_idle)
        gate = asyncio.Semaphore(max(2, os.cpu_count() or 2))

        async def warm_up(pool: Pool) -> None:
            async with gate:
                await pool.warm_up()

        rare = self._settings.rare
        await asyncio.gather(*(warm_up(pool) for name, pool in self._pools.items() if name not in rare))

    def begin(
        self,
        function_name: str,
        event: Mapping[str, Any],
        on_end: OnEnd,
        *,
        timeout_s: float | None = None,
        caller: Caller = ANY_CALLER,
    ) -> None:
        """See ``Functions.begin``. An unknown function is ``ResourceNotFoundException``."""
        pool = self._pools.get(function_name)
        if pool is None:
            on_end(Raised("ResourceNotFoundException", f"Function not found: {function_name}"))
            return
        answer = Answer(on_end, caller)
        self._running[function_name] += 1
        pool.begin(event, partial(self._ended, function_name, answer), answer)
        if timeout_s is not None:
            self._deadlines[timeout_s].watch(answer)

    async def invoke(
        self,
        function_name: str,
        event: Mapping[str, Any],
        *,
        timeout_s: float | None = None,
        caller: Caller = ANY_CALLER,
    ) -> Outcome:
        """See ``Functions.invoke``."""
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        # Of a task that was canceled, the future is done as well.
        patient = Caller(caller.key, lambda: not answer.done() and caller.still_waits())
        self.begin(function_name, event, partial(_set_result, answer), timeout_s=timeout_s, caller=patient)
        return await answer

    def _ended(self, function_name: str, answer: Answer, outcome: Outcome) -> None:
        self._running[function_name] -= 1
        if not self._running[function_name]:
            del self._running[function_name]
            self._one_ended.set()
        tell("the answer to a caller", answer.give, outcome)
        tell("listening for the end of invocations", self._on_finished, function_name)

    async def _until_quiet(self, *, but: frozenset[str] = frozenset()) -> None:
        while self._running.keys() - but:
            self._one_ended.clear()
            await self._one_ended.wait()

    async def reload(
        self, functions: Mapping[str, FunctionSpec], settings: HostSettings | None = None
    ) -> None:
        """Run new code and settings from the next invocation on; functions appear and disappear."""
        self._settings = settings or self._settings
        old, self._snapshot = self._snapshot, self._new_snapshot(functions)
        gone = [self._pools.pop(name) for name in set(self._pools) - set(functions)]
        await asyncio.gather(*(pool.close() for pool in gone))
        were_warm = []
        for name, spec in functions.items():
            if name not in self._pools:
                self._pools[name] = self._new_pool(spec)
            elif await self._pools[name].replace(self._launcher(spec), self._limit_of(spec)):
                were_warm.append(self._pools[name])
        self._retired.add(old)
        spawn("the end of a snapshot", self._retire(old), self._tasks)
        # Not waited for: an import may hang, and the next change mend it.
        spawn("warming functions up", _warm_up(were_warm), self._tasks)

    def hold(self) -> None:
        """Until the next reload, run what is warm rather than import code of which it is known that it fails.
        A snapshot holds the code from before it was changed.
        """
        if not self._snapshot.pids:
            for pool in self._pools.values():
                pool.hold()

    async def stop(self, *, timeout_s: float) -> None:
        """Let running invocations finish for so long, then end every environment."""
        if self._retirement is not None:
            self._retirement.cancel()
            await asyncio.wait({self._retirement})
        if self._running and timeout_s > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._until_quiet(but=self._settings.cut_short), timeout_s)
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))
        await self._until_quiet()
        await asyncio.gather(*(snapshot.close() for snapshot in (self._snapshot, *self._retired)))
        await asyncio.gather(*self._tasks)

    def running(self) -> list[str]:
        """Return the functions that have invocations which run or wait to, and that a stop waits for."""
        return sorted(self._running.keys() - self._settings.cut_short)

    def pids(self) -> dict[str, list[int]]:
        """Return the environments' process ids by function, and those of what forks them."""
        snapshots = [pid for snapshot in (self._snapshot, *self._retired) for pid in snapshot.pids]
        functions = {name: pool.pids() for name, pool in self._pools.items()}
        return functions | {"fork_server": self._forker.pids, NAME: snapshots}

    def _new_pool(self, spec: FunctionSpec) -> Pool:
        return Pool(self._launcher(spec), self._limit_of(spec))

    def _limit_of(self, spec: FunctionSpec) -> Limit:
        settings = self._settings
        if settings.debugging is not None:
            return Limit(1, is_strict=True)  # one terminal, one port
        limit = settings.concurrency_by_function.get(spec.name, settings.concurrency_max)
        if spec.reserved_concurrency is None:
            return Limit(limit)
        return Limit(min(limit, spec.reserved_concurrency), is_strict=True)

    def _launcher(self, spec: FunctionSpec) -> Callable[[], Environment]:
        launch, snapshot = launch_of(spec, self._settings), self._snapshot
        return lambda: Environment(launch, snapshot, self._on_lines)

    def _new_snapshot(self, functions: Mapping[str, FunctionSpec]) -> Snapshot:
        settings = self._settings
        return Snapshot(
            self._forker,
            settings.snapshot if settings.debugging is None else (),
            [launch_of(spec, settings).environment for spec in functions.values()],
            task_root=settings.task_root,
            tmp_root=settings.tmp_root,
            on_lines=self._on_lines,
            on_refused=self._on_refused,
        )

    async def _retire(self, snapshot: Snapshot) -> None:
        try:
            await snapshot.retire()
        finally:
            self._retired.discard(snapshot)

    async def _retire_idle(self) -> None:
        while True:
            settings = self._settings
            await asyncio.sleep(min(_RETIRE_CHECK_S, settings.idle_s))
            now = asyncio.get_running_loop().time()
            for name, pool in list(self._pools.items()):
                if name in settings.rare:
                    await pool.retire_idle(now - min(RARE_IDLE_S, settings.idle_s), keeps_one=False)
                else:
                    await pool.retire_idle(now - settings.idle_s)


async def _warm_up(pools: Sequence[Pool]) -> None:
    for pool in pools:
        await pool.warm_up()


class _Deadlines(dict[float, Deadlines]):
    def __missing__(self, timeout_s: float) -> Deadlines:
        return self.setdefault(timeout_s, Deadlines(timeout_s))


def _set_result(answer: "asyncio.Future[Outcome]", outcome: Outcome) -> None:
    if not answer.done():
        answer.set_result(outcome)


def deployed_name(function_name: str, app_name: str, stage: str) -> str:
    """Return Chalice's name for a deployed function: the REST
    handler has the bare one (chalice/deploy/appgraph.py).
    """
    base = f"{app_name}-{stage}"
    return base if function_name == "api_handler" else f"{base}-{function_name}"


def launch_of(spec: FunctionSpec, settings: HostSettings) -> Launch:
    """Return how to start a function, with the variables that Lambda defines.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    lambda_name = deployed_name(spec.name, settings.app_name, settings.stage)
    description = {
        "handler": spec.handler,
        "lambda_name": lambda_name,
        "arn": f"arn:aws:lambda:{settings.region}:{settings.account}:function:{lambda_name}",
        "memory_mb": spec.memory_mb,
        "task_root": str(settings.task_root),
        "debug": settings.debugging.of(spec.name) if settings.debugging is not None else None,
    }
    reserved = {
        "_HANDLER": spec.handler,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{settings.python}",
        "AWS_LAMBDA_FUNCTION_NAME": lambda_name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{lambda_name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"local/[$LATEST]{spec.name}",
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        "LAMBDA_TASK_ROOT": str(settings.task_root),
        "LAMBDA_RUNTIME_DIR": str(Path(__file__).parent),
        "PYTHONUNBUFFERED": "1",
    }
    return Launch(
        function_name=spec.name,
        description=json.dumps(description),
        environment={"TZ": ":UTC", **spec.environment, **settings.environment, **reserved},
        task_root=settings.task_root,
        timeout_s=spec.timeout_s if settings.debugging is None else DEBUGGING_TIMEOUT_S,
        tmp_root=settings.tmp_root,
    )
