"""Loads that the machine's other programs hardly disturb."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.instance import Instance
from benchmarks.processes import members, runtime_kinds


@contextmanager
def ahead_of_others(instance: Instance) -> Iterator[None]:
    """Let an instance and the load generator come before every other program meanwhile: a few seconds.

    A nice value does not do: it counts within a session only where each has a share of its own (autogroup in
    sched(7)), and a process that is woken waits for the slices of those that compute. Not under SCHED_RR.
    Processes of one priority leave each other alone there, as under SCHED_BATCH, which the runtime asks for.

    Raises:
        PermissionError: Only root may.
    """
    usual = os.sched_getscheduler(int(instance.status["pid"]))
    before = {thread: os.sched_getscheduler(thread) for thread in _threads(instance)}
    try:
        for thread in before:
            with suppress(ProcessLookupError):
                os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(1))
        yield
    finally:
        # What was started meanwhile inherited it, and so does what starts while others are set back.
        while ahead := [thread for thread in _threads(instance) if _is_ahead(thread)]:
            for thread in ahead:
                with suppress(ProcessLookupError):
                    os.sched_setscheduler(thread, before.get(thread, usual), os.sched_param(0))


def _is_ahead(thread: int) -> bool:
    try:
        return os.sched_getscheduler(thread) == os.SCHED_RR
    except ProcessLookupError:
        return False


def _threads(instance: Instance) -> list[int]:
    pids = [pid for found in members(runtime_kinds(instance.status)).values() for pid in found]
    return [int(task.name) for pid in pids for task in _tasks(pid)]


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:
        return []
