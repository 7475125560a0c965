"""``python -m tests.chaos --minutes 3 --seed 1``: the real runtime under load and under fire."""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path
from random import SystemRandom

from rich.console import Console

from chalicelib.config import ChainName
from tests.chaos.run import Chaos, Plan


def main() -> int:
    """Run once; exit with 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="of load, before it gets quiet")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10_000))
    parser.add_argument("--restarts", type=int, help="of the runtime itself; default: one a minute")
    parser.add_argument(
        "--chain", type=ChainName, default=ChainName.SIMULATED, help="or solana: the local one"
    )
    given = parser.parse_args()
    # SQLAlchemy prints a traceback for each connection that a killed Postgres leaves behind.
    logging.disable(logging.CRITICAL)
    console = Console(highlight=False)
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - began:7.1f} s  {text}", markup=False, soft_wrap=True)

    restarts = round(given.minutes) if given.restarts is None else given.restarts
    plan = Plan(given.seed, given.minutes * 60, restarts, chain=given.chain)
    say(f"seed {plan.seed}, {plan.load_s:.0f} s of load, {plan.restarts} restarts of the runtime")
    with tempfile.TemporaryDirectory(prefix="orderflow-chaos-") as folder:
        result = asyncio.run(Chaos(plan, Path(folder), say).run())
    for problem in result.problems:
        say(f"BROKEN: {problem}")
    say(f"{result.orders} orders accepted, {len(result.problems)} promises broken")
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
