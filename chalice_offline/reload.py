"""Notice changed code: the project's files and whatever its symbolic links lead to.

What the runtime, tools and editors write beside the code is not code, and a reload that makes a file change
which makes a reload must come to an end: of a file that an app rewrites whenever it runs, each reload has to
wait twice as long as the one before.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Coroutine, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, TypeVar

from watchfiles import awatch
from watchfiles.main import FileChange

from chalice_offline.logs import Log
from chalice_offline.state_dir import is_state

Result = TypeVar("Result")

_SUFFIXES: Final = (".py", ".json", ".toml", ".sql")
_IGNORED: Final = frozenset({"__pycache__", "node_modules", "site-packages", "deployments", "deployed"})
_HIDDEN_BUT_CODE: Final = frozenset({".chalice"})
_DEBOUNCE_MS: Final = 200
# No person saves a file so often in so short a time; what does is a program.
_CHANGES_MAX: Final = 5
CHANGES_WITHIN_S: Final = 15.0
# A slow import spreads the changes that it makes: a reload imports the app twice, one after the other.
_IMPORTS_OF_A_RELOAD: Final = 2
_RELOAD_S_MAX: Final = 10.0
_RESTLESS_MAX: Final = 1_000


class CodeWatch:
    """Watches one project, and single files elsewhere that belong to it, such as a template of queues."""

    def __init__(
        self,
        app_dir: Path,
        state_dir: Path,
        log: Log,
        files: Iterable[Path] = (),
        *,
        quiet_s: float = CHANGES_WITHIN_S,
    ) -> None:
        self._roots = watched_paths(app_dir)
        paths = {path.resolve() for path in files}
        self._files = {path for path in paths if not any(path.is_relative_to(root) for root in self._roots)}
        self._app_dir = app_dir
        self._state_dir = state_dir
        self._log = log
        self._restless = RestlessFiles(quiet_s)
        self._looks: dict[str, asyncio.TimerHandle] = {}

    async def run(self, on_change: Callable[[Collection[str], asyncio.Event], Awaitable[None]]) -> None:
        """Await ``on_change`` after each burst of changes, with the files and an event that is set by the
        next one; ends when cancelled.
        """
        waiting: set[str] = set()
        is_more = asyncio.Event()

        async def heed(changes: AsyncIterable[set[FileChange]]) -> None:
            async for burst in changes:
                heeded = self._heeded({path for _, path in burst}, tell_later)
                if heeded:
                    waiting.update(heeded)
                    is_more.set()

        def tell_later(path: str) -> None:
            self._looks.pop(path)
            self._restless.rested(path, time.monotonic())
            waiting.add(path)
            is_more.set()

        async def tell() -> None:
            while await is_more.wait():
                changed = sorted(waiting)
                waiting.clear()
                is_more.clear()
                began = time.monotonic()
                await on_change(changed, is_more)
                if not is_more.is_set():  # one that is overtaken ends early
                    self._restless.reloaded(time.monotonic() - began)

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(tell())
                group.create_task(heed(_changes(self._roots, self.is_code, recursive=True)))
                if self._files:
                    folders = {path.parent for path in self._files}
                    group.create_task(heed(_changes(folders, self._is_file, recursive=False)))
        finally:
            for look in self._looks.values():
                look.cancel()

    def is_code(self, path: str) -> bool:
        """Return whether a changed file can change what a function does, or a folder that came as a whole:
        renamed, or by a link that leads elsewhere now.
        """
        changed = Path(path)
        if is_state(changed, self._state_dir, self._app_dir) or _is_aside(changed, self._roots):
            return False
        return path.endswith(_SUFFIXES) or self._holds_code(changed)

    def _holds_code(self, path: Path) -> bool:
        try:
            inside = list(path.iterdir())
        except OSError:  # no folder, or gone
            return False
        return any(self.is_code(str(each)) for each in inside if not (each.is_symlink() and each.is_dir()))

    def _is_file(self, path: str) -> bool:
        return Path(path) in self._files

    def _heeded(self, paths: Iterable[str], tell_later: Callable[[str], None]) -> Collection[str]:
        """Return the files to reload for now; the others, which change again and again, are told once they
        are quiet.
        """
        heeded = []
        for path in sorted(paths):
            if look := self._looks.pop(path, None):
                look.cancel()
            was_restless = self._restless.is_restless(path)
            if self._restless.changed(path, time.monotonic()):
                heeded.append(path)
                continue
            quiet_s = self._restless.quiet_s(path)
            self._looks[path] = asyncio.get_running_loop().call_later(quiet_s, tell_later, path)
            if not was_restless:
                message = "file changes all the time: reloads for it once it is quiet"
                self._log.event("warning", message, path=path, quiet_s=quiet_s)
        return heeded


async def unless(event: asyncio.Event, work: Coroutine[Any, Any, Result]) -> Result | None:
    """Return what comes of the work; None if the event is set first, which cancels it."""
    task = asyncio.create_task(work)
    overtaken = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({task, overtaken}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        overtaken.cancel()
        await asyncio.wait({task, overtaken})


class RestlessFiles:
    """Tells files that change again and again from those that a person edits."""

    def __init__(self, quiet_s: float = CHANGES_WITHIN_S) -> None:
        self._quiet_s = self._within_s = quiet_s
        # The times of a file's last changes, at most ``_CHANGES_MAX``
        # of them; the file that rested longest first.
        self._changes: dict[str, list[float]] = {}
        # How long a restless file has to be quiet.
        self._restless: dict[str, float] = {}

    def is_restless(self, path: str) -> bool:
        return path in self._restless

    def quiet_s(self, path: str) -> float:
        """Return how long a restless file has to be quiet until it is heeded."""
        return self._restless.get(path, self._quiet_s)

    def reloaded(self, took_s: float) -> None:
        """Note how long the last reload took: what it makes a file change comes as much later."""
        most_s = min(took_s, _RELOAD_S_MAX)
        self._within_s = self._quiet_s + _CHANGES_MAX * _IMPORTS_OF_A_RELOAD * most_s

    def changed(self, path: str, now: float) -> bool:
        """Note a change; False if the file is restless. It is heeded again once it was quiet for a while."""
        recent = [at for at in self._changes.pop(path, []) if now - at < self._within_s]
        if not recent:
            self._restless.pop(path, None)
        self._changes[path] = [*recent, now][-_CHANGES_MAX:]
        if len(self._changes) > _RESTLESS_MAX:
            forgotten = next(iter(self._changes))
            del self._changes[forgotten]
            self._restless.pop(forgotten, None)
        if len(recent) >= _CHANGES_MAX:
            self._restless.setdefault(path, self._quiet_s)
        return path not in self._restless

    def rested(self, path: str, now: float) -> None:
        """Note that a restless file's last change is heeded after all, since it was quiet.

        A change right after it may well come of that reload, so the next one waits twice as long.
        """
        if path in self._restless:
            self._changes[path] = [now]
            self._restless[path] *= 2


def is_among(paths: Iterable[str], patterns: Iterable[str], folder: Path) -> bool:
    """Return whether a file's path matches a pattern relative to a folder; ``*`` stands for slashes too."""
    # Changes are told of what links lead to.
    whole = [os.path.normpath(folder.resolve() / pattern) for pattern in patterns]
    return any(fnmatchcase(path, pattern) for path in paths for pattern in whole)


