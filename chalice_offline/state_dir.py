"""The directory in which an instance keeps its data: one runtime at a time, and no other user looks in.

It is 0700, what lies directly in it 0600: what users sent is in its logs and
queues, addresses with passwords in its status.
"""

import fcntl
import json
import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

_SECRET_BYTES: Final = 32
_INVOKE: Final = "AWS_ENDPOINT_URL_LAMBDA"
# All that an instance writes into its directory, by the first part of its path.
_NAMES: Final = (
    *("lock", "secrets.json", "status.json", "aws.env", "children.", "ports.json", ".gitignore"),
    *("streams.json", "logs", "postgres", "ministack", "tmp", "cloud", "companions"),
)


class StateDirInUseError(RuntimeError):
    """Another runtime holds the directory."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is in use by another instance; stop that one, "
            "or choose another directory with --state-dir"
        )


class StateDirUnwritableError(RuntimeError):
    """The directory cannot be written to: a read-only checkout, another user's, a full disk."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"cannot write to {path} ({error.strerror}); choose another directory with --state-dir"
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
            StateDirUnwritableError: It cannot be written to.
        """
        try:
            self._acquire()
        except OSError as error:
            raise StateDirUnwritableError(self.path, error) from error

    def _acquire(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._close_to_others()
        lock = os.fdopen(open_private(self.path / "lock"), "a", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StateDirInUseError(self.path) from None
        self._lock = lock
        # One that was killed left its own, whose ports may be another program's by now.
        self.clear_status()
        self._keep_out_of_git()

    def release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def folder(self, name: str) -> Path:
        path = self.path / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def _keep_out_of_git(self) -> None:
        """Have Git ignore the directory, which may lie in a project, unless it holds other things too."""
        note = self.path / ".gitignore"
        if not note.exists() and all(entry.name.startswith(_NAMES) for entry in self.path.iterdir()):
            write_private(note, "*\n")

    def _close_to_others(self) -> None:
        """Tighten what an earlier release, or a hand, left open;
        a directory that holds other things too stays.
        """
        entries = list(self.path.iterdir())
        if all(entry.name.startswith(_NAMES) for entry in entries):
            self.path.chmod(0o700)
        ours = [entry for entry in entries if entry.name.startswith(_NAMES)]
        logs = self.path / "logs"
        for entry in [*ours, *(logs.iterdir() if logs.is_dir() else ())]:
            # The database's folder may be another user's.
            if not entry.is_symlink() and entry.stat().st_uid == os.geteuid():
                entry.chmod(0o700 if entry.is_dir() else 0o600)

    def secret(self, name: str) -> str:
        """Return the secret of that name, generated (32 random bytes, URL-safe) when first asked for."""
        path = self.path / "secrets.json"
        stored: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        if name not in stored:
            stored[name] = secrets.token_urlsafe(_SECRET_BYTES)
            write_private(path, json.dumps(stored, indent=1))
        return stored[name]

    def kept_port(self, name: str) -> int:
        """Return the port that a service had in the last run, 0 if it had none."""
        try:
            return int(json.loads((self.path / "ports.json").read_text())[name])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def keep_port(self, name: str, port: int) -> None:
        """Note a service's port for the next run, so that addresses given to other tools stay right."""
        if self.kept_port(name) != port:
            path = self.path / "ports.json"
            try:
                kept = dict(json.loads(path.read_text()))
            except (OSError, ValueError, TypeError):
                kept = {}
            write_private(path, json.dumps({**kept, name: port}))

    def emulator_credentials(self) -> dict[str, str]:
        """Return what the managed emulator knows its callers by, as environment variables;
        the same in every run.
        """
        return {
            name: self.secret(f"EMULATOR_{name}") for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        }

    def write_status(self, status: Mapping[str, Any]) -> None:
        """Publish pids, ports and addresses for tools, and for a shell to read ``aws`` of the status and
        where the app's functions are invoked: at the gateway, if there is one, not at the emulator.

        Private: the database address holds a password.
        """
        write_private(self.path / "status.json", json.dumps(status, indent=1))
        if status.get("aws"):
            exported = {**status["aws"], **({_INVOKE: status["url"]} if "url" in status else {})}
            lines = [f"export {name}={shlex.quote(value)}\n" for name, value in exported.items()]
            unset = f"unset AWS_PROFILE AWS_SESSION_TOKEN {_INVOKE}\n"
            write_private(self.path / "aws.env", "".join([unset, *lines]))

    @property
    def aws_env_command(self) -> str:
        """The shell command that reads ``aws.env``, to be pasted."""
        return f". {shlex.quote(str(self.path / 'aws.env'))}"

    def clear_status(self) -> None:
        for name in ("status.json", "aws.env"):
            (self.path / name).unlink(missing_ok=True)


def open_private(path: Path) -> int:
    """Return a descriptor that appends to a file, made with mode 0600 if there is none."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def is_state(path: Path, state_dir: Path, app_dir: Path) -> bool:
    """Return whether a file of the project is an instance's own.

    A state directory may lie in the project; where the project lies in
    it, only what an instance writes there counts.
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
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        # Of a full disk it says nothing about where, as an open that fails does.
        error.filename = str(draft)
        raise
    draft.replace(path)
