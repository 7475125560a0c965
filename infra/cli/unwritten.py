"""Standard output of a command, which tells that it takes no more apart from what the command has found."""

import io
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

import click
from click.exceptions import Exit

READER_LEFT: Final = 128 + signal.SIGPIPE
"""The exit status once the reader of a pipe has left, as shells have it."""


class UnwrittenError(click.ClickException):
    """What the answer goes to takes no more, as a full disk does."""

    exit_code = os.EX_IOERR


class AnswerStream(io.TextIOWrapper):
    """A stream that raises what click ends a command by, and no ``OSError``, which may be any file's."""

    def write(self, text: str, /) -> int:
        with self._telling():
            return super().write(text)

    def flush(self) -> None:
        with self._telling():
            super().flush()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # What is left would fail once more as the interpreter ends.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if isinstance(error, BrokenPipeError):
                raise Exit(READER_LEFT) from error
            raise UnwrittenError(f"the answer cannot be written: {error.strerror}") from error


def answer_stream(stream: TextIO) -> TextIO:
    """Return a stream that takes the place of standard output.

    What a terminal's encoding lacks is shown by its number: an order is not failed for an arrow.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    encoding, lines = stream.encoding, stream.line_buffering
    return AnswerStream(stream.detach(), encoding=encoding, errors="backslashreplace", line_buffering=lines)
