"""The app, imported once, for environments to be forked from: what Lambda calls SnapStart."""

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from chalice_offline.lambda_host.forker import Forker, ForkServer
from chalice_offline.lambda_host.forks import ForkedProcess, Forks
from chalice_offline.lambda_host.output import LineReader
from chalice_offline.uuids import new_uuid

NAME: Final = "snapshot"
"""What its processes are called among the functions, in the log too."""
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
_INITIALISATION: Final = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}


class Snapshot:
    """One generation of code: a fork server that has imported the app, and is good for nothing else then. If
    there is to be none, or cannot be, environments are forked from the common server, and import the app.
    """

    def __init__(
        self,
        forker: Forker,
        modules: Sequence[str],
        environments: Sequence[Mapping[str, str]],
        *,
        task_root: Path,
        tmp_root: Path | None,
        on_lines: Callable[[str, Sequence[str]], None],
        on_refused: Callable[[str], None],
    ) -> None:
        """
        Args:
            modules: The app's own, to be imported; none: no snapshot.
            environments: Process environments of all functions.
            on_refused: Called with the reason why environments import the app by themselves.
        """
        self._forker = forker
        self._modules = list(modules)
        shared, watched = shared_variables(environments)
        # No more of what single functions have than the paths that it is for.
        values = {value for environment in environments for value in environment.values()}
        self._named = sorted(value for value in values if "/tmp/" in value)  # noqa: S108  # what variables name
        self._request = {
            "snapshot": {"modules": self._modules, "watched": watched},
            "environment": shared | _INITIALISATION,
            "task_root": str(task_root),
        }
        self._tmp_root = tmp_root
        self._on_lines = on_lines
        self._on_refused = on_refused
        self._server: ForkServer | None = None
        # The server's, while environments may be forked from it.
        self._forks: Forks | None = None
        self._output: asyncio.ReadTransport | None = None
        self._tmp: Path | None = None
        self._lock = asyncio.Lock()
        self._is_closed = False

    @property
    def pids(self) -> list[int]:
        return [] if self._server is None or self._server.forks.has_ended else [self._server.pid]

    async def fork(self, request: Mapping[str, Any], connection_fd: int, output_fd: int) -> ForkedProcess:
        """See ``Forker.fork``."""
        await self._begin()
        if self._is_closed:
            raise ConnectionResetError("the host has stopped")
        if self._forks is None:
            return await self._forker.fork(request, connection_fd, output_fd)
        environment = request["environment"] | _INITIALISATION
        return await self._forks.fork({**request, "environment": environment}, connection_fd, output_fd)

    async def retire(self) -> None:
        """Return when its last environment has ended, and it with that;
        further ones import the app by themselves.
        """
        await self._give_up()
        async with self._lock:
            forks, self._forks = self._forks, None
        if forks is not None:
            forks.retire()
            await forks.until_ended()
        async with self._lock:
            await self._end()

    async def close(self) -> None:
        """End it, and with it the environments that it still has; from here on there are none to be had."""
        self._is_closed = True
        await self._give_up()
        async with self._lock:
            await self._end()

    async def _give_up(self) -> None:
        """Have no snapshot from here on, and wait for no import, which may never end."""
        self._modules.clear()
        if self._server is not None and self._forks is None:
            await self._server.close()

    async def _begin(self) -> None:
        """Have a snapshot if there is to be one: a new one where it died."""
        async with self._lock:
            if self._forks is not None and self._forks.has_ended:
                await self._end()
            if self._forks is None and self._modules:
                try:
                    await self._start()
                except BaseException as error:
                    await self._end()
                    # Given up before the import had begun: its server was ended under it.
                    if self._modules or not isinstance(error, OSError):
                        raise

    async def _start(self) -> None:
        self._server = await self._forker.take()
        read_end, write_end = os.pipe()
        request = self._request
        try:
            lines = LineReader(partial(self._on_lines, NAME))
            self._output, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: lines, os.fdopen(read_end, "rb", buffering=0)
            )
            if self._tmp_root is not None:
                self._tmp = self._tmp_root / f"{NAME}-{new_uuid()}"
                self._tmp.mkdir(mode=0o700, parents=True)
                # Where the environments' own are, to be found from within its own.
                kept = [str(self._tmp_root)]
                request = {**request, "tmp": str(self._tmp), "kept": kept, "named": self._named}
            why_not = await self._server.forks.become_snapshot(request, write_end)
        finally:
            os.close(write_end)
        if why_not is None:
            self._forks = self._server.forks
            return
        is_wanted = bool(self._modules)
        self._modules.clear()
        await self._end()
        if is_wanted:
            self._on_refused(why_not)

    async def _end(self) -> None:
        self._forks = None
        server, self._server = self._server, None
        output, self._output = self._output, None
        tmp, self._tmp = self._tmp, None
        if server is not None:
            await server.close()
        if output is not None:
            output.close()
        if tmp is not None:
            await asyncio.to_thread(shutil.rmtree, tmp, ignore_errors=True)


def shared_variables(environments: Sequence[Mapping[str, str]]) -> tuple[dict[str, str], list[str]]:
    """Return the variables that all functions have with one value, and the names of the others."""
    names = {name for environment in environments for name in environment}
    values = {name: {environment.get(name) for environment in environments} for name in names}
    shared = {name: value for name, (value, *others) in values.items() if value is not None and not others}
    return shared, sorted(names - shared.keys())
