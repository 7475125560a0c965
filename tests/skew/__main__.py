"""``python -m tests.skew [RELEASE]``: functions of an older release and of this tree on one database.

They serve the same clients, from the same queue, under the faults of ``tests.chaos``: both at once, as while
a deployment replaces functions; this tree's alone; both again, and the older alone with what this tree left
in flight, at rest and on record, as after going back; and both once more. In the end an audit and the clients
tell what was lost, doubled or told differently.

RELEASE is one that the changelog names, or any commit since 0.2.0 that git knows. The older functions run
from a worktree of git's, with the packages that are installed here. Two to four minutes.
"""

import argparse
import asyncio
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom
from typing import Final

from rich.console import Console

from benchmarks.against import worktree
from chalicelib.config import ChainName
from tests.chaos.run import Plan
from tests.skew.run import Skew
from tests.skew.stages import stages_from
from tests.support.instance import REPOSITORY, queues_with

RELEASE: Final = "0.4.0"
"""The last one."""

# The first one's heading stood in the changelog before all of it was there.
_COMMITS: Final = {"0.3.0": "494dd010", "0.4.0": "e3b4c703"}
_VISIBILITY_S: Final = 12
_ENVIRONMENT: Final = {
    "LEASE_MS": "6000",
    "QUOTE_LATENCY_MS": "20",
    "SETTLEMENT_LATENCY_MS": "300",
}


def main() -> int:
    """Run once; exit with 1 if a promise was broken, and with 0 and a reason if there is no such commit."""
    given = _parser().parse_args()
    console = Console(highlight=False)
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - began:7.1f} s  {text}", markup=False, soft_wrap=True)

    commit = _commit_of(given.release)
    if commit is None:
        say(f"skipped: git knows no {given.release} here; a shallow clone has only the newest commits")
        return 0
    # SQLAlchemy prints a traceback for each connection that a killed Postgres leaves behind.
    logging.disable(logging.CRITICAL)
    say(f"seed {given.seed}, {given.release} ({commit[:8]}) beside this tree, {given.seconds:.0f} s a stage")
    with (
        tempfile.TemporaryDirectory(prefix="orderflow-skew-") as name,
        worktree(commit) as older,
    ):
        # The managed Postgres gives up root, and then has to reach its data.
        Path(name).chmod(0o711)
        stages, settings = stages_from(older)
        plan = Plan(
            given.seed,
            given.seconds,
            0,
            unclaimed_for_ms=3_000,
            environment={**_ENVIRONMENT, **settings},
            options=("--queues", str(queues_with(Path(name) / "queues.json", visibility_s=_VISIBILITY_S))),
            chain=given.chain,
        )
        run = Skew(plan, Path(name), say, older, stages)
        try:
            result = asyncio.run(run.run())
        finally:
            if given.log:
                given.log.write_text("\n".join(run.lines))
    for problem in result.problems:
        say(f"BROKEN: {problem}")
    say(f"{result.orders} orders accepted, {result.rested} rested, {len(result.problems)} promises broken")
    return 1 if result.problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.skew",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("release", nargs="?", default=RELEASE, help=f"default: {RELEASE}")
    parser.add_argument("--seconds", type=float, default=12.0, help="of each stage; default: 12")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10_000))
    parser.add_argument(
        "--chain", type=ChainName, default=ChainName.SIMULATED, help="or solana: the local one"
    )
    parser.add_argument("--log", type=Path, help="where what the runtime said is kept")
    return parser


def _commit_of(release: str) -> str | None:
    """Return the commit that a name means to git, or that gave a release its name in the changelog."""
    named = _verified(f"v{release}") or _verified(_COMMITS.get(release, release))
    return named or _said(["log", "-1", "--format=%H", f"-S## {release} (", "--", "CHANGELOG.md"])


def _verified(name: str) -> str | None:
    return _said(["rev-parse", "--quiet", "--verify", f"{name}^{{commit}}"])


def _said(command: Sequence[str]) -> str | None:
    done = subprocess.run(
        ["git", "-C", str(REPOSITORY), *command], stdout=subprocess.PIPE, text=True, check=False
    )
    return done.stdout.strip() or None


if __name__ == "__main__":
    sys.exit(main())
