"""The log as an instance keeps it: what ``chalice-offline logs`` reads, while it runs and afterwards.

One line of text each: milliseconds since 1970, source (none for the banner), and the line as it came, with
tabs between. Of two files each has at most ``BYTES_MAX``, and a little: a full one becomes the older one.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final, NamedTuple, Self

from chalice_offline.state_dir import open_private

BYTES_MAX: Final = 10_000_000
_NAME: Final = "app.log"
_OLDER: Final = "app.log.1"


class Entry(NamedTuple):
    """A line; ``source`` is a function's name, ``runtime``, or None for what is printed as it is."""

    source: str | None
    line: str
    at: datetime


class Printed(NamedTuple):
    """Lines that came at once; ``source`` as in ``Entry``."""

    source: str | None
    lines: Sequence[str]
    at: datetime


class LogFile:
    """What one instance appends to. Raises ``OSError`` when there is no room; later writes may succeed."""

    def __init__(self, folder: Path, *, bytes_max: int = BYTES_MAX) -> None:
        self._path = folder / _NAME
        self._older = folder / _OLDER
        self._bytes_max = bytes_max
        self._descriptor = open_private(self._path)
        self._is_cut_off = False

    def append(self, printed: Iterable[Printed]) -> None:
        """Write lines in one piece."""
        if os.fstat(self._descriptor).st_size >= self._bytes_max:
            self._path.replace(self._older)
            os.close(self._descriptor)
            self._descriptor = open_private(self._path)
        text = "".join(["\n" if self._is_cut_off else "", *map(_text, printed)])
        content = text.encode("utf-8", "backslashreplace")
        # A disk that fills up takes a part, and says so.
        self._is_cut_off = os.write(self._descriptor, content) < len(content)

    def close(self) -> None:
        os.close(self._descriptor)


class LogReader:
    """Reads what is in the files, then what has been added since the last time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._older = folder / _OLDER
        self._file: IO[bytes] | None = None
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def exists(self) -> bool:
        return self._path.exists()

    def earlier(self) -> Iterator[Entry]:
        """Yield what the older file has; what follows is in ``more``, whatever becomes of the files now."""
        self._open()
        if self._older.exists():
            with self._older.open("rb") as file:
                yield from _entries(file)

    def more(self) -> Iterator[Entry]:
        """Yield what was not there the last time; nothing is lost when the file becomes the older one."""
        self._open()
        if self._file is None:
            return
        yield from self._added(self._file)
        if self._has_moved_on(self._file):
            yield from self._added(self._file)
            self._file.close()
            self._file, self._rest = None, b""
            yield from self.more()

    def _open(self) -> None:
        if self._file is None and self._path.exists():
            self._file = self._path.open("rb")

    def _added(self, file: IO[bytes]) -> Iterator[Entry]:
        *lines, self._rest = (self._rest + file.read()).split(b"\n")
        yield from _entries(lines)

    def _has_moved_on(self, file: IO[bytes]) -> bool:
        try:
            return os.fstat(file.fileno()).st_ino != self._path.stat().st_ino
        except FileNotFoundError:
            return False


def _text(printed: Printed) -> str:
    head = f"{int(printed.at.timestamp() * 1000)}\t{printed.source or ''}\t"
    return "".join([head, f"\n{head}".join(printed.lines), "\n"])


def _entries(lines: Iterable[bytes]) -> Iterator[Entry]:
    """Yield the entries in lines; what is none, as after a full disk, is left out."""
    for line in lines:
        at_ms, _, rest = line.decode("utf-8", "replace").rstrip("\n").partition("\t")
        source, separator, text = rest.partition("\t")
        if separator and at_ms.isdigit():
            yield Entry(source or None, text, datetime.fromtimestamp(int(at_ms) / 1000, UTC))
