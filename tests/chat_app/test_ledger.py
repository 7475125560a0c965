"""A whole instance: queue, dead letters, Postgres, restarts of its parts, reload, shutdown."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.support.instance import REPOSITORY, TIME_LIMIT_S, Instance, is_running

LEDGER_APP = REPOSITORY / "tests" / "chat_app" / "queue_app"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the app, so that tests may edit it."""
    path: Path = tmp_path_factory.mktemp("ledger")
    shutil.copytree(LEDGER_APP, path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    return path


@pytest.fixture(scope="module")
def ledger(folder: Path) -> Iterator[Instance]:
    with Instance(folder / "app", folder / "state", "--verbose") as instance:
        yield instance


def ask(instance: Instance, text: str) -> dict[str, Any]:
    with connect(instance.websocket_url, open_timeout=TIME_LIMIT_S) as client:
        client.send(text)
        frame: dict[str, Any] = json.loads(client.recv(timeout=TIME_LIMIT_S))
    return frame


def entries(instance: Instance) -> dict[str, Any]:
    with urllib.request.urlopen(f"{instance.rest_url}/entries", timeout=TIME_LIMIT_S) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def pid_of(instance: Instance, kind: str) -> int:
    (pid,) = instance.status()["pids"][kind]
    assert isinstance(pid, int)
    return pid


def test_frame_goes_through_the_queue_into_postgres_and_back(ledger: Instance) -> None:
    assert ask(ledger, "first") == {"text": "first", "answer": "stored"}
    assert "first" in entries(ledger)["entries"]


def test_message_refused_too_often_reaches_the_dead_letter_consumer(ledger: Instance) -> None:
    assert ask(ledger, "refuse") == {"text": "refuse", "answer": "refused"}
    assert "refuse" not in entries(ledger)["entries"]


@pytest.mark.parametrize("kind", ["postgres", "ministack"])
def test_server_that_is_killed_comes_back_on_its_port(ledger: Instance, kind: str) -> None:
    seen = len(ledger.lines)
    os.kill(pid_of(ledger, kind), signal.SIGKILL)
    ledger.line(f"{kind} is back", after=seen)
    assert ask(ledger, f"after {kind}") == {"text": f"after {kind}", "answer": "stored"}


def test_changed_code_is_reloaded_and_broken_code_is_not(ledger: Instance, folder: Path) -> None:
    code = folder / "app" / "app.py"
    original = code.read_text()
    seen = len(ledger.lines)
    code.write_text(original.replace('os.environ["ANSWER"]', '"reloaded"'))
    ledger.line("runtime reloaded", after=seen)
    assert ask(ledger, "second")["answer"] == "reloaded"
    seen = len(ledger.lines)
    code.write_text("def broken(:\n")
    ledger.line("not reloaded", after=seen)
    assert ask(ledger, "third")["answer"] == "reloaded"
    seen = len(ledger.lines)
    code.write_text(original)  # as other tests know it
    ledger.line("runtime reloaded", after=seen)


def test_same_state_directory_twice_is_refused(ledger: Instance, folder: Path) -> None:
    second = Instance(folder / "app", folder / "state")
    assert second.process.wait(TIME_LIMIT_S) == 1
    assert second.stop() == 1
    assert any("is in use by another instance" in line for line in second.lines)
    assert ledger.process.poll() is None


def test_taken_port_is_said_in_one_line(ledger: Instance, tmp_path: Path) -> None:
    second = Instance(LEDGER_APP, tmp_path / "state", port=ledger.port, makes_own_cluster=True)
    assert second.process.wait(TIME_LIMIT_S) == 1
    second.stop()
    expected = (
        f"error: port {ledger.port} on 127.0.0.1 is taken; choose another with --port or CHALICE_OFFLINE_PORT"
    )
    assert second.lines == [expected]
    assert not (tmp_path / "state").exists()


def test_end_of_the_runtime_is_that_of_every_process_and_data_outlives_it(tmp_path: Path) -> None:
    """First the runtime is killed, then stopped after one of its processes was killed."""
    with Instance(LEDGER_APP, tmp_path) as instance:
        assert ask(instance, "kept")["answer"] == "stored"
        before = entries(instance)
        pids = instance.pids()
        assert len(pids) >= 7
        instance.stop(signal.SIGKILL)
        instance.wait(lambda: not [pid for pid in pids if is_running(pid)], "end of all processes")
    with Instance(LEDGER_APP, tmp_path) as instance:
        assert entries(instance) == before == {"entries": ["kept"], "seed": before["seed"]}
        assert ask(instance, "kept too")["answer"] == "stored"
        pids = instance.pids()
        os.kill(pid_of(instance, "ministack"), signal.SIGKILL)
        status = instance.stop(signal.SIGINT)
        # Unless it was started again in time, what its queues held is gone, and the runtime says so.
        assert status == any("the queues could not be saved" in line for line in instance.lines)
        # One that was killed along with the emulator may end a moment after the runtime.
        instance.wait(lambda: not [pid for pid in pids if is_running(pid)], "end of all processes")
        assert not (tmp_path / "status.json").exists()
    with Instance(LEDGER_APP, tmp_path) as instance:
        assert entries(instance) == {"entries": ["kept", "kept too"], "seed": before["seed"]}


def test_app_that_does_not_import_ends_the_start_with_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "app" / ".chalice").mkdir(parents=True)
    (tmp_path / "app" / ".chalice" / "config.json").write_text('{"version": "2.0", "app_name": "x"}')
    (tmp_path / "app" / "app.py").write_text("import no_such_module\n")
    instance = Instance(tmp_path / "app", tmp_path / "state")
    assert instance.process.wait(TIME_LIMIT_S) == 1
    instance.stop()
    assert any("No module named 'no_such_module'" in line for line in instance.lines)


def test_help_names_every_setting_with_its_variable() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "chalice_offline", "start", "--help"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in (
        "CHALICE_OFFLINE_PORT",
        "CHALICE_OFFLINE_HOST",
        "CHALICE_OFFLINE_HOME",
        "DATABASE_URL",
        "AWS_ENDPOINT_URL",
    ):
        assert name in shown
