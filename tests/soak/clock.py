"""A clock that leaps over the time in which nothing happens.

The event loop of the runtime waits for timers most of the time. Here it does not wait: as long as no other
process is at work, its time and the wall clock that schedules and quotas read leap to the next timer.
Whatever other processes do (functions, queue, database) takes the time that it takes, on their own clocks.
"""

import asyncio
import selectors
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any


class Clock:
    """How far ahead the runtime's time is. It leaps only while ``leaps``."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self.leaps = False
        self._busy = 0

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Let time take its course while another process is at work."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1

    @property
    def may_leap(self) -> bool:
        return self.leaps and not self._busy

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead_s)

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + int(self.ahead_s * 1000)


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop on that clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(_LeapingSelector(clock))
        self.clock = clock

    def time(self) -> float:
        return super().time() + self.clock.ahead_s


class _LeapingSelector(selectors.BaseSelector):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._inner = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0 or not self._clock.may_leap:
            return self._inner.select(timeout)
        ready = self._inner.select(0)
        if not ready:
            self._clock.ahead_s += timeout
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()
