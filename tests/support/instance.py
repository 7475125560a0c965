"""A local runtime in a process of its own, as ``chalice-offline start`` starts it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from tests.support.cluster import give_cluster
from tests.support.ports import free_port

REPOSITORY: Final = Path(__file__).parents[2]
TIME_LIMIT_S: Final = 120.0
"""Ends a run that hangs. It says nothing of how fast anything has to be: a busy machine takes a minute."""

Found = TypeVar("Found")


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes_of(state_dir: Path) -> list[int]:
    """Every process that names the state directory: in its arguments or its environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            named = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(state_dir) in named and is_running(int(folder.name)):
            found.append(int(folder.name))
    return found


def queues_with(path: Path, *, visibility_s: int) -> Path:
    """Write the deployment's queues, but with the messages of a killed consumer back sooner."""
    template = json.loads((REPOSITORY / "infra/deploy/queues.json").read_text())
    template["Resources"]["OrdersQueue"]["Properties"]["VisibilityTimeout"] = visibility_s
    path.write_text(json.dumps(template))
    return path


class Instance:
    """Started on entry, stopped on exit, with nothing left running. Output is kept and can be waited for."""

    def __init__(
        self,
        app_dir: Path,
        state_dir: Path,
        *options: str,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        program: str = "chalice_offline",
        makes_own_cluster: bool = False,
    ) -> None:
        self.port = port or free_port()
        self.state_dir = state_dir
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._has_ended = False
        command = ["--app", str(app_dir), "--port", str(self.port), "--state-dir", str(state_dir), *options]
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DATABASE_URL", "AWS_ENDPOINT_URL"}
        }
        if "--no-reload" not in options:
            # Bytecode names its source by size and second: of two edits in one second, the first would stay.
            kept["PYTHONDONTWRITEBYTECODE"] = "1"
        if not makes_own_cluster:
            give_cluster(state_dir, is_migrated=program == "infra.run")
        self.process = subprocess.Popen(
            [sys.executable, "-m", program, "start", *command],
            cwd=REPOSITORY,
            env={**kept, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        try:
            self.line("ready in")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is not None:
            # pytest shows it with the failure: an answer of 500 says only that the log has the reason.
            print("\n".join(self.lines))

    @property
    def websocket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def line(self, text: str, *, after: int = 0) -> str:
        """Wait for a line of output with that text, among those after the first so many."""

        def found() -> str | None:
            line = next((line for line in self.lines[after:] if text in line), None)
            assert line or not self._has_ended, f"ended without {text!r}; output:\n" + "\n".join(self.lines)
            return line

        return self.wait(found, text)

    def wait(self, found: Callable[[], Found | None], what: str) -> Found:
        """Wait until ``found`` returns something, asked again at each line of output and every 50 ms."""
        with self._changed:
            waited_s = 0.0
            while not (result := found()) and waited_s < TIME_LIMIT_S:
                self._changed.wait(0.05)
                waited_s += 0.05
        assert result, f"no {what!r}; output:\n" + "\n".join(self.lines)
        return result

    def status(self) -> dict[str, Any]:
        return self.wait(self._read_status, "status")

    def pids(self) -> set[int]:
        """Return every process of the instance but its own."""

        def flat(value: Any) -> list[int]:
            return (
                [value] if isinstance(value, int) else [pid for inner in values(value) for pid in flat(inner)]
            )

        def values(value: Any) -> list[Any]:
            return list(value.values()) if isinstance(value, dict) else value

        return set(flat(self.status()["pids"]))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, wait for the end; return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(TIME_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._reader.join(TIME_LIMIT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def _read_status(self) -> dict[str, Any] | None:
        try:
            status: dict[str, Any] = json.loads((self.state_dir / "status.json").read_text())
        except FileNotFoundError:
            return None
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()
