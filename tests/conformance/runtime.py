"""The probe app under the whole local runtime: every function in processes of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.in_process import PROBE_APP

READY_TIME_LIMIT_S = 120.0
_LINE_TO_PASTE = "wscat -c "


@contextmanager
def probe_under_runtime(directory: Path) -> Iterator[str]:
    """Run the probe app; give the address of its WebSocket API.

    Args:
        directory: Where the runtime keeps its state, and the probe its records.
    """
    records, log = directory / "records", directory / "log"
    records.mkdir()
    command = [
        *(sys.executable, "-m", "chalice_offline", "start", "--app", str(PROBE_APP)),
        *("--stage", "local", "--port", "0", "--no-reload"),
    ]
    with (
        log.open("w") as output,
        subprocess.Popen(
            [*command, "--state-dir", str(directory / "state")],
            env={**os.environ, "PROBE_DIR": str(records)},
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield _printed_address(process, log)
        finally:
            process.terminate()


def _printed_address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait for the line to paste, which comes when the runtime is ready; return its address."""
    deadline = time.monotonic() + READY_TIME_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            if line.startswith(_LINE_TO_PASTE):
                return line.removeprefix(_LINE_TO_PASTE)
        time.sleep(0.05)
    raise AssertionError(f"the runtime did not become ready:\n{log.read_text()}")
