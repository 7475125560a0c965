"""One execution environment: a process that runs one function, one invocation at a time."""

import asyncio
import json
import os
import signal
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.local.invocation import Outcome, Raised, Returned, TimedOut
from infra.local.lambda_host.forker import ForkedProcess, Forker
from infra.local.lambda_host.frames import FrameReader, frame
from infra.local.lambda_host.output import LineReader

# Between the end of an environment's socket, which ends it, and killing it.
_END_PATIENCE_S: Final = 1.0
# Made once: json.dumps with arguments makes an encoder for each call.
_compact: Final = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start an environment of a function.

    Attributes:
        description: What the bootstrap needs to know, as JSON.
        environment: The complete process environment.
    """

    function_name: str
    description: str
    environment: Mapping[str, str]
    task_root: Path
    timeout_s: float


class Environment:
    """A running environment. It is ready once ``started`` is done; after ``is_alive`` is False it is of no more use."""

    def __init__(self, launch: Launch, forker: Forker, on_line: Callable[[str, str], None]) -> None:
        self._launch = launch
        self._forker = forker
        self._on_line = on_line
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None
        self._output: asyncio.ReadTransport | None = None
        self._process: ForkedProcess | None = None
        self.is_alive = True
        self.invocations = 0

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    async def start(self) -> Raised | None:
        """Start the process and import the handler; return the failure if the import fails.

        Raises:
            OSError: No process could be started.
        """
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        read_end, write_end = os.pipe()
        launch = self._launch
        request = {
            "description": launch.description,
            "environment": dict(launch.environment),
            "task_root": str(launch.task_root),
        }
        try:
            self._process = await self._forker.fork(request, theirs.fileno(), write_end)
        except OSError:
            ours.close()
            os.close(read_end)
            raise
        finally:
            theirs.close()
            os.close(write_end)
        self._answer = loop.create_future()
        reader = LineReader(lambda line: self._on_line(self._launch.function_name, line))
        self._output, _ = await loop.connect_read_pipe(lambda: reader, os.fdopen(read_end, "rb", buffering=0))
        self._transport, _ = await loop.create_unix_connection(lambda: _Connection(self), sock=ours)
        reply = await self._reply()
        if reply is None:
            return await self._crash(request_id=str(uuid.uuid4()))
        return _failure(reply) if "error" in reply else None

    async def invoke(self, event: Mapping[str, Any]) -> Outcome:
        """Run the handler once. A timeout or crash leaves the environment dead."""
        assert self._answer is None, "an environment runs one invocation at a time"
        assert self._transport is not None
        self.invocations += 1
        request_id = str(uuid.uuid4())
        timeout_s = self._launch.timeout_s
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        deadline_ms = int((time.time() + timeout_s) * 1000)
        request = {"requestId": request_id, "deadlineMs": deadline_ms, "event": event}
        timer = loop.call_later(timeout_s, self._time_out)
        self._transport.write(frame(_compact(request).encode()))
        try:
            reply = await self._reply()
        except TimeoutError:
            self._on_line(
                self._launch.function_name, f"{request_id} Task timed out after {timeout_s:.2f} seconds"
            )
            await self.kill()
            return TimedOut(timeout_s)
        finally:
            timer.cancel()
        if reply is None:
            return await self._crash(request_id)
        return _failure(reply) if "error" in reply else Returned(reply["result"])

    async def close(self) -> None:
        """End an idle environment: it leaves when its socket closes, or is killed."""
        self.is_alive = False
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

    async def _reply(self) -> dict[str, Any] | None:
        assert self._answer is not None
        try:
            document = await self._answer
        except ConnectionError:
            return None
        finally:
            self._answer = None
        reply: dict[str, Any] = json.loads(document)
        return reply

    async def _end(self) -> None:
        """Let a process without its socket end by itself, for its status and last words; else kill it."""
        if self._process is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _END_PATIENCE_S)
        await self.kill()

    async def _crash(self, request_id: str) -> Raised:
        await self._end()
        status = await self._process.wait() if self._process is not None else 0
        if status == 0:
            reason = "Runtime exited without providing a reason"
        elif status < 0:
            reason = f"Runtime exited with error: signal: {signal.Signals(-status).name}"
        else:
            reason = f"Runtime exited with error: exit status {status}"
        message = f"RequestId: {request_id} Error: {reason}"
        self._on_line(self._launch.function_name, message)
        return Raised("Runtime.ExitError", message)

    def _time_out(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(TimeoutError())

    def answered(self, document: bytes) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(document)

    def disconnected(self) -> None:
        self.is_alive = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError())


class _Connection(asyncio.Protocol):
    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._frames = FrameReader()

    def data_received(self, data: bytes) -> None:
        for document in self._frames.feed(data):
            self._environment.answered(document)

    def connection_lost(self, _error: Exception | None) -> None:
        self._environment.disconnected()


def _failure(reply: Mapping[str, Any]) -> Raised:
    return Raised(reply["error"]["errorType"], reply["error"]["errorMessage"])
