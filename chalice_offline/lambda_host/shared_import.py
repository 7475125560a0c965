"""Import an app once, for all environments that are forked afterwards, or say why they cannot share it.

It is what Lambda's SnapStart does with one function: environments begin where one initialisation ended, with
its modules and their state. A fork carries memory, and neither threads nor connections; and what was read
from variables that differ by function would be one function's for all. So whatever an import leaves of these
is a reason to let each environment import the app by itself. It stands alone, like the bootstrap.
"""

import importlib
import os
import stat
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

TMP = "/tmp"  # noqa: S108  # the directory itself is meant


class Imported(NamedTuple):
    """What environments take over beside the process's memory.

    Attributes:
        log: The root logger's handler, which knew nothing of an invocation yet.
        variables: What the import made of the environment's variables; None has been removed.
        folder: Where it left the process.
    """

    log: Any
    variables: dict[str, str | None]
    folder: str


class NotShareableError(Exception):
    """Environments have to import the app by themselves; why."""


def import_once(
    bootstrap: Any, task_root: str, modules: Collection[str], watched: Collection[str]
) -> Imported:
    """Import modules as environments would.

    Args:
        watched: Variables whose values differ from function to function, so that none has one here.

    Raises:
        NotShareableError: They do not import, or leave what no fork carries; the app's own hooks, which run
            before that is looked at, can close it.
    """
    variables, descriptors = dict(os.environ), _descriptors()
    tmp = _entries(TMP)
    try:
        with _watching([*watched, "TMPDIR"] if _has_folder_of_its_own() else watched) as read:
            log = bootstrap.ready_to_import(task_root)
            bootstrap.redirect_callbacks()
            for name in modules:
                importlib.import_module(name)
            _before_snapshot()
    except (Exception, SystemExit) as error:
        raise NotShareableError(f"{type(error).__name__}: {error}") from error
    reasons = [
        *(f"{name}, which differs from function to function, is read" for name in sorted(read)),
        *_threads(),
        *_children(),
        *(_opened(descriptor) for descriptor in sorted(_descriptors() - descriptors)),
        # Environments have one each, which would lack it.
        *(f"{TMP}/{name} is written" for name in sorted(_entries(TMP) - tmp) if _has_private_tmp()),
    ]
    if reasons:
        raise NotShareableError("; ".join(reasons))
    now = dict(os.environ)
    changes = {name: now.get(name) for name in variables | now if now.get(name) != variables.get(name)}
    return Imported(log, changes, os.getcwd())  # noqa: PTH109  # pathlib would be a cold-start cost


class _Watched(dict[bytes, bytes]):
    """The data below ``os.environ``; notes who asks for names that must not matter."""

    def __init__(self, data: dict[bytes, bytes], names: Collection[str]) -> None:
        super().__init__(data)
        self._names = {os.fsencode(name) for name in names}
        self.read: set[str] = set()

    def __getitem__(self, name: bytes) -> bytes:
        if name in self._names:
            self.read.add(os.fsdecode(name))
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[bytes]:
        # A copy of all variables lacks these, and may be asked for them later.
        self.read |= {os.fsdecode(name) for name in self._names}
        return super().__iter__()


@contextmanager
def _watching(names: Collection[str]) -> Iterator[set[str]]:
    """Yield the names that are read meanwhile, by whatever way Python has."""
    environ: Any = os.environ
    in_bytes: Any = os.environb
    watched = _Watched(environ._data, names)  # noqa: SLF001  # no public way, and one dictionary for both
    environ._data = in_bytes._data = watched  # noqa: SLF001  # as above
    try:
        yield watched.read
    finally:
        environ._data = in_bytes._data = dict(watched.items())  # noqa: SLF001  # as above


def _before_snapshot() -> None:
    """Run what the app has registered for this moment, the last first
    (``awslambdaric/lambda_runtime_hooks_runner.py``; ``bootstrap.restored`` is its other half).
    """
    hooks = sys.modules.get("snapshot_restore_py")
    registered = hooks.get_before_snapshot() if hooks is not None else []
    while registered:
        function, arguments, named = registered.pop()
        function(*arguments, **named)


def _threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if names:
        return [f"a thread is started ({name})" for name in names]
    # Libraries start theirs without telling the interpreter.
    count = len(_entries("/proc/self/task"))
    return [f"{count - 1} threads are started"] if count > 1 else []


def _children() -> list[str]:
    # Not ``waitid``, which macOS has since Python 3.13 only.
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return []
    return ["a process is started"]


def _descriptors() -> set[int]:
    found = set()
    for name in _entries("/dev/fd"):
        try:
            os.fstat(int(name))
        except OSError:  # the one that the list was read by
            continue
        found.add(int(name))
    return found


def _opened(descriptor: int) -> str:
    if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return "a socket is opened"
    try:
        return f"{os.readlink(f'/proc/self/fd/{descriptor}')} is opened"  # noqa: PTH115  # as above
    except OSError:
        return "a file is opened"


def _entries(folder: str) -> set[str]:
    try:
        return set(os.listdir(folder))  # noqa: PTH208  # as above
    except OSError:
        return set()


def _has_private_tmp() -> bool:
    """Return whether ``/tmp`` is another directory for each process (``private_tmp``)."""
    return os.environ.get("TMPDIR") == TMP


def _has_folder_of_its_own() -> bool:
    """Return whether it is ``TMPDIR`` alone that leads to another directory."""
    return os.environ.get("TMPDIR", TMP) != TMP
