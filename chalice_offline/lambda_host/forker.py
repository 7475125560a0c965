"""Starts execution environments by way of the fork server, and learns from it how they ended."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import simplejson

from chalice_offline.lambda_host.frames import FrameReader, frame
from chalice_offline.services.privileges import die_with_parent

_FORK_SERVER: Final = Path(__file__).with_name("fork_server.py")
_SIMPLEJSON: Final = str(Path(simplejson.__file__).parent)


@dataclass(eq=False, slots=True)
class ForkedProcess:
    """A process that is the fork server's child. ``exit_status`` is negative for a signal,
    as in ``subprocess``.
    """

    pid: int
    exit_status: asyncio.Future[int]

    def kill(self) -> None:
        """End it with every process it started; it leads a process group of its own."""
        if not self.exit_status.done():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def wait(self) -> int:
        return await asyncio.shield(self.exit_status)


class Forker:
    """One fork server, started when first needed and again should it die.

    Use it from the main thread: the kernel ends the server with the thread that started it.
    """

    def __init__(
        self, preload: Sequence[str], environment: Mapping[str, str], python: str = sys.executable
    ) -> None:
        """``python`` is the interpreter that functions run on."""
        self._preload = json.dumps(list(preload))
        self._environment = dict(environment)
        self._python = python
        self._server: _Server | None = None
        self._lock = asyncio.Lock()

    async def fork(self, request: Mapping[str, Any], connection_fd: int, output_fd: int) -> ForkedProcess:
        """Start an environment as described; its socket and output are these descriptors.

        Raises:
            OSError: There is no process to be had, or the fork server ended meanwhile.
        """
        server = await self.start()
        return await server.fork(request, connection_fd, output_fd)

    async def start(self) -> "_Server":
        """Start the fork server if it is not running;
        ahead of the first fork this hides what its imports take.
        """
        async with self._lock:
            if self._server is not None and self._server.has_ended:
                await self._server.close()
                self._server = None
            if self._server is None:
                self._server = await _Server.start(self._python, self._preload, self._environment)
            return self._server

    @property
    def pids(self) -> list[int]:
        return [self._server.pid] if self._server is not None and not self._server.has_ended else []

    async def close(self) -> None:
        """End the fork server; environments it still has die with it."""
        if self._server is not None:
            await self._server.close()


class _Server(asyncio.Protocol):
    """The runtime's side of one fork server."""

    def __init__(self, process: subprocess.Popen[bytes], connection: socket.socket) -> None:
        self.pid = process.pid
        self.has_ended = False
        self._process = process
        self._socket = connection
        self._frames = FrameReader()
        self._starting: deque[asyncio.Future[ForkedProcess]] = deque()
        self._running: dict[int, ForkedProcess] = {}
        self._transport: asyncio.BaseTransport | None = None

    @classmethod
    async def start(cls, python: str, preload: str, environment: Mapping[str, str]) -> "_Server":
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(  # noqa: ASYNC220  # takes 2 ms
            [python, "-P", str(_FORK_SERVER), str(theirs.fileno()), preload, _SIMPLEJSON],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            env=environment,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509  # only one system call
        )
        theirs.close()
        # Descriptors cannot be sent through a transport: a duplicate of
        # the socket sends them, blocking for no time.
        server = cls(process, ours.dup())
        ours.setblocking(False)  # noqa: FBT003  # socket's own signature
        server._transport, _ = await asyncio.get_running_loop().create_unix_connection(
            lambda: server, sock=ours
        )
        return server

    async def fork(self, request: Mapping[str, Any], connection_fd: int, output_fd: int) -> ForkedProcess:
        started: asyncio.Future[ForkedProcess] = asyncio.get_running_loop().create_future()
        self._starting.append(started)
        message = frame(json.dumps(request).encode())
        socket.send_fds(self._socket, [message[:4]], [connection_fd, output_fd])
        self._socket.sendall(message[4:])
        return await asyncio.shield(started)

    def data_received(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        for document in self._frames.feed(data):
            report = json.loads(document)
            if "started" in report:
                process = ForkedProcess(report["started"], loop.create_future())
                self._running[process.pid] = process
                self._starting.popleft().set_result(process)
            elif "refused" in report:
                self._starting.popleft().set_exception(OSError(report["refused"]))
            elif (process_or_none := self._running.pop(report["exited"], None)) is not None:
                process_or_none.exit_status.set_result(report["status"])

    def connection_lost(self, _error: Exception | None) -> None:
        """Without its server an environment is killed by the kernel."""
        self.has_ended = True
        while self._starting:
            self._starting.popleft().set_exception(ConnectionResetError("the fork server ended"))
        while self._running:
            _, process = self._running.popitem()
            process.exit_status.set_result(-signal.SIGKILL)

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        self._socket.close()
        with suppress(ProcessLookupError):
            self._process.kill()
        await asyncio.to_thread(self._process.wait)
