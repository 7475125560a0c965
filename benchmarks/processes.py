"""What processes cost: processor time and memory by kind, from /proc."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")

Kinds = Mapping[str, Sequence[int]]
"""Process ids by kind; the descendants of a process belong to its kind unless they have one of their own."""


def runtime_kinds(status: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return the kinds of a running instance, from its status file."""
    pids = status["pids"]
    functions = {f"function {name}": list(found) for name, found in pids["functions"].items() if found}
    return {
        **functions,
        "postgres": pids.get("postgres", []),
        "sqs emulator": pids.get("ministack", []),
        "gateway": [status["pid"]],
        "load": [os.getpid()],
    }


@contextmanager
def paused(status: Mapping[str, Any]) -> Iterator[None]:
    """Stop every process of a running instance meanwhile, as if the machine had no time for them."""
    kinds = {kind: pids for kind, pids in runtime_kinds(status).items() if kind != "load"}
    pids = [pid for found in members(kinds).values() for pid in found]
    try:
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def cpu_seconds(kinds: Kinds) -> dict[str, float]:
    """Return user and system time so far, that of ended children included."""
    return {kind: sum(map(_cpu_s, pids)) for kind, pids in members(kinds).items()}


def peak_mib(kinds: Kinds) -> dict[str, float]:
    """Return the sum of each kind's peak resident sets;
    memory that processes share counts for each of them.
    """
    return {kind: sum(map(_peak_mib, pids)) for kind, pids in members(kinds).items()}


def shared_once_mib(kinds: Kinds) -> dict[str, float]:
    """Return each kind's resident memory now; a page that several processes share counts as parts of one."""
    return {kind: sum(map(_proportional_mib, pids)) for kind, pids in members(kinds).items()}


def members(kinds: Kinds) -> dict[str, list[int]]:
    """Return the processes of each kind that there are now."""
    kind_of = {pid: kind for kind, pids in kinds.items() for pid in pids}
    parents = {int(path.name): _parent(path) for path in _PROC.iterdir() if path.name.isdigit()}
    found: dict[str, list[int]] = {kind: [] for kind in kinds}
    for pid in parents:
        ancestor: int | None = pid
        while ancestor is not None and ancestor not in kind_of:
            ancestor = parents.get(ancestor)
        if ancestor is not None:
            found[kind_of[ancestor]].append(pid)
    return found


def _stat(path: Path) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on, none if the process has ended."""
    try:
        return (path / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _parent(path: Path) -> int | None:
    fields = _stat(path)
    return int(fields[1]) if fields else None


def _cpu_s(pid: int) -> float:
    # utime, stime, cutime, cstime (proc(5), fields 14 to 17).
    return sum(int(field) for field in _stat(_PROC / str(pid))[11:15]) / _TICKS_PER_S


def _peak_mib(pid: int) -> float:
    return _kib(_PROC / str(pid) / "status", "VmHWM:") / 1024


def _proportional_mib(pid: int) -> float:
    return _kib(_PROC / str(pid) / "smaps_rollup", "Pss:") / 1024


def _kib(path: Path, name: str) -> int:
    """Return what a line of the kernel's says; 0 if the process has ended."""
    try:
        lines = path.read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(name))
