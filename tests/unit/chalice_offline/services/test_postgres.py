"""A PostgreSQL server on data whose last server was killed."""

import asyncio
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from chalice_offline.logs import Log
from chalice_offline.services.children import ChildRegister
from chalice_offline.services.postgres import Postgres
from chalice_offline.services.privileges import become_nobody, runs_as_root
from chalice_offline.state_dir import StateDir
from tests.support.cluster import give_cluster
from tests.support.ports import free_port


class Server:
    """The managed server, as one run of the runtime has it."""

    def __init__(self, folder: Path) -> None:
        give_cluster(folder, is_migrated=False)
        state = StateDir(folder)
        self.log_path = state.folder("logs") / "postgres.log"
        self.pid_path = folder / "postgres" / "data" / "postmaster.pid"
        self._register = ChildRegister(folder / "children.json")
        self._log = Log(io.StringIO())
        self._postgres = Postgres(state, free_port(), self._register, self._log)
        self.start = self._postgres.start

    @property
    def pid(self) -> int:
        (pid,) = self._register.pids()["postgres"]
        return pid

    async def stop(self) -> None:
        await self._postgres.stop()
        self._log.close()


@pytest.fixture
def another_program() -> Iterator[int]:
    """Of the server's user: that it may not signal another's tells it enough."""
    prepare = become_nobody(signal.SIGKILL) if runs_as_root() else None
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, preexec_fn=prepare
    ) as program:
        yield program.pid


def test_server_starts_where_the_file_of_a_killed_one_names_a_process_that_is_there(
    tmp_path: Path, another_program: int
) -> None:
    server = Server(tmp_path / "state")
    left = (another_program, server.pid_path.parent, 1796050040, 5432, "", "127.0.0.1", " 2213696 2719776")
    server.pid_path.write_text("\n".join(map(str, (*left, "ready   ", ""))))

    async def scenario() -> int:
        try:
            await server.start()
            return int(server.pid_path.read_text().split()[0])
        finally:
            await server.stop()

    assert asyncio.run(scenario()) not in {another_program, os.getpid()}


def test_server_waits_for_the_children_of_a_killed_one(tmp_path: Path) -> None:
    killed, server = Server(tmp_path / "state"), Server(tmp_path / "state")

    async def scenario() -> None:
        await killed.start()
        child = children_of(killed.pid)[0]
        os.kill(child, signal.SIGSTOP)
        try:
            await killed_for_good(killed)
            starting = asyncio.create_task(server.start())
            while "still in use" not in server.log_path.read_text() and not starting.done():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert not starting.done()
            os.kill(child, signal.SIGCONT)
            await starting
        finally:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGCONT)
            await server.stop()

    asyncio.run(scenario())


async def killed_for_good(server: Server) -> None:
    """Kill a server, and have nothing restart it."""
    os.kill(server.pid, signal.SIGKILL)
    await server.stop()


def children_of(pid: int) -> list[int]:
    shown = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True
    )
    return [int(child) for child in shown.stdout.split()]
