"""Ending a long command between two of its steps."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import click

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether a command is to end.

    Attributes:
        signal: What asked for it, None while nothing has.
    """

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def is_wanted(self) -> bool:
        return self.signal is not None

    @property
    def exit_status(self) -> int:
        """As a shell has it of what a signal ended."""
        return 128 + (self.signal or 0)


@contextmanager
def stopping(step: str) -> Iterator[Stop]:
    """Let Ctrl-C and SIGTERM end the command after its step; a second one ends it at once, as elsewhere.

    Args:
        step: What is ended first, for the line that says so.
    """
    stop = Stop()

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.signal = number
        restore()
        click.echo(f"Stopping after {step}; once more stops at once", err=True)

    def restore() -> None:
        for each, usual in before.items():
            signal.signal(each, usual)

    before = {each: signal.signal(each, ask) for each in SIGNALS}
    try:
        yield stop
    finally:
        restore()
