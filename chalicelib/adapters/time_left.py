"""What an invocation has left of its time: no wait for something outside takes longer than that.

Each wait has a limit of its own, but no sum of such limits would say much: a function asks the
database, then the queue three times, then the gateway, and a replay has a loop of all of them. So
every wait ends with the invocation's time at the latest, and a while before it: what was found out can
still be told. An execution environment serves one invocation at a time, whatever threads it has, and
so there is one ``TimeLeft`` in a process.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

MARGIN_S: Final = 0.5
"""At the end of each invocation nothing is waited for: answers are written, logs and metrics leave."""


class TimeLeft:
    """Without an invocation there is time without end, as in a command or a test."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._work_ends_at = self._all_ends_at = math.inf
        # A thread's own: one that outlives its invocation must leave nothing of it to the next.
        self._sooner = ContextVar("sooner", default=math.inf)

    @contextmanager
    def of_invocation(self, seconds: float, *, last_words_s: float = 0.0) -> Iterator[None]:
        """Let work end in time for an invocation that is cut off after ``seconds``.

        Args:
            last_words_s: Kept for the last frames, by which clients learn what became of their requests.
        """
        self._all_ends_at = self._monotonic() + seconds - MARGIN_S
        self._work_ends_at = self._all_ends_at - last_words_s
        try:
            yield
        finally:
            self._work_ends_at = self._all_ends_at = math.inf

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Let what this thread does within end sooner: it is not worth more of the invocation's time."""
        token = self._sooner.set(min(self._sooner.get(), self._monotonic() + seconds))
        try:
            yield
        finally:
            self._sooner.reset(token)

    def for_work(self, limit_s: float) -> float:
        """Return how long something may take that is limited to ``limit_s`` by itself; 0 if time is up."""
        ends_at = min(self._work_ends_at, self._sooner.get())
        return max(0.0, min(limit_s, ends_at - self._monotonic()))

    def for_words(self, limit_s: float) -> float:
        """Return the same for the answer to a client, which may take the last of the time."""
        return max(0.0, min(limit_s, self._all_ends_at - self._monotonic()))

    def has(self, seconds: float) -> bool:
        """Return whether the invocation has time for what cannot be cut short and may take so long.

        What is worth little time (``at_most``) may still begin it: a secret or a key set is read once for
        many requests, and not at all if each of them were too short for it.
        """
        return self._work_ends_at - self._monotonic() >= seconds


time_left: Final = TimeLeft()
"""Of the invocation that this process serves."""
