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
        whole, feed, self._rest = (self._rest + data).rpartition(b"\n")
        if feed:
            self._emit(whole)
        if len(self._rest) > LINE_BYTES_MAX:
            self._emit(self._rest)
            self._rest = b""

    def connection_lost(self, _error: Exception | None) -> None:
        self._emit(self._rest)
        self._rest = b""
        self.ended.set()

    def _emit(self, lines: bytes) -> None:
        # No line feed is a part of another character, so that they can be decoded together.
        text = lines.decode("utf-8", "replace")
        texts = text.split("\n") if "\r" not in text else [line.rstrip("\r") for line in text.split("\n")]
        if printed := [*filter(None, texts)]:
            tell("lines of output", self._on_lines, printed)
