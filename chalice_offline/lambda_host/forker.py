"""Starts execution environments by way of the fork server, and learns from it how they ended."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import simplejson

from chalice_offline.lambda_host.forks import ForkedProcess, Forks
from chalice_offline.services.privileges import die_with_parent

_FORK_SERVER: Final = Path(__file__).with_name("fork_server.py")
_SIMPLEJSON: Final = str(Path(simplejson.__file__).parent)


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
        self._server: ForkServer | None = None
        self._lock = asyncio.Lock()

    async def fork(self, request: Mapping[str, Any], connection_fd: int, output_fd: int) -> ForkedProcess:
        """Start an environment as described; its socket and output are these descriptors.

        Raises:
            OSError: There is no process to be had, or the fork server ended meanwhile.
        """
        server = await self.start()
        return await server.forks.fork(request, connection_fd, output_fd)

    async def start(self) -> "ForkServer":
        """Start the fork server if it is not running;
        ahead of the first fork this hides what its imports take.
        """
        async with self._lock:
            if self._server is not None and self._server.forks.has_ended:
                await self._server.close()
                self._server = None
            if self._server is None:
                self._server = await ForkServer.start(self._python, self._preload, self._environment)
            return self._server

    async def take(self) -> "ForkServer":
        """Return a fork server for the caller to close: not one that has environments, which would end with
        it.
        """
        server = await self.start()
        if server.forks.has_forked:
            return await ForkServer.start(self._python, self._preload, self._environment)
        self._server = None
        return server

    @property
    def pids(self) -> list[int]:
        return [self._server.pid] if self._server is not None and not self._server.forks.has_ended else []

    async def close(self) -> None:
        """End the fork server; environments it still has die with it."""
        if self._server is not None:
            await self._server.close()


class ForkServer:
    """One fork server: its process, and what it forked."""

    def __init__(self, process: subprocess.Popen[bytes], forks: Forks) -> None:
        self.pid = process.pid
        self.forks = forks
        self._process = process

    @classmethod
    async def start(cls, python: str, preload: str, environment: Mapping[str, str]) -> "ForkServer":
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
        return cls(process, await Forks.over(ours))

    async def close(self) -> None:
        self.forks.close()
        with suppress(ProcessLookupError):
            self._process.kill()
        await asyncio.to_thread(self._process.wait)
