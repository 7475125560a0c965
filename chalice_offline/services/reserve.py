"""Room on the disk that is kept for what has to be written when the disk is full."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from chalice_offline.state_dir import open_private

_CHUNK: Final = bytes(1024 * 1024)


class Reserve:
    """A file that takes up room until it goes. The first program that writes then has the room."""

    def __init__(self, path: Path, *, mebibytes: int) -> None:
        self._path = path
        self._mebibytes = mebibytes

    def take(self) -> None:
        """Take up the room, or as much of it as there is."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
            with os.fdopen(open_private(self._path), "wb", buffering=0) as file:
                for _ in range(self._mebibytes):
                    file.write(_CHUNK)

    def give(self) -> None:
        """Let it go."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
