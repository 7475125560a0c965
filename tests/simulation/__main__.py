"""``python -m tests.simulation --seeds 10000``, or ``--seed N`` to replay one run with its trace."""

import argparse
import logging
import multiprocessing
import sys
from collections.abc import Iterator
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation.run import Outcome, run

FAILURES_MAX = 10


def main() -> int:
    """Run seeds, or one; exit with 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one alone and print its trace")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count(), help="processes")
    given = parser.parse_args()
    _be_quiet()
    console = Console()
    if given.seed is not None:
        return _replay(given.seed, console)
    seeds = range(given.first, given.first + given.seeds)
    failed = list(_failures(seeds, given.jobs, console))
    for outcome in failed:
        _explain(outcome, console)
    console.print(f"{len(seeds)} seeds, {len(failed)} failed")
    return 1 if failed else 0


def outcome_of(seed: int) -> Outcome:
    """Run one seed; the trace of a good run is not worth sending between processes."""
    outcome = run(seed)
    return outcome if outcome.violations else Outcome(seed, outcome.weather, (), ())


def _failures(seeds: range, jobs: int, console: Console) -> Iterator[Outcome]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    context = multiprocessing.get_context("spawn")
    failures = 0
    with (
        Progress(*columns, console=console) as progress,
        context.Pool(jobs, initializer=_be_quiet) as pool,
    ):
        bar = progress.add_task("simulating", total=len(seeds))
        for outcome in pool.imap_unordered(outcome_of, seeds, chunksize=20):
            progress.advance(bar)
            if outcome.violations:
                failures += 1
                progress.update(bar, description=f"simulating, {failures} failed")
                yield outcome
            if failures == FAILURES_MAX:
                return


def _replay(seed: int, console: Console) -> int:
    outcome = run(seed)
    _explain(outcome, console)
    return 1 if outcome.violations else 0


def _explain(outcome: Outcome, console: Console) -> None:
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    for line in outcome.trace:
        say(line)
    say(str(outcome.weather))
    for problem in outcome.violations:
        say(f"VIOLATION: {problem}")
    say(f"replay: python -m tests.simulation --seed {outcome.seed}")


def _be_quiet() -> None:
    logging.disable(logging.CRITICAL)


if __name__ == "__main__":
    sys.exit(main())
