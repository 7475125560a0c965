"""What an environment prints, in lines."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from chalice_offline.supervision import tell

# A line without end is cut here: CloudWatch's limit for one log event.
LINE_BYTES_MAX: Final = 262_144


class LineReader(asyncio.Protocol):
    """Calls back with lines as they come, without their line feeds; bytes that are not UTF-8 are replaced."""

    def __init__(self, on_lines: Callable[[Sequence[str]], None]) -> None:
        self._on_lines = on_lines
        self._rest = b""
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_BYTES_MAX:
            lines.append(self._rest)
            self._rest = b""
        self._emit(lines)

    def connection_lost(self, _error: Exception | None) -> None:
        self._emit([self._rest])
        self._rest = b""
        self.ended.set()

    def _emit(self, lines: Sequence[bytes]) -> None:
        texts = [text for line in lines if (text := line.decode("utf-8", "replace").rstrip("\r"))]
        if texts:
            tell("lines of output", self._on_lines, texts)
