"""What an invocation has left of its time: no wait for something outside takes longer than that.

Each wait has a limit of its own, but no sum of such limits would say much: a function asks the
database, then the queue three times, then the gateway, and a replay has a loop of all of them. So
every wait ends with the invocation's time at the latest, and a while before it: what was found out can
still be told. An execution environment serves one invocation at a time, whatever threads it has, and
so there is one ``TimeLeft`` in a process.
"""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
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

    def of_invocation(self, seconds: float, *, last_words_s: float = 0.0) -> AbstractContextManager[None]:
        """Let work end in time for an invocation that is cut off after ``seconds``.

        Args:
            last_words_s: Kept for the last frames, by which clients learn what became of their requests.
        """
        return _OfInvocation(self, self._monotonic() + seconds - MARGIN_S, last_words_s)

    def at_most(self, seconds: float) -> AbstractContextManager[None]:
        """Let what this thread does within end sooner: it is not worth more of the invocation's time."""
        return _AtMost(self._sooner, self._monotonic() + seconds)

    def let_end(self, *, work_at: float, all_at: float) -> None:
        self._work_ends_at, self._all_ends_at = work_at, all_at

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


# Classes, not generators: every order enters several, and a generator takes three times the instructions.
class _OfInvocation(AbstractContextManager[None]):
    def __init__(self, left: TimeLeft, ends_at: float, last_words_s: float) -> None:
        self._left = left
        self._ends_at = ends_at
        self._last_words_s = last_words_s

    def __enter__(self) -> None:
        self._left.let_end(work_at=self._ends_at - self._last_words_s, all_at=self._ends_at)

    def __exit__(self, *_: object) -> None:
        self._left.let_end(work_at=math.inf, all_at=math.inf)


class _AtMost(AbstractContextManager[None]):
    _token: Token[float]

    def __init__(self, sooner: ContextVar[float], ends_at: float) -> None:
        self._sooner = sooner
        self._ends_at = ends_at

    def __enter__(self) -> None:
        self._token = self._sooner.set(min(self._sooner.get(), self._ends_at))

    def __exit__(self, *_: object) -> None:
        self._sooner.reset(self._token)


time_left: Final = TimeLeft()
"""Of the invocation that this process serves."""
