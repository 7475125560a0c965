"""What ``chalice-offline logs`` prints of an instance's log."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chalice_offline.log_file import Entry, LogReader, Printed
from chalice_offline.logs import Look

_POLL_S: Final = 0.1


class NoLogError(RuntimeError):
    """No instance has run there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"no instance has run with {folder.parent}; start one, or name it with --state-dir or --app"
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines, and in which form.

    Attributes:
        sources: Functions, or ``runtime``; empty for all.
        tail: Only so many of the last lines that are there; None for all.
    """

    sources: tuple[str, ...] = ()
    tail: int | None = None
    look: Look = Look()  # noqa: RUF009  # it cannot be changed

    def lines(self, entries: Iterable[Entry]) -> Iterable[str]:
        for source, line, at in entries:
            if not self.sources or source in self.sources:
                yield from self.look.shown(Printed(source, (line,), at))


def print_log(
    folder: Path,
    wanted: Wanted,
    print_line: Callable[[str], None],
    *,
    follows: bool,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Print what is there; then, if it ``follows``, what comes, until ``pause`` raises.

    Raises:
        NoLogError: There is no log, and none is waited for.
    """
    with LogReader(folder) as reader:
        if not reader.exists() and not follows:
            raise NoLogError(folder)
        there = deque(
            (each for part in (reader.earlier(), reader.more()) for each in wanted.lines(part)), wanted.tail
        )
        for line in there:
            print_line(line)
        while follows:
            pause(_POLL_S)
            for line in wanted.lines(reader.more()):
                print_line(line)
