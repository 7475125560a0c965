"""The life of one instance: start, run until a signal, stop, and say in one line what went wrong."""

import asyncio
import gc
import signal
import sys
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from chalice_offline.callers import is_loopback
from chalice_offline.hangup import when_hung_up
from chalice_offline.log_file import LogFile
from chalice_offline.logs import Log
from chalice_offline.options import Options
from chalice_offline.project.inspection import refuse_what_is_no_project
from chalice_offline.project.local_toml import read_local_toml
from chalice_offline.runtime import Runtime
from chalice_offline.sentences import Sentences
from chalice_offline.services.ports import authority, free_port, is_taken
from chalice_offline.state_dir import StateDir
from chalice_offline.supervision import Failures

# A stop that takes longer says what it waits for.
_SILENT_S: Final = 1.0


async def run(options: Options, log: Log) -> int:
    """Run until a signal comes. Return the exit status: 1 if it could not start."""
    began = time.monotonic()
    state = StateDir(options.state_dir)
    status = 1
    runtime: Runtime | None = None
    is_ready = False
    signals = _Signals()
    asyncio.get_running_loop().set_exception_handler(Failures(partial(_show_failure, log)))
    try:
        # First: an instance's folder has no business where a mistyped path leads to.
        refuse_what_is_no_project(options.app_dir)
        options = _with_port(options)
        state.acquire()
        log.keep_in(LogFile(state.folder("logs")))
        project_file = read_local_toml(options.app_dir)
        log.sentences = Sentences(project_file.log.sentences)
        runtime = Runtime(options, project_file, state, log)
        await signals.unless_stopped(runtime.start())
        if not signals.stop.is_set():
            # What start-up allocated stays: the collector need not look at it again in mid-invocation.
            gc.freeze()
            log.say(f"ready in {time.monotonic() - began:.1f} s")
            is_ready = True
            for line in runtime.banner():
                log.say(line)
            if not is_loopback(options.host):
                log.event("warning", "listening beyond this machine", host=options.host)
            await signals.stop.wait()
    except Exception as error:  # noqa: BLE001  # the outermost edge: say why and leave nothing running
        _complain(error)
        status = 1
    else:
        status = 0
    finally:
        try:
            if runtime is not None:
                if is_ready:
                    log.event("info", "stopping; press Ctrl-C again to hurry")
                await signals.hurried_by_second(runtime, log)
        except Exception as error:  # noqa: BLE001  # as above: a full disk, mostly
            _complain(error)
            status = 1
        state.release()
    return status


def _complain(error: BaseException) -> None:
    for line in _reasons(error):
        with suppress(OSError):  # what is full may be the very disk that this goes to
            print(f"error: {line}", file=sys.stderr, flush=True)  # noqa: T201  # a command line's own output


def _show_failure(log: Log, what: str, trace: str, hidden: int) -> None:
    more = {"more_like_it": hidden} if hidden else {}
    log.event(
        "error", f"a defect of the runtime's own, which goes on: {what}", **more, exception=trace.rstrip()
    )


def _with_port(options: Options) -> Options:
    """Return the options with a definite port.

    Raises:
        OSError: The port is taken, or the address is not for us to listen on.
    """
    try:
        if options.port == 0:
            return replace(options, port=free_port(options.local_host))
        is_free = not is_taken(options.host, options.port)
    except OSError as error:
        where = authority(options.host, options.port) if options.port else options.host
        raise OSError(f"cannot listen on {where}: {error.strerror or error}") from error
    if not is_free:
        raise OSError(
            f"port {options.port} on {options.host} is taken; "
            f"choose another with --port or {options.port_variable}"
        )
    return options


def _reasons(error: BaseException) -> list[str]:
    if isinstance(error, BaseExceptionGroup):
        return [reason for inner in error.exceptions for reason in _reasons(inner)]
    return [str(error) or type(error).__name__]


class _Signals:
    """SIGINT and SIGTERM: the first asks to stop, the next to hurry. A hangup comes twice, and stops."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._received)
        self._hangup = when_hung_up(self.stop.set)

    def _received(self) -> None:
        (self.hurry if self.stop.is_set() else self.stop).set()

    async def unless_stopped(self, work: Coroutine[None, None, None]) -> None:
        """Await the work, or cancel it when a signal comes first."""
        task = asyncio.create_task(work)
        stop = asyncio.create_task(self.stop.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        else:
            task.result()

    async def hurried_by_second(self, runtime: Runtime, log: Log) -> None:
        stopping = asyncio.create_task(runtime.stop())
        hurry = asyncio.create_task(self.hurry.wait())
        await asyncio.wait({stopping, hurry}, return_when=asyncio.FIRST_COMPLETED, timeout=_SILENT_S)
        if not stopping.done() and not hurry.done() and (running := runtime.running()):
            log.event("info", "waiting for functions that run; Ctrl-C ends them", functions=running)
        await asyncio.wait({stopping, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not stopping.done():
            stopping.cancel()
            with suppress(asyncio.CancelledError):
                await stopping
            await runtime.stop(is_hurried=True)
            return
        stopping.result()
