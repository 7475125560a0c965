"""The end of the terminal that a program was started in.

A terminal that closes sends SIGHUP to its session's leader alone. Of ``ssh -t host make run`` that is make,
which waits for what it runs and tells it nothing: so the program looks for itself.
"""

import asyncio
import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from chalice_offline.supervision import keep_going

_LOOKS_S: Final = 1.0


class Terminal:
    """The controlling terminal of this process, if it has one."""

    def __init__(self) -> None:
        self._is_in_front = False
        self._descriptor: int | None = None
        with suppress(OSError):
            self._descriptor = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)

    @property
    def is_there(self) -> bool:
        """Whether this process had one when it began."""
        return self._descriptor is not None

    def has_closed_on_us(self) -> bool:
        """Return whether it is gone, and this process was in its foreground when last asked.

        What runs in the background, or has no terminal (``setsid``), is to go on without one.
        """
        if self._descriptor is None:
            return False
        poll = select.poll()
        poll.register(self._descriptor, 0)
        if poll.poll(0):
            return self._is_in_front
        with suppress(OSError):  # it closes just now
            self._is_in_front = os.tcgetpgrp(self._descriptor) == os.getpgrp()
        return False


def when_hung_up(stop: Callable[[], object]) -> asyncio.Task[None] | None:
    """Have ``stop`` called for SIGHUP, and once when the terminal has closed; never where ``nohup`` says so.

    Returns:
        What looks at the terminal, if there is one, to be kept by the caller.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return None
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stop)
    terminal = Terminal()
    return keep_going("terminal", partial(_watch, terminal, stop)) if terminal.is_there else None


async def _watch(terminal: Terminal, stop: Callable[[], object]) -> None:
    while not terminal.has_closed_on_us():  # noqa: ASYNC110  # it wakes no loop
        await asyncio.sleep(_LOOKS_S)
    stop()
