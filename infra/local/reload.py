"""Notice changed code: the project's files and whatever its symbolic links lead to."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from watchfiles import Change, awatch

_SUFFIXES: Final = (".py", ".json", ".toml", ".sql")
_IGNORED: Final = frozenset({"__pycache__", ".venv", "node_modules", "deployments", "deployed", ".git"})
_DEBOUNCE_MS: Final = 200


async def watch_code(app_dir: Path, on_change: Callable[[], Awaitable[None]]) -> None:
    """Await ``on_change`` after each burst of changes; ends when cancelled."""
    async for _ in awatch(*watched_paths(app_dir), watch_filter=is_code, debounce=_DEBOUNCE_MS, step=50):
        await on_change()


def watched_paths(app_dir: Path) -> list[Path]:
    """Return the directories to watch: watchers do not follow links by themselves."""
    linked = {
        entry.resolve() for entry in app_dir.iterdir() if entry.is_symlink() and entry.resolve().is_dir()
    }
    return [app_dir, *sorted(linked)]


def is_code(_change: Change, path: str) -> bool:
    """Return whether a changed file can change what a function does."""
    return path.endswith(_SUFFIXES) and not _IGNORED.intersection(Path(path).parts)
