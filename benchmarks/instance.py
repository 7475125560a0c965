"""A local runtime of its own for one benchmark, with the production settings of ``make run``."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

_REPOSITORY: Final = Path(__file__).parents[1]
_START_TIME_LIMIT_S: Final = 90
_STOP_TIME_LIMIT_S: Final = 30
_NO_LIMITS: Final = dict.fromkeys(
    ("ORDERS_PER_SECOND_MAX", "ORDERS_BURST_MAX", "OPEN_ORDERS_MAX", "CONNECTIONS_MAX"), "1000000"
)
"""One account is the whole load here, and must not meet the limits that keep accounts fair to each other."""
# Whatever the shell sets must not redirect the instance.
_NOT_INHERITED: Final = frozenset({"DATABASE_URL", "AWS_ENDPOINT_URL", "ORDERFLOW_HOME", "ORDERFLOW_PORT"})


@dataclass(frozen=True, slots=True)
class Instance:
    """A runtime that answers.

    Attributes:
        status: What it publishes about itself: addresses and process ids.
    """

    state_dir: Path

    @property
    def status(self) -> Mapping[str, Any]:
        published: Mapping[str, Any] = json.loads((self.state_dir / "status.json").read_text())
        return published

    @property
    def port(self) -> int:
        return int(self.status["port"])

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"


@contextmanager
def running_instance(
    environment: Mapping[str, str], tree: Path = _REPOSITORY, *, niceness: int = 0
) -> Iterator[Instance]:
    """Start an instance of a source tree with empty state; end it and remove the state afterwards.

    ``niceness``: by how much all of it gives way to this process.

    Raises:
        RuntimeError: It did not become ready; with the end of its output.
    """
    with TemporaryDirectory(prefix="orderflow-bench-") as folder:
        # The managed Postgres gives up root, and then has to reach its data.
        Path(folder).chmod(0o711)
        state_dir, log_path = Path(folder) / "state", Path(folder) / "log"
        kept = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        command = ["--no-reload", "--port", "0", "--state-dir", str(state_dir)]
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                ["nice", "-n", str(niceness), sys.executable, "-m", *_program(tree), *command],
                cwd=tree,
                env={**kept, **_NO_LIMITS, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            _wait_until_ready(process, log_path)
            yield Instance(state_dir)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_STOP_TIME_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _program(tree: Path) -> tuple[str, ...]:
    """Return what starts the runtime of a tree; commits before the runner had another name for it."""
    return (
        ("infra.local", "--app", "chalice_app") if (tree / "infra/local").is_dir() else ("infra.run", "start")
    )


def _wait_until_ready(process: "subprocess.Popen[bytes]", log_path: Path) -> None:
    deadline = time.monotonic() + _START_TIME_LIMIT_S
    while not any(line.startswith("ready") for line in log_path.read_text().splitlines()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the runtime did not start:\n{log_path.read_text()[-2000:]}")
        select.select([], [], [], 0.1)
