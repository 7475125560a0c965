"""``python -m benchmarks.package``: the package's size and what its imports cost, against their budgets.

Import times are of fresh processes that run the unpacked package with its bytecode, as Lambda
does; the interpreter's own start is not in them, since Lambda has done that before the clock of a
cold start. The smallest of several runs
counts: what is above it is the machine's other work.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from benchmarks.environment import take_no_options
from infra.deploy.packaging import SIZE_MAX_BYTES, package

IMPORT_MAX_MS: Final = 250.0
"""For the WebSocket functions; the consumer's is reported."""

RUNS: Final = 7

_TIMED: Final = """
import sys, time
sys.path.insert(0, sys.argv[1])
began = time.perf_counter()
{statement}
print((time.perf_counter() - began) * 1000)
"""
# The consumer's first message wires the record and signs with the wallet; these are its imports.
_CONSUMER: Final = (
    "import app, chalicelib.handlers.queue, chalicelib.adapters.postgres.order_record, botocore.session"
)


def main() -> int:
    """Print the figures; return 1 if one is over its budget."""
    take_no_options(__doc__)
    with tempfile.TemporaryDirectory(prefix="orderflow-benchmark-") as folder:
        built = package(Path("chalice_app"), "dev", Path(folder, "out"))
        unpacked = Path(folder, "unpacked")
        zipfile.ZipFile(built.archive).extractall(unpacked)
        size = built.archive.stat().st_size
        content = sum(entry.file_size for entry in zipfile.ZipFile(built.archive).infolist())
        websocket_ms = _import_ms("import app", unpacked)
        consumer_ms = _import_ms(_CONSUMER, unpacked)
    limit = SIZE_MAX_BYTES / 1e6
    print(
        f"package            {size / 1e6:6.1f} MB zipped ({limit:.0f} at most), {content / 1e6:.1f} unpacked"
    )
    print(f"import, WebSocket  {websocket_ms:6.0f} ms ({IMPORT_MAX_MS:.0f} at most)")
    print(f"import, consumer   {consumer_ms:6.0f} ms")
    return int(size > SIZE_MAX_BYTES or websocket_ms > IMPORT_MAX_MS)


def _import_ms(statement: str, unpacked: Path) -> float:
    command = (sys.executable, "-B", "-c", _TIMED.format(statement=statement), str(unpacked))
    return min(
        float(subprocess.run(command, cwd=unpacked, capture_output=True, text=True, check=True).stdout)
        for _ in range(RUNS)
    )


if __name__ == "__main__":
    sys.exit(main())
