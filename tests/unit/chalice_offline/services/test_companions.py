"""Companion processes: which of them run, where, what they are told and tell, and that they come back."""

import asyncio
import io
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from chalice_offline.logs import Log
from chalice_offline.project.companion_table import CompanionTable
from chalice_offline.services.children import ChildRegister, started_at
from chalice_offline.services.companions import CompanionError, Companions, answers
from chalice_offline.services.daemon import DaemonError
from chalice_offline.state_dir import StateDir
from tests.support.ports import free_port

# A web server that says whom it greets, where it is and where its state is.
SERVER = """
import http.server, os, sys
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/up" else 503)
        self.end_headers()
    def log_message(self, *_): pass
print(os.environ["GREETING"], os.getcwd(), sys.argv[2], flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
"""


class World:
    """An instance with companions, in a folder."""

    def __init__(
        self, folder: Path, *tables: Mapping[str, Any], known: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "server.py").write_text(SERVER)
        self.state = StateDir(folder / "state dir")
        self.state.acquire()
        self.register = ChildRegister(self.state.path / "children.json")
        self.stream = io.StringIO()
        self.log = Log(self.stream)
        try:
            self.companions = Companions(
                [CompanionTable.model_validate(table) for table in tables],
                {"PATH": os.environ["PATH"], **(known or {})},
                self.state,
                self.register,
                self.log,
                app_dir=folder,
                interpreter=sys.executable,
            )
        except CompanionError:
            self.close()
            raise

    def close(self) -> None:
        if hasattr(self, "companions"):
            self.companions.release()
        self.log.close()
        self.state.release()

    def pid(self, name: str) -> int:
        (pid,) = self.register.pids()[name]
        return pid

    def run(self, scenario: Callable[[], Awaitable[None]]) -> str:
        async def main() -> None:
            try:
                await self.companions.start()
                await scenario()
            finally:
                await self.companions.stop()

        try:
            asyncio.run(main())
        finally:
            self.close()
        return self.stream.getvalue()


def served(**changed: Any) -> dict[str, Any]:
    return {
        "name": "web",
        "command": "python server.py ${port} ${state}",
        "port": 8070,
        "ready": "http://127.0.0.1:${port}/up",
        "environment": {"GREETING": "hello ${WHOM}"},
        "gives": {"WEB_URL": "http://127.0.0.1:${port}"},
        "says": "web http://127.0.0.1:${port}",
        **changed,
    }


async def nothing() -> None:
    """What a scenario does that only starts and stops."""


def test_companion_is_ready_after_start_gone_after_stop_and_prints_behind_its_name(tmp_path: Path) -> None:
    world = World(tmp_path, served(), known={"WHOM": "world"})
    port = world.companions.ports["web"]
    pids = []

    async def scenario() -> None:
        assert await answers(f"http://127.0.0.1:{port}/up")
        assert not await answers(f"http://127.0.0.1:{port}/down")
        pids.append(world.pid("web"))

    log = world.run(scenario)
    assert started_at(pids[0]) is None
    assert f"web hello world {tmp_path} {tmp_path}/state dir/companions/web" in log
    assert world.companions.gives == {"WEB_URL": f"http://127.0.0.1:{port}"}
    assert world.companions.banner == [f"web http://127.0.0.1:{port}"]


def test_companion_that_dies_comes_back_at_the_same_port(tmp_path: Path) -> None:
    world = World(tmp_path, served(), known={"WHOM": "world"})

    async def scenario() -> None:
        pid = world.pid("web")
        os.kill(pid, signal.SIGKILL)
        while world.register.pids().get("web") in (None, [pid]):  # noqa: ASYNC110  # another process's doing
            await asyncio.sleep(0.01)
        url = f"http://127.0.0.1:{world.companions.ports['web']}/up"
        while not await answers(url):  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.01)

    log = world.run(scenario)
    assert "web died, restarting exit_status=-9" in log
    assert log.count("hello world") == 2


