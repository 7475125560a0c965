"""``python -m tests.simulation --seeds 10000``, or ``--seed N`` to replay one run with its trace."""

import argparse
import multiprocessing
import sys
from functools import partial

from rich.console import Console

from tests.simulation.many import be_quiet, failures
from tests.simulation.run import Outcome, run


def main() -> int:
    """Run seeds, or one; exit with 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one alone and print its trace")
    parser.add_argument("--moving", action="store_true", help="the price moves, and orders wait for it")
    parser.add_argument("--nodes", action="store_true", help="nodes that lag, forget and lie show the chain")
    parser.add_argument("--crowded", action="store_true", help="orders come several at a time")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count(), help="processes")
    given = parser.parse_args()
    be_quiet()
    console = Console()
    one = partial(run, is_moving=given.moving, is_on_nodes=given.nodes, is_crowded=given.crowded)
    if given.seed is not None:
        outcome = one(given.seed)
        _explain(outcome, console)
        return 1 if outcome.violations else 0
    seeds = range(given.first, given.first + given.seeds)
    failed = list(failures(seeds, given.jobs, console, one))
    for outcome in failed:
        _explain(outcome, console)
    console.print(f"{len(seeds)} seeds, {len(failed)} failed")
    return 1 if failed else 0


def _explain(outcome: Outcome, console: Console) -> None:
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    for line in outcome.trace:
        say(line)
    say(str(outcome.weather))
    for problem in outcome.violations:
        say(f"VIOLATION: {problem}")
    options = " --moving" * outcome.is_moving + " --nodes" * outcome.is_on_nodes
    options += " --crowded" * outcome.is_crowded
    say(f"replay: python -m tests.simulation{options} --seed {outcome.seed}")


if __name__ == "__main__":
    sys.exit(main())
