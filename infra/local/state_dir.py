"""The directory in which an instance keeps its data: one runtime at a time, secrets for their owner only."""

import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

_SECRET_BYTES: Final = 32
# All that an instance writes into its directory, by the first part of its path.
_NAMES: Final = ("lock", "secrets.json", "status.json", "children.", "logs", "postgres", "ministack", "tmp")


class StateDirInUseError(RuntimeError):
    """Another runtime holds the directory."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is in use by another instance; stop that one, or choose another directory with --state-dir"
        )


class StateDir:
    """One instance's data. ``acquire`` before use; the lock goes with the process, however it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: IO[str] | None = None

    def acquire(self) -> None:
        """Create the directory and take its lock.

        Raises:
            StateDirInUseError: Another live process has it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = (self.path / "lock").open("a", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StateDirInUseError(self.path) from None
        self._lock = lock

    def release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def folder(self, name: str) -> Path:
        path = self.path / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def secret(self, name: str) -> str:
        """Return the secret of that name, generated (32 random bytes, URL-safe) when first asked for."""
        path = self.path / "secrets.json"
        stored: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        if name not in stored:
            stored[name] = secrets.token_urlsafe(_SECRET_BYTES)
            write_private(path, json.dumps(stored, indent=1))
        return stored[name]

    def write_status(self, status: Mapping[str, Any]) -> None:
        """Publish pids, ports and addresses for tools. Private: the database address holds a password."""
        write_private(self.path / "status.json", json.dumps(status, indent=1))

    def clear_status(self) -> None:
        (self.path / "status.json").unlink(missing_ok=True)


def is_state(path: Path, state_dir: Path, app_dir: Path) -> bool:
    """Return whether a file of the project is an instance's own.

    A state directory may lie in the project; where the project lies in it, only what an instance writes there counts.
    """
    for folder in {state_dir, state_dir.resolve()}:
        if path.is_relative_to(folder):
            return not app_dir.is_relative_to(folder) or path.relative_to(folder).parts[0].startswith(_NAMES)
    return False


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, with mode 0600 from its first byte."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
