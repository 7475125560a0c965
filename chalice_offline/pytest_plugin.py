"""A pytest plugin: the fixture ``chalice_offline`` runs the app for a test session.

The app is in ``chalice_offline_app`` of pytest's settings, else in its root directory; the instance has a
free port and a state directory of its own, both gone afterwards.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest

from chalice_offline.asking import Instance

_SETTING: Final = "chalice_offline_app"
_READY: Final = "ready in "
_START_S: Final = 120.0
_STOP_S: Final = 40.0


class FunctionError(Exception):
    """A function failed; ``document`` is Lambda's error document."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__(f"{document.get('errorType')}: {document.get('errorMessage')}")
        self.document = document


class Queue:
    """One of the app's queues."""

    def __init__(self, instance: Instance, name: str) -> None:
        self._instance = instance
        self._name = name

    def send(self, body: str) -> str:
        """Send a message; return its id."""
        return self._instance.send(self._name, body)


class RunningApp:
    """The app while it runs.

    Attributes:
        logs: What instance and functions have printed so far, line by line.
        ws_url, rest_url: Its APIs.
        aws: Variables by which AWS's tools reach the emulator.
    """

    def __init__(self, process: "subprocess.Popen[str]", state_dir: Path) -> None:
        self.logs: list[str] = []
        self.ws_url = self.rest_url = ""
        self.aws: dict[str, str] = {}
        self._process = process
        self._state_dir = state_dir
        self._instance: Instance | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def queue(self, name: str) -> Queue:
        """Return a queue, by its name or its logical id in the template."""
        assert self._instance is not None
        return Queue(self._instance, name)

    def invoke(self, function_name: str, event: Any = None) -> Any:
        """Run a function once; return its result.

        Raises:
            FunctionError: It failed.
        """
        assert self._instance is not None
        answer, is_failure = self._instance.invoke(function_name, json.dumps(event or {}).encode())
        document = json.loads(answer)
        if is_failure:
            raise FunctionError(document)
        return document

    def wait_until_ready(self) -> None:
        """Raises ``RuntimeError``: the app did not start; with what was printed."""
        deadline = time.monotonic() + _START_S
        status_file = self._state_dir / "status.json"
        while not (status_file.exists() and any(line.startswith(_READY) for line in self.logs)):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._reader.join(1)
                raise RuntimeError("the app did not start:\n" + "\n".join(self.logs))
            time.sleep(0.02)
        status = json.loads(status_file.read_text())
        self.ws_url, self.rest_url, self.aws = status["websocket_url"], status["rest_url"], status["aws"]
        self._instance = Instance(self._state_dir)

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.logs.extend(line.rstrip("\n") for line in self._process.stdout)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(_SETTING, "Chalice project that the fixture chalice_offline runs", default=".")


@contextmanager
def running(app_dir: Path) -> Iterator[RunningApp]:
    """Run an app for the length of a block."""
    with TemporaryDirectory(prefix="chalice-offline-") as folder:
        Path(folder).chmod(0o711)  # a managed PostgreSQL may have given up root
        state_dir = Path(folder) / "state"
        options = ["--app", str(app_dir), "--port", "0", "--state-dir", str(state_dir), "--no-reload"]
        process = subprocess.Popen(
            [sys.executable, "-m", "chalice_offline", "start", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        app = RunningApp(process, state_dir)
        try:
            app.wait_until_ready()
            yield app
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            app._reader.join(1)  # noqa: SLF001  # our own class
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture(scope="session")
def chalice_offline(pytestconfig: pytest.Config) -> Iterator[RunningApp]:
    """The app of this project, running."""
    with running((pytestconfig.rootpath / str(pytestconfig.getini(_SETTING))).resolve()) as app:
        yield app
