"""One execution environment: a process that runs one function, one invocation at a time."""

import asyncio
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from chalice_offline.debugging import DEBUGGING_TIMEOUT_S
from chalice_offline.invocation import OnEnd, Outcome, Raised, Returned, TimedOut
from chalice_offline.json_text import decoded, encoded
from chalice_offline.lambda_host.forks import ForkedProcess
from chalice_offline.lambda_host.frames import FrameReader, frame
from chalice_offline.lambda_host.output import LineReader
from chalice_offline.lambda_host.snapshot import Snapshot
from chalice_offline.supervision import spawn, tell
from chalice_offline.uuids import new_uuid

# Between the end of an environment's socket, which ends it, and killing it.
_END_TIMEOUT_S: Final = 1.0
_LAST_WORDS_S: Final = 0.2
_INIT_TIMEOUT_S: Final = 10.0
# The bootstrap lets no answer pass that is longer than Lambda's limit, 6 MB and a little.
_ANSWER_BYTES_MAX: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start an environment of a function.

    Attributes:
        description: What the bootstrap needs to know, as JSON.
        environment: The complete process environment.
        tmp_root: Where an environment gets a directory for what it
            writes to ``/tmp``; None shares the machine's.
    """

    function_name: str
    description: str
    environment: Mapping[str, str]
    task_root: Path
    timeout_s: float
    tmp_root: Path | None = None


class Environment:
    """A running environment. It is ready once ``started`` is done;
    after ``is_alive`` is False it is of no more use.

    An invocation is begun with ``begin`` and ends in a callback: a task
    and a future for each cost more than the rest.
    """

    def __init__(
        self, launch: Launch, origin: Snapshot, on_lines: Callable[[str, Sequence[str]], None]
    ) -> None:
        self._launch = launch
        self._origin = origin
        self._on_lines = on_lines
        # Asked for each time, it is a system call of its own before Python 3.12.
        self._loop = asyncio.get_running_loop()
        self._first_reply: asyncio.Future[bytes] | None = None
        # Of the invocation under way; None between two.
        self._on_end: OnEnd | None = None
        self._request_id = ""
        self._deadline = 0.0
        # One for many invocations: it looks whether one is overdue, and waits on if not.
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._output: asyncio.ReadTransport | None = None
        self._lines: LineReader | None = None
        self._process: ForkedProcess | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._tmp: Path | None = None
        self.is_alive = True
        self._is_ended_here = False

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    async def start(self) -> Raised | None:
        """Start the process and import the handler; return the failure if the import fails.

        Raises:
            OSError: No process could be started.
        """
        loop = self._loop
        ours, theirs = socket.socketpair()
        read_end, write_end = os.pipe()
        launch = self._launch
        request = {
            "description": launch.description,
            "environment": dict(launch.environment),
            "task_root": str(launch.task_root),
        }
        try:
            if launch.tmp_root is not None:
                self._tmp = launch.tmp_root / f"{launch.function_name}-{new_uuid()}"
                self._tmp.mkdir(mode=0o700, parents=True)
                request["tmp"] = str(self._tmp)
            self._process = await self._origin.fork(request, theirs.fileno(), write_end)
            if self._is_ended_here:
                self._process.kill()
        except BaseException:  # a stop cancels it
            ours.close()
            os.close(read_end)
            raise
        finally:
            theirs.close()
            os.close(write_end)
        self._first_reply = loop.create_future()
        reader = LineReader(partial(self._on_lines, self._launch.function_name))
        self._lines = reader
        self._output, _ = await loop.connect_read_pipe(lambda: reader, os.fdopen(read_end, "rb", buffering=0))
        self._transport, _ = await loop.create_unix_connection(lambda: _Connection(self), sock=ours)
        try:
            outcome = _first_outcome(await self._imported())
        except TimeoutError:
            return await self._give_up_import()
        except (ConnectionError, ValueError, TypeError, KeyError):
            return await self._crash(request_id=new_uuid())
        finally:
            self._first_reply = None
        return outcome

    async def _imported(self) -> bytes:
        """Return the first reply, for which Lambda waits 10 s, and once
        more for as long as the function may take.

        https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib
        """
        assert self._first_reply is not None
        done, _ = await asyncio.wait({self._first_reply}, timeout=_INIT_TIMEOUT_S)
        if not done and self._launch.timeout_s < DEBUGGING_TIMEOUT_S:
            report = (
                f"INIT_REPORT Init Duration: {_INIT_TIMEOUT_S * 1000:.2f} ms\tPhase: init\tStatus: timeout"
            )
            self._on_lines(self._launch.function_name, [report])
        return await asyncio.wait_for(self._first_reply, self._launch.timeout_s)

    async def _give_up_import(self) -> Raised:
        text = f"Task timed out after {self._launch.timeout_s:.2f} seconds"
        request_id = new_uuid()
        self._on_lines(self._launch.function_name, [f"{request_id} {text}"])
        await self.kill()
        return Raised("Sandbox.Timedout", f"RequestId: {request_id} Error: {text}")

    def begin(self, event: Mapping[str, Any], on_end: OnEnd) -> None:
        """Run the handler once; ``on_end`` hears what came of it.
        A timeout or crash leaves the environment dead.
        """
        assert self._on_end is None, "an environment runs one invocation at a time"
        assert self._transport is not None
        self._request_id = new_uuid()
        timeout_s = self._launch.timeout_s
        deadline_ms = int((time.time() + timeout_s) * 1000)
        # First what may fail: an event that is none leaves the environment as it was.
        request = frame(encoded({"requestId": self._request_id, "deadlineMs": deadline_ms, "event": event}))
        self._on_end = on_end
        loop = self._loop
        self._deadline = loop.time() + timeout_s
        if self._timer is None:
            self._timer = loop.call_later(timeout_s, self._look_at_the_clock)
        self._transport.write(request)

    def give_up(self) -> None:
        """End an environment that is still starting: ``start`` returns, with a failure that says nothing."""
        self._is_ended_here = True
        if self._process is not None:
            self._process.kill()

    async def close(self) -> None:
        """End an idle environment: it leaves when its socket closes, or is killed."""
        self.is_alive = False
        self._is_ended_here = True
        if self._transport is not None:
            self._transport.close()
        await self._end()

    async def kill(self) -> None:
        """End the environment now, with every process it started."""
        self.is_alive = False
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
        if self._transport is not None:
            self._transport.close()
        if self._output is not None and self._lines is not None:
            # What it printed last is still on its way; a process that
            # left its group may keep the pipe open for ever.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._lines.ended.wait(), _LAST_WORDS_S)
            self._output.close()
        tmp, self._tmp = self._tmp, None
        if tmp is not None:
            await asyncio.to_thread(shutil.rmtree, tmp, ignore_errors=True)

    async def _end(self) -> None:
        """Let a process without its socket end by itself, for its status and last words; else kill it."""
        if self._process is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _END_TIMEOUT_S)
        await self.kill()

    async def _crash(self, request_id: str) -> Raised:
        await self._end()
        status = await self._process.wait() if self._process is not None else 0
        if status == 0:
            reason = "Runtime exited without providing a reason"
        elif status < 0:
            reason = f"Runtime exited with error: signal: {_signal_name(-status)}"
        else:
            reason = f"Runtime exited with error: exit status {status}"
        message = f"RequestId: {request_id} Error: {reason}"
        # An environment that is ended in an invocation, as at a stop, did not crash.
        if not self._is_ended_here:
            self._on_lines(self._launch.function_name, [message])
        return Raised("Runtime.ExitError", message)

    def _look_at_the_clock(self) -> None:
        self._timer = None
        if self._on_end is None:
            return
        loop = self._loop
        left_s = self._deadline - loop.time()
        if left_s > 0:
            self._timer = loop.call_later(left_s, self._look_at_the_clock)
        else:
            self._background(self._time_out(self._taken_on_end()))

    async def _time_out(self, on_end: OnEnd) -> None:
        timeout_s = self._launch.timeout_s
        text = f"{self._request_id} Task timed out after {timeout_s:.2f} seconds"
        self._on_lines(self._launch.function_name, [text])
        await self.kill()
        tell("the end of an invocation", on_end, TimedOut(timeout_s))

    async def _fail(self, on_end: OnEnd) -> None:
        outcome = Raised("Runtime.ExitError", f"RequestId: {self._request_id} Error: Runtime exited")
        try:
            outcome = await self._crash(self._request_id)
        finally:
            tell("the end of an invocation", on_end, outcome)

    def answered(self, document: bytes) -> None:
        """Take a document of the process: that it is ready, or what came of the invocation."""
        if self._first_reply is not None and not self._first_reply.done():
            self._first_reply.set_result(document)
        elif self._on_end is not None:
            try:
                outcome = _outcome(document)
            except (ValueError, TypeError, KeyError):
                # The function wrote to a socket that is not its own; nothing on it can be trusted any more.
                self.broke()
                return
            tell("the end of an invocation", self._taken_on_end(), outcome)

    def broke(self) -> None:
        """Take note that what the process sends is no answer: it ends, and with it the invocation."""
        if self._transport is not None:
            self._transport.abort()

    def disconnected(self) -> None:
        self.is_alive = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._first_reply is not None and not self._first_reply.done():
            self._first_reply.set_exception(ConnectionError())
        elif self._on_end is not None:
            self._background(self._fail(self._taken_on_end()))

    def _taken_on_end(self) -> OnEnd:
        on_end, self._on_end = self._on_end, None
        assert on_end is not None, "no invocation is under way"
        return on_end

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        spawn("environment", work, self._tasks)


class _Connection(asyncio.Protocol):
    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._frames = FrameReader(bytes_max=_ANSWER_BYTES_MAX)

    def data_received(self, data: bytes) -> None:
        try:
            documents = self._frames.feed(data)
        except ValueError:
            self._environment.broke()
            return
        for document in documents:
            tell("an environment's answer", self._environment.answered, document)

    def connection_lost(self, _error: Exception | None) -> None:
        self._environment.disconnected()


def _first_outcome(document: bytes) -> Raised | None:
    """Return why the handler could not be imported, None if it was; raises as ``_outcome``."""
    reply = decoded(document)
    return _failure(reply) if "error" in reply else None


def _outcome(document: bytes) -> Outcome:
    """Return what a document says came of an invocation.

    Raises:
        ValueError, TypeError, KeyError: It is not the bootstrap's.
    """
    reply = decoded(document)
    return _failure(reply) if "error" in reply else Returned(reply["result"])


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return str(number)


def _failure(reply: Mapping[str, Any]) -> Raised:
    told = reply["error"]
    stack_trace = tuple(told.get("stackTrace", ()))
    return Raised(told["errorType"], told["errorMessage"], told.get("requestId", ""), stack_trace)
