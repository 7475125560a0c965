"""One timer for many answers that are waited for equally long.

A timer for each, nearly all of which are canceled, costs the event loop more than the rest of a wait: it
keeps them sorted until their time would have come.
"""

import asyncio
from collections import deque
from typing import Final

from chalice_offline.invocation import Caller, OnEnd, Outcome, TimedOut
from chalice_offline.supervision import tell

# Among fewer, those that are answered are not looked for.
_WAITING_MIN: Final = 1_000


class Answer:
    """What a caller waits for: an invocation's outcome, or the end of its time limit if that comes first.

    Attributes:
        is_given: Whether either has come.
    """

    __slots__ = ("__weakref__", "_caller", "_on_end", "is_given")

    def __init__(self, on_end: OnEnd, caller: Caller) -> None:
        self.is_given = False
        self._on_end = on_end
        self._caller = caller

    @property
    def key(self) -> str:
        return self._caller.key

    def still_waits(self) -> bool:
        """Tell whether the answer is worth an environment: not if no caller waits for it any more."""
        return not self.is_given and self._caller.still_waits()

    def give(self, outcome: Outcome) -> None:
        """Tell the outcome to a caller who has not been told another one."""
        if not self.is_given:
            self.is_given = True
            self._on_end(outcome)


class Deadlines:
    """Answers with ``TimedOut`` where no answer came within ``timeout_s``."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        # Those that came first are due first.
        self._waiting: deque[tuple[float, Answer]] = deque()
        self._waiting_max = _WAITING_MIN
        self._timer: asyncio.TimerHandle | None = None
        # Asked for each time, it is a system call of its own before Python 3.12.
        self._loop: asyncio.AbstractEventLoop | None = None

    def watch(self, answer: Answer) -> None:
        """Wait for an answer from now on."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        waiting = self._waiting
        while waiting and waiting[0][1].is_given:
            waiting.popleft()
        if len(waiting) >= self._waiting_max:
            # What came while the first one took its time would be kept with it, with all that it says.
            self._waiting = waiting = deque(each for each in waiting if not each[1].is_given)
            self._waiting_max = 2 * len(waiting) + _WAITING_MIN
        waiting.append((loop.time() + self._timeout_s, answer))
        if self._timer is None:
            self._timer = loop.call_later(self._timeout_s, self._look)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._waiting:
            due, answer = self._waiting[0]
            if not answer.is_given:
                if due > loop.time():
                    self._timer = loop.call_at(due, self._look)
                    return
                tell("the end of a wait", answer.give, TimedOut(self._timeout_s))
            self._waiting.popleft()
