"""The runtime's side of a process that forks others: the fork server, or a snapshot of the app."""

import asyncio
import json
import os
import signal
import socket
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from chalice_offline.lambda_host.fork_requests import ForkRequests
from chalice_offline.lambda_host.frames import FrameReader, frame


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


class Forks(asyncio.Protocol):
    """Asks for forks, and learns how they ended.
    Without the process that forked them, the kernel ends them.
    """

    def __init__(self, connection: socket.socket) -> None:
        """``connection`` is a duplicate: descriptors cannot be sent through a transport."""
        self._ended = asyncio.Event()
        self._first_words: asyncio.Future[str | None] | None = None
        self._requests = ForkRequests(connection)
        self._frames = FrameReader()
        self._starting: deque[asyncio.Future[ForkedProcess]] = deque()
        self._running: dict[int, ForkedProcess] = {}
        self._transport: asyncio.Transport | None = None
        self.has_forked = False

    @classmethod
    async def over(cls, ours: socket.socket) -> "Forks":
        """Return the forks of the process at the other end of a socket."""
        ours.setblocking(False)  # noqa: FBT003  # socket's own signature
        forks = cls(ours.dup())
        forks._transport, _ = await asyncio.get_running_loop().create_unix_connection(
            lambda: forks, sock=ours
        )
        return forks

    async def fork(self, request: Mapping[str, Any], connection_fd: int, output_fd: int) -> ForkedProcess:
        """Start a process as described; its socket and output are these descriptors.

        Raises:
            OSError: There is none to be had, or the one that forks ended meanwhile.
        """
        started: asyncio.Future[ForkedProcess] = asyncio.get_running_loop().create_future()
        started.add_done_callback(_looked_at)
        self.has_forked = True
        self._send(request, [connection_fd, output_fd])
        self._starting.append(started)
        return await asyncio.shield(started)

    async def become_snapshot(self, request: Mapping[str, Any], output_fd: int) -> str | None:
        """Have the process import the app as described; return why it did not, and is of no more use.

        Raises:
            OSError: It has ended already.
        """
        self._send(request, [output_fd])
        self._first_words = asyncio.get_running_loop().create_future()
        return await self._first_words

    @property
    def has_ended(self) -> bool:
        return self._ended.is_set()

    async def until_ended(self) -> None:
        await self._ended.wait()

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
            elif "snapshot" in report:
                self._say(report["snapshot"])
            elif (process_or_none := self._running.pop(report["exited"], None)) is not None:
                process_or_none.exit_status.set_result(report["status"])

    def connection_lost(self, _error: Exception | None) -> None:
        self._ended.set()
        self._say("it ended while it imported the app")
        while self._starting:
            self._starting.popleft().set_exception(ConnectionResetError("the fork server ended"))
        while self._running:
            _, process = self._running.popitem()
            process.exit_status.set_result(-signal.SIGKILL)

    def _send(self, request: Mapping[str, Any], descriptors: list[int]) -> None:
        if self.has_ended:
            raise ConnectionResetError("the fork server ended")
        self._requests.put(frame(json.dumps(request).encode()), descriptors)

    def _say(self, why_not: str | None) -> None:
        if self._first_words is not None and not self._first_words.done():
            self._first_words.set_result(why_not)

    def retire(self) -> None:
        """Ask for no more: the process ends with the last one that it forked."""
        if not self.has_ended:
            self._requests.end()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        self._requests.close()


def _looked_at(started: asyncio.Future[ForkedProcess]) -> None:
    """A refusal whose caller has left meanwhile is no defect, as which asyncio would report it."""
    if not started.cancelled():
        started.exception()
