"""Environments that are forked from a process that has imported the app: what they share, and what not."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from chalice_offline.invocation import Raised
from chalice_offline.lambda_host.host import LambdaHost
from chalice_offline.lambda_host.snapshot import shared_variables
from tests.support.instance import is_running
from tests.unit.chalice_offline.lambda_host.bench import Bench, payload, until

APP = """
import os, random, sys, time
IMPORTED_BY = os.getpid()
CALLS = []
sys.stdout.write("imported, ")
%s
def echo(event, context):
    CALLS.append(random.random())
    while event.get("wait") and not os.path.exists(event["wait"]):
        time.sleep(0.005)
    return {
        "pid": os.getpid(), "imported_by": IMPORTED_BY, "calls": CALLS, "variables": dict(os.environ),
        "folder": os.getcwd(), "path": sys.path, "context": context.function_name,
    }
facts = wait_for_file = echo
"""


def write_app(bench: Bench, at_import: str = "") -> None:
    (bench.folder / "app.py").write_text(APP % at_import)


def sockets_of(pid: int) -> list[str]:
    opened = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it has been closed since
            opened.append(str(entry.readlink()))
    return [name for name in opened if name.startswith("socket:")]


async def two_at_once(host: LambdaHost, bench: Bench) -> list[dict[str, Any]]:
    """Return the answers of two environments of one function."""
    gate = bench.folder / "gate"
    calls = [asyncio.create_task(host.invoke("echo", {"wait": str(gate)})) for _ in range(2)]
    await until(lambda: len(host.pids()["echo"]) == 2)
    gate.touch()
    return [payload(outcome) for outcome in await asyncio.gather(*calls)]


def test_environments_share_one_import_and_no_state(bench: Bench) -> None:
    write_app(bench)

    async def scenario(host: LambdaHost) -> None:
        first, second = await two_at_once(host, bench)
        assert [first["imported_by"]] == [second["imported_by"]] == host.pids()["snapshot"]
        assert len({first["pid"], second["pid"], first["imported_by"]}) == 3
        assert (len(first["calls"]), len(second["calls"])) == (1, 1)
        assert first["calls"] != second["calls"], "each has random numbers of its own"
        assert len(payload(await host.invoke("echo", {}))["calls"]) == 2

        other = payload(await host.invoke("facts", {}))
        assert other["imported_by"] == first["imported_by"]
        assert other["context"] == other["variables"]["AWS_LAMBDA_FUNCTION_NAME"] == "shop-dev-facts"
        assert first["variables"]["AWS_LAMBDA_FUNCTION_NAME"] == "shop-dev-echo"
        assert other["variables"]["AWS_LAMBDA_INITIALIZATION_TYPE"] == "snap-start"
        assert other["path"].count(str(bench.folder)) == 1

    bench.run(scenario, snapshot=("app",))
    assert bench.refusals == []
    assert [entry for entry in bench.lines if "imported, " in entry[1]] == [("snapshot", "imported, ")]


def test_what_the_import_makes_of_variables_and_folder_is_there_in_environments(bench: Bench) -> None:
    write_app(bench, "os.environ.update(MADE='1', OWN='changed'); del os.environ['SHARED']; os.chdir('/')")

    async def scenario(host: LambdaHost) -> None:
        seen = payload(await host.invoke("echo", {}))
        assert (seen["variables"]["MADE"], seen["variables"]["OWN"]) == ("1", "changed")
        assert "SHARED" not in seen["variables"]
        assert seen["folder"] == "/"

    bench.run(scenario, snapshot=("app",))
    assert bench.refusals == []


@pytest.mark.parametrize(
    ("at_import", "why"),
    [
        ("import threading; threading.Timer(60, print).start()", "a thread is started (Thread-1)"),
        ("import socket; LEFT = socket.socket()", "a socket is opened"),
        ("LEFT = open(__file__)", "app.py is opened"),
        ("import subprocess; LEFT = subprocess.Popen(['sleep', '0'])", "a process is started"),
        ("NAME = os.environ.get('AWS_LAMBDA_FUNCTION_NAME')", "AWS_LAMBDA_FUNCTION_NAME, which differs"),
        ("NAME = os.environb.get(b'_HANDLER')", "_HANDLER, which differs"),
        ("VARIABLES = dict(os.environ)", "AWS_LAMBDA_FUNCTION_NAME, which differs"),
    ],
)
def test_import_that_leaves_what_no_fork_carries_is_each_environments_own(
    bench: Bench, at_import: str, why: str
) -> None:
    write_app(bench, at_import)

    async def scenario(host: LambdaHost) -> None:
        for _ in range(2):
            seen = payload(await host.invoke("echo", {}))
            assert seen["imported_by"] == seen["pid"]
        assert seen["variables"]["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
        assert host.pids()["snapshot"] == []

    bench.run(scenario, snapshot=("app",))
    (refusal,) = bench.refusals
    assert why in refusal


# The part of the package of that name which Lambda's own runtime uses.
HOOKS = """
BEFORE, AFTER = [], []
def register_before_snapshot(function, *arguments, **named): BEFORE.append((function, arguments, named))
def register_after_restore(function, *arguments, **named): AFTER.append((function, arguments, named))
def get_before_snapshot(): return BEFORE
def get_after_restore(): return AFTER
"""


def test_hooks_close_before_the_snapshot_what_they_open_again_in_each_environment(bench: Bench) -> None:
    (bench.folder / "snapshot_restore_py.py").write_text(HOOKS)
    write_app(
        bench,
        "import socket; from snapshot_restore_py import *; LEFT = socket.socket()\n"
        "register_before_snapshot(LEFT.close); register_before_snapshot(CALLS.append, 'closing')\n"
        "register_after_restore(CALLS.append, 'one'); register_after_restore(CALLS.append, 'two')\n",
    )

    async def scenario(host: LambdaHost) -> None:
        for seen in await two_at_once(host, bench):
            assert seen["calls"][:-1] == ["closing", "one", "two"]
            assert seen["imported_by"] != seen["pid"]

    bench.run(scenario, snapshot=("app",))
    assert bench.refusals == []


def test_hook_that_fails_in_an_environment_fails_what_it_was_started_for(bench: Bench) -> None:
    (bench.folder / "snapshot_restore_py.py").write_text(HOOKS)
    write_app(
        bench, "import snapshot_restore_py; snapshot_restore_py.register_after_restore(int, 'no number')"
    )

    async def scenario(host: LambdaHost) -> None:
        outcome = await host.invoke("echo", {})
        assert isinstance(outcome, Raised)
        assert (outcome.error_type, "no number" in outcome.error_message) == ("ValueError", True)

    bench.run(scenario, snapshot=("app",))


@pytest.mark.parametrize(
    ("at_import", "error_type", "why"),
    [
        ("raise RuntimeError('no settings')", "RuntimeError", "RuntimeError: no settings"),
        ("import no_such_module", "Runtime.ImportModuleError", "No module named 'no_such_module'"),
        ("sys.exit(3)", "Runtime.ExitError", "SystemExit: 3"),
        ("os._exit(3)", "Runtime.ExitError", "it ended while it imported the app"),
    ],
)
def test_app_that_does_not_import_fails_each_invocation_as_without_a_snapshot(
    bench: Bench, at_import: str, error_type: str, why: str
) -> None:
    write_app(bench, at_import)

    async def scenario(host: LambdaHost) -> None:
        for _ in range(2):
            outcome = await host.invoke("echo", {})
            assert isinstance(outcome, Raised)
            assert outcome.error_type == error_type

    bench.run(scenario, snapshot=("app",))
    (refusal,) = bench.refusals
    assert why in refusal


def test_reload_imports_anew_and_the_old_snapshot_ends_with_its_last_invocation(bench: Bench) -> None:
    write_app(bench)
    gate = bench.folder / "gate"

    async def scenario(host: LambdaHost) -> None:
        running = asyncio.create_task(host.invoke("wait_for_file", {"wait": str(gate)}))
        await until(lambda: bool(host.pids()["wait_for_file"]))
        (old,) = host.pids()["snapshot"]
        write_app(bench, "CALLS.append('new')")
        await host.reload(bench.specs())
        fresh = payload(await host.invoke("echo", {}))
        assert fresh["calls"][0] == "new"
        assert set(host.pids()["snapshot"]) == {old, fresh["imported_by"]}
        gate.touch()
        assert len(payload(await running)["calls"]) == 1
        await until(lambda: host.pids()["snapshot"] == [fresh["imported_by"]])
        await until(lambda: not is_running(old))

    bench.run(scenario, snapshot=("app",))


def test_snapshot_that_was_killed_is_replaced(bench: Bench) -> None:
    write_app(bench)

    async def scenario(host: LambdaHost) -> None:
        first = payload(await host.invoke("echo", {}))
        os.kill(first["imported_by"], 9)
        await until(lambda: not is_running(first["pid"]) and not host.pids()["snapshot"])
        second = payload(await host.invoke("echo", {}))
        assert second["imported_by"] == host.pids()["snapshot"][0] != first["imported_by"]
        assert len(second["calls"]) == 1

    bench.run(scenario, snapshot=("app",))


def test_environments_of_a_snapshot_have_a_tmp_each(bench: Bench) -> None:
    root, gate = bench.folder / "tmp", bench.folder / "gate"

    async def scenario(host: LambdaHost) -> None:
        calls = [asyncio.create_task(host.invoke("tmp", {"wait": str(gate)})) for _ in range(2)]
        await until(lambda: len(host.pids()["tmp"]) == 2)
        gate.touch()
        found = [payload(outcome) for outcome in await asyncio.gather(*calls)]
        assert [each["found"] for each in found] == [[False, False]] * 2
        assert all(each["code"] for each in found)
        assert host.pids()["snapshot"]
        await host.stop(timeout_s=0)
        assert list(root.iterdir()) == []

    bench.run(scenario, snapshot=("app",), tmp_root=root)
    assert (bench.refusals, bench.lines) == ([], [])


def test_file_that_a_variable_names_is_seen_though_it_came_after_the_snapshot(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("elsewhere") / "companions" / "chain" / "pools.toml"
    write_app(bench)

    async def scenario(host: LambdaHost) -> None:
        payload(await host.invoke("facts", {}))
        path.parent.mkdir(parents=True)
        path.touch()
        # In another function's environment, which is there only when the file is.
        payload(await host.invoke("echo", {"wait": str(path)}))
        assert host.pids()["snapshot"]

    bench.environment = {**bench.environment, "NAMED": f"file:{path}"}
    bench.run(scenario, snapshot=("app",), tmp_root=bench.folder / "tmp")
    assert bench.refusals == []


@pytest.mark.parametrize("snapshot", [(), ("app",)])
def test_file_that_a_variable_names_is_seen_by_an_environment_that_was_there_before(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory, snapshot: tuple[str, ...]
) -> None:
    path = tmp_path_factory.mktemp("elsewhere") / "pools.toml"
    write_app(bench)

    async def scenario(host: LambdaHost) -> None:
        pid = payload(await host.invoke("echo", {}))["pid"]
        path.touch()
        assert payload(await host.invoke("echo", {"wait": str(path)}))["pid"] == pid

    bench.environment = {**bench.environment, "NAMED": f"file:{path}"}
    bench.run(scenario, snapshot=snapshot, tmp_root=bench.folder / "tmp")
    assert bench.refusals == []


def test_what_the_import_writes_to_tmp_is_each_environments_own(bench: Bench) -> None:
    write_app(bench, "import tempfile; open(os.path.join(tempfile.gettempdir(), 'mark'), 'w').close()")

    async def scenario(host: LambdaHost) -> None:
        seen = payload(await host.invoke("echo", {}))
        assert seen["imported_by"] == seen["pid"]

    bench.run(scenario, snapshot=("app",), tmp_root=bench.folder / "tmp")
    assert len(bench.refusals) == 1


@pytest.mark.parametrize(
    ("environments", "shared", "watched"),
    [
        ([], {}, []),
        ([{"A": "1", "B": "2"}], {"A": "1", "B": "2"}, []),
        ([{"A": "1", "B": "2"}, {"A": "1", "B": "3"}, {"A": "1"}], {"A": "1"}, ["B"]),
        ([{"A": "1"}, {}], {}, ["A"]),
    ],
)
def test_variables_are_shared_if_all_functions_have_them_with_one_value(
    environments: list[Mapping[str, str]], shared: dict[str, str], watched: list[str]
) -> None:
    assert shared_variables(environments) == (shared, watched)


def test_next_snapshot_leaves_environments_alone_that_run_without_one(bench: Bench) -> None:
    write_app(bench, "LEFT = open(__file__)")
    gate = bench.folder / "gate"

    async def scenario(host: LambdaHost) -> None:
        running = asyncio.create_task(host.invoke("wait_for_file", {"wait": str(gate)}))
        await until(lambda: bool(host.pids()["wait_for_file"]))
        write_app(bench)
        await host.reload(bench.specs())
        fresh = payload(await host.invoke("echo", {}))
        assert [fresh["imported_by"]] == host.pids()["snapshot"]
        gate.touch()
        seen = payload(await running)
        assert seen["imported_by"] == seen["pid"]

    bench.run(scenario, snapshot=("app",))
    assert len(bench.refusals) == 1


def test_host_stops_while_an_import_hangs(bench: Bench) -> None:
    write_app(bench, "open('begun', 'w').close(); time.sleep(600)")
    begun = bench.folder / "begun"

    async def scenario(host: LambdaHost) -> None:
        starting = asyncio.create_task(host.start())
        await until(begun.exists)
        (pid,) = host.pids()["snapshot"]
        await host.stop(timeout_s=0)
        assert not is_running(pid)
        await starting

    bench.run(scenario, snapshot=("app",))


def test_reload_does_not_wait_for_an_import_that_hangs(bench: Bench) -> None:
    write_app(bench, "open('begun', 'w').close(); time.sleep(600)")
    begun = bench.folder / "begun"

    async def scenario(host: LambdaHost) -> None:
        first = asyncio.create_task(host.invoke("echo", {}))
        await until(begun.exists)
        (hanging,) = host.pids()["snapshot"]
        write_app(bench)
        await host.reload(bench.specs())
        fresh = payload(await host.invoke("facts", {}))
        assert fresh["imported_by"] in host.pids()["snapshot"]
        await until(lambda: not is_running(hanging))
        assert "calls" in payload(await first)

    bench.run(scenario, snapshot=("app",))


def test_environment_holds_no_socket_but_its_own_however_many_files_the_runtime_has_open(
    bench: Bench,
) -> None:
    write_app(bench)
    many = [os.open(os.devnull, os.O_RDONLY) for _ in range(80)]

    async def scenario(host: LambdaHost) -> None:
        pid = payload(await host.invoke("echo", {}))["pid"]
        assert len(sockets_of(pid)) == 1

    try:
        bench.run(scenario, snapshot=("app",))
    finally:
        for descriptor in many:
            os.close(descriptor)


def test_snapshot_that_is_given_up_before_its_import_begins_fails_no_invocation(bench: Bench) -> None:
    write_app(bench)

    async def scenario(host: LambdaHost) -> None:
        first = asyncio.create_task(host.invoke("echo", {}))
        while not host.pids()["snapshot"]:  # noqa: ASYNC110  # it has no event to wait for
            await asyncio.sleep(0)
        await host._snapshot.retire()
        seen = payload(await first)
        assert seen["imported_by"] == seen["pid"]

    bench.run(scenario, snapshot=("app",))
    assert bench.refusals == []
