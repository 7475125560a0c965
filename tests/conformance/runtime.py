"""The probe app under the whole local runtime: every function in processes of its own."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.in_process import PROBE_APP


@contextmanager
def probe_under_runtime(directory: Path) -> Iterator[str]:
    """Run the probe app; give the address of its WebSocket API.

    Args:
        directory: Where the runtime keeps its state, and the probe its records.
    """
    records = directory / "records"
    records.mkdir()
    command = [sys.executable, "-m", "infra.local", "--app", str(PROBE_APP), "--port", "0", "--no-reload"]
    with subprocess.Popen(
        [*command, "--state-dir", str(directory / "state")],
        env={**os.environ, "PROBE_DIR": str(records)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        output = iter(process.stdout.readline, "")
        seen: list[str] = []
        try:
            for line in output:
                seen.append(line)
                if line.startswith("wscat -c "):
                    break
            assert seen, "the runtime printed nothing"
            assert seen[-1].startswith("wscat -c "), "".join(seen)
            # Somebody must read on, or the runtime blocks on a full pipe.
            threading.Thread(target=lambda: [None for _ in output], daemon=True).start()
            yield seen[-1].removeprefix("wscat -c ").strip()
        finally:
            process.terminate()
