"""How the kernel shares its processors between the runtime's processes."""

import os
from contextlib import suppress


def stay_until_done() -> None:
    """Let this process and those it starts not interrupt each other, nor anything else, when they are woken.

    A message wakes many processes, most for a fraction of a millisecond. By default the one that is woken
    takes the processor from the one that woke it, in the middle of its work; SCHED_BATCH lets that
    finish first (sched(7), Linux only).
    """
    if hasattr(os, "SCHED_BATCH"):
        # Refused, it is merely slower.
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
