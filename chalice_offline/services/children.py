"""A register of started processes on disk,
so that what a killed runtime left behind is ended by the next one.
"""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from chalice_offline.state_dir import write_private

LEFTOVER_TIMEOUT_S: Final = 8.0
_POLL_S: Final = 0.05


def started_at(pid: int) -> str | None:
    """Return an opaque mark of when the process began, None if there is none;
    pid and mark together never repeat.
    """
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # A process may have any name, and as bytes.
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] == "Z" else fields[19]
    shown = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip() or None


def command_line(pid: int) -> str:
    """Return the arguments of a process with blanks between; empty if there is none."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    shown = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()


class ChildRegister:
    """The processes this instance has running, by pid, in ``children.json``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._children: dict[str, dict[str, str]] = {}

    def add(self, pid: int, kind: str) -> None:
        """Note a process. On a full disk the file lacks it until the next change: it runs all the same."""
        self._children[str(pid)] = {"kind": kind, "started": started_at(pid) or ""}
        self._save()

    def remove(self, pid: int) -> None:
        """Forget a process that has ended. On a full disk the file keeps it:
        its mark fits no other process.
        """
        if self._children.pop(str(pid), None) is not None:
            self._save()

    def pids(self) -> dict[str, list[int]]:
        """Return the live pids by kind."""
        found: dict[str, list[int]] = {}
        for pid, child in self._children.items():
            found.setdefault(child["kind"], []).append(int(pid))
        return found

    def end_leftovers(self) -> list[str]:
        """End what an earlier runtime left running; return the kinds that were found.

        The kernel signalled them when their parent died and are given time to finish (MiniStack writes its
        state); then they are killed.
        """
        try:
            recorded = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return []
        left = {int(pid): child for pid, child in recorded.items() if _is_same(int(pid), child["started"])}
        kinds = sorted({child["kind"] for child in left.values()})
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + LEFTOVER_TIMEOUT_S
        while left and time.monotonic() < deadline:
            left = {pid: child for pid, child in left.items() if _is_same(pid, child["started"])}
            time.sleep(_POLL_S if left else 0)
        for pid in left:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        self._path.unlink(missing_ok=True)
        return kinds

    def _save(self) -> None:
        with suppress(OSError):
            write_private(self._path, json.dumps(self._children))


def _is_same(pid: int, mark: str) -> bool:
    return bool(mark) and started_at(pid) == mark
