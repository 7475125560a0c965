"""One timer for many answers that are waited for equally long.

A timer for each, nearly all of which are canceled, costs the event loop more than the rest of a wait: it
keeps them sorted until their time would have come.
"""

import asyncio
from collections import deque
from typing import Final

from chalice_offline.invocation import Outcome, TimedOut

# Among fewer, those that are answered are not looked for.
_WAITING_MIN: Final = 1_000


class Deadlines:
    """Answers with ``TimedOut`` where no answer came within ``timeout_s``."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        # Those that came first are due first.
        self._waiting: deque[tuple[float, asyncio.Future[Outcome]]] = deque()
        self._waiting_max = _WAITING_MIN
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, answer: "asyncio.Future[Outcome]") -> None:
        """Wait for an answer from now on."""
        loop, waiting = answer.get_loop(), self._waiting
        while waiting and waiting[0][1].done():
            waiting.popleft()
        if len(waiting) >= self._waiting_max:
            # What came while the first one took its time would be kept with it, with all that it says.
            self._waiting = waiting = deque(each for each in waiting if not each[1].done())
            self._waiting_max = 2 * len(waiting) + _WAITING_MIN
        waiting.append((loop.time() + self._timeout_s, answer))
        if self._timer is None:
            self._timer = loop.call_later(self._timeout_s, self._look)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._waiting:
            due, answer = self._waiting[0]
            if not answer.done():
                if due > loop.time():
                    self._timer = loop.call_at(due, self._look)
                    return
                answer.set_result(TimedOut(self._timeout_s))
            self._waiting.popleft()
