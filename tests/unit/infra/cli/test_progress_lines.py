from collections.abc import Iterator
from io import StringIO

from rich.console import Console

from infra.cli.progress_lines import EVERY_S, ProgressLines


def lines_of(*at_s: float) -> list[str]:
    """Return what is said of a task that does a hundred at each of these moments."""
    told = StringIO()
    clock: Iterator[float] = iter((0.0, *at_s))
    with ProgressLines(Console(file=told), seconds=lambda: next(clock)) as progress:
        task = progress.add_task("Archiving", total=1_000)
        for _ in at_s:
            progress.advance(task, 100)
    return told.getvalue().splitlines()


def test_task_that_takes_long_says_now_and_then_how_far_it_is() -> None:
    assert lines_of(1, EVERY_S, EVERY_S + 1, 3 * EVERY_S) == [
        "Archiving: 200 of 1000",
        "Archiving: 400 of 1000",
    ]


def test_task_that_is_done_soon_says_nothing() -> None:
    assert lines_of(1, 2, EVERY_S - 1) == []


def test_task_of_unknown_length_says_what_is_done() -> None:
    told = StringIO()
    clock = iter((0.0, EVERY_S))
    with ProgressLines(Console(file=told), seconds=lambda: next(clock)) as progress:
        progress.update(progress.add_task("Looking", total=None), completed=7)
    assert told.getvalue() == "Looking: 7\n"
