"""Many seeds on every core, with a progress bar."""

import logging
import multiprocessing
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation.run import Outcome

FAILURES_MAX: Final = 10
"""The first few tell the story."""


def failures(
    seeds: range, jobs: int, console: Console, outcome_of: Callable[[int], Outcome]
) -> Iterator[Outcome]:
    """Yield the runs that broke a promise, as they are found."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    context = multiprocessing.get_context("spawn")
    found = 0
    with Progress(*columns, console=console) as progress, context.Pool(jobs, initializer=be_quiet) as pool:
        bar = progress.add_task("Simulating", total=len(seeds))
        one = partial(_told, outcome_of)
        for outcome in pool.imap_unordered(one, seeds, chunksize=20):
            progress.advance(bar)
            if outcome.violations:
                found += 1
                progress.update(bar, description=f"Simulating, {found} failed")
                yield outcome
            if found == FAILURES_MAX:
                return


def _told(outcome_of: Callable[[int], Outcome], seed: int) -> Outcome:
    """Run one seed; the trace of a good run is not worth sending between processes."""
    outcome = outcome_of(seed)
    return outcome if outcome.violations else Outcome(seed, outcome.weather, (), [])


def be_quiet() -> None:
    """Silence the services' own log lines: each run has its trace."""
    logging.disable(logging.CRITICAL)
