"""Folders in memory for what PostgreSQL writes in a run: nine of ten bytes of it, which nothing reads later.

A disk costs processor time as well: a database from a template takes 70 to 130 ms of it there and 11 in
memory, and each commit of an instance, whose server keeps fsync on, waits for the disk's own.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # the very place is meant
_PREFIX: Final = "orderflow-test-postgres-"
# All tests take up to two and a half gigabytes; a container has 64 MB there unless it is given more.
_ROOM_BYTES: Final = 6 * 2**30
# Between making a folder and locking it lies less than that.
_NEW_S: Final = 60


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Make an empty folder, where there is no room in memory among the temporary files; remove it at the end.

    It is locked as long as its maker runs.
    """
    _remove_left_behind()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_MEMORY if _has_room() else None))
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(lock)


def is_in_memory(path: str) -> bool:
    return Path(path).is_relative_to(_MEMORY)


def _has_room() -> bool:
    try:
        there = os.statvfs(_MEMORY)
        known = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    except OSError:
        return False
    available = int(known["MemAvailable"].split()[0]) * 1024
    return min(there.f_bavail * there.f_frsize, available) >= _ROOM_BYTES


def _remove_left_behind() -> None:
    """Remove what runs left that were killed: it would take memory until the machine is restarted."""
    for folder in _MEMORY.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another process is removing it, or it is in use, or another user's
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - folder.stat().st_ctime > _NEW_S:
                    shutil.rmtree(folder)
            finally:
                os.close(lock)