def _changes(
    folders: Iterable[Path], heeded: Callable[[str], bool], *, recursive: bool
) -> AsyncIterable[set[FileChange]]:
    return awatch(
        *folders,
        watch_filter=lambda _, path: heeded(path),
        debounce=_DEBOUNCE_MS,
        step=50,
        recursive=recursive,
    )


def watched_paths(app_dir: Path) -> list[Path]:
    """Return the directories to watch: watchers do not follow links by themselves."""
    linked = {
        entry.resolve() for entry in app_dir.iterdir() if entry.is_symlink() and entry.resolve().is_dir()
    }
    return [app_dir, *sorted(linked)]


def _is_aside(path: Path, roots: Iterable[Path]) -> bool:
    """Return whether a file lies in a folder of tools, or is an editor's own (``.#app.py``),
    below a watched root.
    """
    root = next((root for root in roots if path.is_relative_to(root)), None)
    parts = path.relative_to(root).parts if root is not None else path.parts
    if any(part in _IGNORED or (part.startswith(".") and part not in _HIDDEN_BUT_CODE) for part in parts):
        return True
    # A virtual environment by any name has this file (PEP 405).
    return root is not None and any(
        (folder / "pyvenv.cfg").exists() for folder in path.parents if folder.is_relative_to(root)
    )
