"""Room on the disk that is kept for what has to be written when the disk is full."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from chalice_offline.state_dir import open_private

_MEBIBYTE: Final = 1024 * 1024
# A file system that compresses has no blocks for zeros.
_CHUNK: Final = os.urandom(_MEBIBYTE)


class Reserve:
    """A file that takes up room until it goes. The first program that writes then has the room."""

    def __init__(self, path: Path, *, mebibytes: int) -> None:
        self._path = path
        self._mebibytes = mebibytes

    def take(self) -> None:
        """Take up the room, or half of what there is: others have to write, too.

        What one that was killed has left is kept, for others might be faster.
        """
        with suppress(OSError), os.fdopen(open_private(self._path), "ab", buffering=0) as file:
            missing = self._mebibytes - os.fstat(file.fileno()).st_size // _MEBIBYTE
            free = shutil.disk_usage(self._path.parent).free // _MEBIBYTE
            for _ in range(min(missing, free // 2)):
                file.write(_CHUNK)

    def give(self) -> None:
        """Let it go."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
