"""A long-running child of the runtime: started, watched, restarted when it dies, stopped in order."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chalice_offline.backoff import Doubling
from chalice_offline.logs import Log
from chalice_offline.services.children import ChildRegister
from chalice_offline.services.privileges import die_with_parent, keep_files_private
from chalice_offline.state_dir import open_private
from chalice_offline.supervision import keep_going

READY_TIMEOUT_S: Final = 30.0
_READY_POLL_S: Final = 0.02
_RESTART_DELAY_S: Final = 0.2
_RESTART_DELAY_MAX_S: Final = 10.0
# A child that lived this long has recovered: its next death is restarted at once.
_STEADY_S: Final = 30.0


class DaemonError(RuntimeError):
    """A managed service did not start; the message says where its own log is."""


@dataclass(frozen=True, slots=True)
class DaemonSpec:
    """How to run one service.

    Attributes:
        is_ready: Asked every few milliseconds until it says yes.
        stop_signal: Asks for an orderly end; also what the kernel sends if the runtime is killed.
        prepare: Runs in the child before exec; by default it only ties the child to its parent.
        make_way: Awaited before each launch: ends what holds the service's place and is not ours.
        on_restarted: Awaited after an unplanned restart.
        descriptors: Of ours, which the child keeps under the same numbers.
        directory: Where it runs; ours if none is given.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log_path: Path
    is_ready: Callable[[], Awaitable[bool]]
    stop_signal: signal.Signals
    stop_timeout_s: float
    prepare: Callable[[], None] | None = None
    make_way: Callable[[], Awaitable[None]] | None = None
    on_restarted: Callable[[], Awaitable[None]] | None = field(default=None)
    descriptors: tuple[int, ...] = ()
    directory: Path | None = None


class Daemon:
    """One service under watch."""

    def __init__(self, spec: DaemonSpec, register: ChildRegister, log: Log) -> None:
        self._spec = spec
        self._register = register
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._is_stopping = False

    async def start(self) -> None:
        """Start the service and wait until it is ready.

        Raises:
            DaemonError: It ended, or was not ready in time.
        """
        await self._launch()
        self._watcher = keep_going(f"watch-{self._spec.name}", self._watch)

    async def stop(self, *, is_hurried: bool = False) -> None:
        """Ask the service to end and wait for it; kill it after its time-out. Safe to call twice."""
        self._is_stopping = True
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait({self._watcher})
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(self._spec.stop_signal)
            timeout_s = min(1.0, self._spec.stop_timeout_s) if is_hurried else self._spec.stop_timeout_s
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), timeout_s)
        await self._end_group(process)

    async def _launch(self) -> None:
        spec = self._spec
        if spec.make_way is not None:
            await spec.make_way()
        began = time.monotonic()
        with os.fdopen(open_private(spec.log_path), "ab") as log_file:
            process = await asyncio.create_subprocess_exec(
                *spec.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log_file,
                stderr=log_file,
                env=dict(spec.environment),
                cwd=spec.directory,
                start_new_session=True,
                pass_fds=spec.descriptors,
                preexec_fn=keep_files_private(spec.prepare or die_with_parent(spec.stop_signal)),
            )
        self._process = process
        self._register.add(process.pid, spec.name)
        while not await spec.is_ready():
            if process.returncode is not None:
                self._register.remove(process.pid)
                raise DaemonError(f"{spec.name} ended while starting; see {spec.log_path}")
            if time.monotonic() - began > READY_TIMEOUT_S:
                await self._end_group(process)
                raise DaemonError(
                    f"{spec.name} was not ready after {READY_TIMEOUT_S:.0f} s; see {spec.log_path}"
                )
            await asyncio.sleep(_READY_POLL_S)
        ready_ms = round((time.monotonic() - began) * 1000)
        self._log.event("debug", f"{spec.name} ready", pid=process.pid, duration_ms=ready_ms)

    async def _watch(self) -> None:
        delay = Doubling(_RESTART_DELAY_S, _RESTART_DELAY_MAX_S)
        while not self._is_stopping:
            assert self._process is not None
            began = time.monotonic()
            status = await self._process.wait()
            await self._end_group(self._process)
            if time.monotonic() - began > _STEADY_S:
                delay.reset()
            self._log.event("warning", f"{self._spec.name} died, restarting", exit_status=status)
            await asyncio.sleep(delay.take())
            try:
                await self._launch()
            except (DaemonError, OSError) as error:
                self._log.event("error", f"{self._spec.name} did not restart", reason=str(error))
            else:
                await self._tell_owner(self._process)

    async def _tell_owner(self, process: asyncio.subprocess.Process) -> None:
        """Have the owner make what a restarted service lacks, again until it succeeds or the service dies."""
        delay = Doubling(_RESTART_DELAY_S, _RESTART_DELAY_MAX_S)
        while process.returncode is None:
            try:
                if self._spec.on_restarted is not None:
                    await self._spec.on_restarted()
            except Exception as error:  # noqa: BLE001  # whatever it was, only another try mends it
                self._log.event("error", f"{self._spec.name} is not what it was", reason=str(error))
                await asyncio.sleep(delay.take())
            else:
                self._log.event("info", f"{self._spec.name} is back", pid=process.pid)
                return

    async def _end_group(self, process: asyncio.subprocess.Process) -> None:
        """Kill what is left of the service's process group and forget it."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        self._register.remove(process.pid)
