"""What an environment prints, line by line."""

import asyncio
from collections.abc import Callable
from typing import Final

from chalice_offline.supervision import tell

# A line without end is cut here: CloudWatch's limit for one log event.
LINE_BYTES_MAX: Final = 262_144


class LineReader(asyncio.Protocol):
    """Calls back with each line, without its line feed; bytes that are not UTF-8 are replaced."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_BYTES_MAX:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._emit(line)

    def connection_lost(self, _error: Exception | None) -> None:
        self._emit(self._rest)
        self._rest = b""
        self.ended.set()

    def _emit(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")
        if text:
            tell("a line of output", self._on_line, text)
