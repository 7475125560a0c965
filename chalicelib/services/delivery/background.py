"""Work that may overlap with the next step, in the order it was given, and done before an invocation ends."""

import threading
import time
from collections import deque
from collections.abc import Callable
from operator import itemgetter
from typing import Protocol

Work = Callable[[], None]


class Background(Protocol):
    def run(self, work: Work) -> None:
        """Do this after whatever was given before it."""
        ...

    def run_within(self, seconds: float, work: Work) -> None:
        """Do this once within so long, and before ``wait`` returns.

        What waits already is not given twice: the same work comes when it was to come first.
        """
        ...

    def wait(self) -> None:
        """Return when all of it is done, and what was given meanwhile; raise what any of it raised."""
        ...


class ThreadBackground:
    """One thread, so that frames leave in the order of their commits while the next step runs.

    A Lambda freezes once its handler returns: ``wait`` must come before that.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._given: deque[Work] = deque()
        self._later: list[tuple[float, Work]] = []
        self._is_busy = False
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None

    def run(self, work: Work) -> None:
        with self._changed:
            self._given.append(work)
            self._wake()

    def run_within(self, seconds: float, work: Work) -> None:
        with self._changed:
            if all(waiting != work for _, waiting in self._later):
                self._later.append((time.monotonic() + seconds, work))
                self._wake()

    def wait(self) -> None:
        with self._changed:
            while self._later or self._given or self._is_busy:
                self._move_up(len(self._later))
                if self._given:
                    self._wake()
                self._changed.wait_for(lambda: not (self._given or self._is_busy))
            error, self._error = self._error, None
        if error is not None:
            raise error

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="background", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _work(self) -> None:
        while True:
            work = self._next()
            try:
                work()
            except Exception as error:  # noqa: BLE001  # ``wait`` raises it, whatever it is
                self._error = self._error or error
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()

    def _next(self) -> Work:
        """Wait for something to do: what was given first, else what is due by now."""
        with self._changed:
            while not self._given:
                self._later.sort(key=itemgetter(0))
                left_s = self._later[0][0] - time.monotonic() if self._later else None
                if left_s is not None and left_s <= 0:
                    self._move_up(1)
                else:
                    self._changed.wait(left_s)
            self._is_busy = True
            return self._given.popleft()

    def _move_up(self, count: int) -> None:
        """Give now what was to be done later, the first of it first: after all that it could wait for."""
        self._later.sort(key=itemgetter(0))
        self._given.extend(work for _, work in self._later[:count])
        del self._later[:count]