def test_port_that_is_taken_is_left_to_its_holder_and_the_other_one_is_kept(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = holder.getsockname()[1]
        first = World(tmp_path, served(port=min(taken, 65_000)), known={"WHOM": "w"})
        chosen = first.companions.ports["web"]
        assert chosen != taken
        first.close()
    again = World(tmp_path, served(port=min(taken, 65_000)), known={"WHOM": "w"})
    assert again.companions.ports["web"] == chosen
    again.close()


def test_two_instances_that_start_together_have_ports_of_their_own_before_anything_listens(
    tmp_path: Path,
) -> None:
    preferred = free_port()  # which no other process takes
    worlds = [
        World(folder, served(port=preferred), known={"WHOM": "w"})
        for folder in (tmp_path / "one", tmp_path / "other")
    ]
    assert worlds[0].companions.ports["web"] == preferred
    assert worlds[1].companions.ports["web"] != preferred
    for world in worlds:
        world.close()


def test_port_that_is_preferred_now_goes_before_the_one_kept_for_another(tmp_path: Path) -> None:
    ports = []
    for preferred in (8_071, 8_072):
        world = World(tmp_path, served(port=preferred), known={"WHOM": "w"})
        ports.append(world.companions.ports["web"])
        world.close()
    assert ports[0] != ports[1]


@pytest.mark.parametrize(
    ("when", "known", "runs"),
    [
        ({"MODE": "real"}, {"MODE": "real"}, True),
        ({"MODE": "real"}, {"MODE": "toy"}, False),
        ({"MODE": "real"}, {}, False),
        ({"URL": ""}, {}, True),
        ({"URL": ""}, {"URL": ""}, True),
        ({"MODE": "real", "URL": ""}, {"MODE": "real", "URL": "http://x"}, False),
    ],
)
def test_companion_runs_where_the_variables_have_the_values_that_it_names(
    tmp_path: Path, when: dict[str, str], known: dict[str, str], *, runs: bool
) -> None:
    world = World(tmp_path, served(when=when), known={"WHOM": "w", **known})
    assert ("web" in world.companions.ports) is runs
    assert bool(world.companions.gives) is runs
    world.close()


def test_companion_that_ends_while_starting_is_an_error_and_its_last_words_are_shown(tmp_path: Path) -> None:
    words = "import sys; sys.exit('no model')"
    world = World(
        tmp_path, {"name": "model", "command": f'python -c "{words}"', "ready": "tcp://127.0.0.1:1"}
    )
    with pytest.raises(DaemonError) as caught:
        world.run(nothing)
    assert "model ended while starting" in str(caught.value)
    assert "model no model" in world.stream.getvalue()


def test_command_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    world = World(tmp_path, {"name": "model", "command": "no-such-program --fast"})
    with pytest.raises(DaemonError) as caught:
        world.run(nothing)
    assert "model cannot be run: there is no no-such-program" in str(caught.value)


def test_command_that_may_not_be_executed_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "serve").touch(0o600)
    world = World(tmp_path, {"name": "model", "command": "./serve --fast"})
    with pytest.raises(DaemonError) as caught:
        world.run(nothing)
    assert "model cannot be run: ./serve: Permission denied" in str(caught.value)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"command": "serve ${port}"}, r"companion web: command: \$\{port\} is not defined"),
        ({"gives": {"URL": "${HOST}"}}, r"companion web: gives.URL: \$\{HOST\} is not defined"),
        ({"port": "${WEB_PORT}"}, r"companion web: port: \$\{WEB_PORT\} is not defined"),
        ({"port": "80a"}, r"companion web: port: must be from 1 to 65000, not '80a'"),
        ({"command": "serve $"}, r"companion web: command: .*a dollar sign is written as \$\$"),
        ({"command": "serve 'it"}, r"companion web: command: No closing quotation"),
    ],
)
def test_text_that_cannot_be_filled_in_is_refused_by_its_place(
    tmp_path: Path, table: dict[str, Any], problem: str
) -> None:
    with pytest.raises(CompanionError, match=problem):
        World(tmp_path, {"name": "web", "command": "serve", **table})


def test_two_companions_of_one_name_are_refused_unless_only_one_of_them_runs(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fresh = tmp_path_factory.mktemp("fresh")
    first, second = {"name": "web", "command": "serve"}, {"name": "web", "command": "serve --more"}
    with pytest.raises(CompanionError, match="another one of this name"):
        World(tmp_path, first, second)
    World(fresh, {**first, "when": {"FAST": ""}}, {**second, "when": {"FAST": "1"}}).close()
