"""Archives in a folder, which is where a laptop keeps them."""

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from chalicelib.domain.errors import RetryableError


class FolderArchiveStore:
    """``ArchiveStore`` in a folder; it is made when the first archive is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, place: str, content: bytes) -> None:
        path = self._folder / place
        half = path.with_name(f".{path.name}.{uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with half.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            half.rename(path)
            _keep_names(path.parent)
        except OSError as error:
            with suppress(OSError):
                half.unlink()
            raise RetryableError(f"{path} cannot be written: {error.strerror}") from error

    def get(self, place: str) -> bytes | None:
        try:
            return (self._folder / place).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RetryableError(f"{self._folder / place} cannot be read: {error.strerror}") from error


def _keep_names(folder: Path) -> None:
    """Have the folder's own entries on disk: a file without its name is lost too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
