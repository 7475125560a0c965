"""Orders archived a second: ``python -m benchmarks.archiving``, and beside it a commit's:
``python -m benchmarks.archiving COMMIT``.

A record that is filled in bulk, a copy of it for each run, and one run that archives all of it into a folder,
in a process of its own, as a function's environment is. With a commit the two take turns, each in its own
worktree and on a copy of the same database, this tree first in every other pair; the ratio of a pair is what
compares. Both meet the tables and functions of this tree's migrations.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.engine import make_url

from benchmarks.against import worktree
from benchmarks.depth import record_of
from benchmarks.depth_fill import TIME_LIMIT_S
from benchmarks.depth_reads import log_bytes
from benchmarks.environment import environment_lines
from benchmarks.instance import running_instance
from benchmarks.processes import cpu_seconds
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.logs import logger

ORDERS: Final = 30_000
PAIRS: Final = 3
COPY: Final = "archiving_copy"
_TREE: Final = Path(__file__).parents[1]
_SERVER: Final = text("SELECT pg_read_file('postmaster.pid')")

# What all commits since there are archives can do.
_RUN: Final = """
import json, re, sys, time
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.bootstrap.archiving import archive_store, archiver
from chalicelib.logs import logger
logger.setLevel("WARNING")
engine = make_engine(sys.argv[1])
use_case = archiver(engine, archive_store(sys.argv[2], region=""), retention_days=30)
use_case.waiting()
started, cpu = time.perf_counter(), time.process_time()
done = use_case.run()
taken = {"orders": done.orders, "refused": done.refused, "s": time.perf_counter() - started}
print(json.dumps(taken | {
    "cpu_s": time.process_time() - cpu,
    "mib": int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024,
}))
"""


def main() -> None:
    options = _parser().parse_args()
    for line in environment_lines():
        print(line)
    logger.setLevel("WARNING")
    with ExitStack() as stack:
        server = options.server or stack.enter_context(running_instance({})).status["database_url"]
        trees = {"this tree": _TREE}
        if options.commit:
            trees[options.commit] = stack.enter_context(worktree(options.commit))
        stack.enter_context(record_of(server, options.orders, is_kept=options.server is not None))
        measure(server, f"depth_{options.orders}", trees, pairs=options.pairs)


def measure(server: str, filled: str, trees: Mapping[str, Path], *, pairs: int) -> None:
    """Let the trees archive copies of a filled database in turns; print each run, and the medians."""
    print(
        f"{'':>12}{'orders/s':>10}{'ms/order: process':>19}{'server':>8}{'log, bytes':>12}{'MiB at most':>13}"
    )
    runs: dict[str, list[Mapping[str, float]]] = {name: [] for name in trees}
    _archived(server, filled, _TREE)  # a server that has just filled a database still writes it
    for pair in range(pairs):
        for name in list(trees) if pair % 2 == 0 else reversed(list(trees)):
            found = _archived(server, filled, trees[name])
            runs[name].append(found)
            _print(name, found)
    print()
    for name, found_ones in runs.items():
        _print(name, {key: statistics.median(each[key] for each in found_ones) for key in found_ones[0]})
    ours, *theirs = runs.values()
    for others in theirs:
        ratios = [one["rate"] / other["rate"] for one, other in zip(ours, others, strict=True)]
        print(f"of its orders a second: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")


def _archived(server: str, filled: str, tree: Path) -> Mapping[str, float]:
    admin = make_engine(server, time_limit_s=TIME_LIMIT_S)
    run_alone(server, f"DROP DATABASE IF EXISTS {COPY} WITH (FORCE)")
    # The copy itself is not to be written while it is measured.
    run_alone(server, f"CREATE DATABASE {COPY} TEMPLATE {filled}", "CHECKPOINT")
    url = make_url(server).set(database=COPY).render_as_string(hide_password=False)
    with admin.connect() as connection:
        kinds = {"server": [int(str(connection.execute(_SERVER).scalar_one()).split("\n", 1)[0])]}
    log, cpu = log_bytes(admin), cpu_seconds(kinds)["server"]
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-c", _RUN, url, folder]
        ran = subprocess.run(command, cwd=tree, check=True, capture_output=True, text=True)
        kept = sum(path.stat().st_size for path in Path(folder).rglob("*.gz"))
    found: Mapping[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    orders = found["orders"]
    assert orders, "nothing was archived"
    assert not found["refused"]
    measured = {
        "rate": orders / found["s"],
        "process_ms": found["cpu_s"] / orders * 1_000,
        "server_ms": (cpu_seconds(kinds)["server"] - cpu) / orders * 1_000,
        "log": (log_bytes(admin) - log) / orders,
        "mib": found["mib"],
        "kept": kept / orders,
    }
    admin.dispose()
    run_alone(server, f"DROP DATABASE {COPY} WITH (FORCE)")
    return measured


def run_alone(url: str, *statements: str) -> None:
    """Run statements that are no part of a transaction, such as those that make and drop databases."""
    engine = make_engine(url, time_limit_s=TIME_LIMIT_S)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def _print(name: str, found: Mapping[str, float]) -> None:
    print(
        f"{name:>12}{found['rate']:>10,.0f}{found['process_ms']:>19.3f}{found['server_ms']:>8.3f}"
        f"{found['log']:>12,.0f}{found['mib']:>13.0f}{found['kept']:>8.0f} bytes in its archive",
        flush=True,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commit", nargs="?", help="any name that git knows; without one, this tree alone")
    parser.add_argument("--orders", type=int, default=ORDERS)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument(
        "--server", metavar="URL", help="of an owner of databases; what is filled stays there"
    )
    return parser


if __name__ == "__main__":
    main()
