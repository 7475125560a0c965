"""What a runtime that does nothing must not use more of: memory, descriptors, threads,
tasks, timers, files.
"""

import asyncio
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_MB: Final = 1024 * 1024
# Of what was there, and beyond that: caches fill, a collector runs when it likes.
_MEMORY_MAX: Final = (0.15, 12 * _MB)
_COUNT_MAX: Final = (0.1, 8)
# asyncio keeps canceled timers until there are a hundred of them.
_TIMERS_MAX: Final = (1.0, 200)
_BYTES_MAX: Final = (0.5, 2 * _MB)


@dataclass(frozen=True, slots=True)
class Health:
    """One look; names of what was counted to numbers."""

    memory: Mapping[str, int]
    counts: Mapping[str, int]
    timers: int
    bytes_written: int


def look(pids: Mapping[str, Iterable[int]], state_dir: Path) -> Health:
    """Look at processes by kind, at the running loop, and at the files of the state directory."""
    memory: dict[str, int] = {}
    counts: dict[str, int] = {"tasks": len(asyncio.all_tasks())}
    for kind, members in {"runtime": [os.getpid()], **pids}.items():
        shown = [found for pid in members if (found := _process(pid))]
        # Of the largest: how many environments there are is the load's business.
        memory[kind] = max((each[0] for each in shown), default=0)
        counts[f"{kind} descriptors"] = max((each[1] for each in shown), default=0)
        counts[f"{kind} threads"] = max((each[2] for each in shown), default=0)
    files = [path for path in _files(state_dir) if "postgres" not in path.parts]
    counts["files"] = len(files)
    loop: Any = asyncio.get_running_loop()
    return Health(memory, counts, len(loop._scheduled), sum(map(_size, files)))


def growth(before: Health, after: Health) -> list[str]:
    """Return what has grown beyond measure, a line each."""
    pairs = [(name, before.memory.get(name, 0), now, _MEMORY_MAX) for name, now in after.memory.items()]
    pairs += [(name, before.counts.get(name, 0), now, _COUNT_MAX) for name, now in after.counts.items()]
    pairs += [("timers", before.timers, after.timers, _TIMERS_MAX)]
    pairs += [("bytes in files", before.bytes_written, after.bytes_written, _BYTES_MAX)]
    return [
        f"{name} grew from {was:,} to {now:,}"
        for name, was, now, (share, more) in pairs
        if now > was * (1 + share) + more
    ]


def _process(pid: int) -> tuple[int, int, int] | None:
    """Return resident bytes, descriptors and threads; None if there is no such process."""
    folder = Path(f"/proc/{pid}")
    try:
        resident = int((folder / "statm").read_text().split()[1]) * _PAGE
        return resident, len(list((folder / "fd").iterdir())), len(list((folder / "task").iterdir()))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # it has been removed, or replaced, since
        return 0


def _files(folder: Path) -> list[Path]:
    return [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
