"""Ports that a runtime has chosen for programs which listen later: other runtimes pass them over meanwhile.

Whether a port is free can be asked, but between the answer and the moment at which a program listens there
may be seconds. Two runtimes that start together would choose the same port, and the one whose program came
second would take the first one's answers for its own program's.
"""

import fcntl
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

_RUNTIMES: Final = "chalice-offline"


class PortClaims:
    """A lock on a file for each port, which goes with the process, however it ends.

    It is between the runtimes of one user: another user's are asked only whether they listen already.
    """

    def __init__(self, parent: Path | None = None, *, kind: str = _RUNTIMES) -> None:
        """Claim among those of a kind alone.

        Args:
            parent: The folder for temporary files unless one is given.
        """
        self._folder = (parent or Path(tempfile.gettempdir())) / f"{kind}-{os.getuid()}-ports"
        self._held: dict[Path, int] = {}

    def claim(self, first: int, count: int) -> bool:
        """Claim so many ports in a row; return whether all of them are ours now, else none is."""
        if not self._has_folder():
            return True
        paths = [self._folder / str(port) for port in range(first, first + count)]
        for place, path in enumerate(paths):
            if not self._lock(path):
                self._release(paths[:place])
                return False
        return True

    def release(self) -> None:
        """Give up all that are held."""
        self._release(list(self._held))

    def _has_folder(self) -> bool:
        """Return whether there is a folder that no other user can have made for us."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self._folder.lstat()
        except OSError:
            return False
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()

    def _lock(self, path: Path) -> bool:
        if path in self._held:
            return False
        while True:
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            except FileNotFoundError:
                # Another runtime gave up the last of its claims, and the folder with it.
                self._folder.mkdir(mode=0o700, exist_ok=True)
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            if _is_still(path, descriptor):
                self._held[path] = descriptor
                return True
            # Its holder removed the file between our two calls.
            os.close(descriptor)

    def _release(self, paths: list[Path]) -> None:
        for path in paths:
            descriptor = self._held.pop(path)
            path.unlink(missing_ok=True)
            os.close(descriptor)
        if paths and not self._held:
            self._clear()
        with suppress(OSError):
            self._folder.rmdir()

    def _clear(self) -> None:
        """Remove what was left by runtimes that were killed: files that no process has a lock on."""
        with suppress(OSError):
            for path in self._folder.iterdir():
                if self._lock(path):
                    os.close(self._held.pop(path))
                    path.unlink()


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
