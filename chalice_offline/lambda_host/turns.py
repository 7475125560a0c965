"""Invocations that wait for an environment; callers take turns, however many invocations each has waiting."""

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from chalice_offline.invocation import OnEnd, Waiter


class Waiting(NamedTuple):
    """An invocation that has not begun."""

    event: Mapping[str, Any]
    on_end: OnEnd
    caller: Waiter


class Turns:
    """One queue for each caller that has something waiting. Lambda queues nothing:
    it starts more environments.
    """

    def __init__(self) -> None:
        self._by_caller: dict[str, deque[Waiting]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, waiting: Waiting) -> None:
        self._by_caller.setdefault(waiting.caller.key, deque()).append(waiting)
        self._count += 1

    def next(self) -> Waiting | None:
        """Take the oldest of the caller whose turn it is, which is then the last to have one again."""
        if not self._by_caller:
            return None
        key = next(iter(self._by_caller))
        queue = self._by_caller.pop(key)
        waiting = queue.popleft()
        self._count -= 1
        if queue:
            self._by_caller[key] = queue
        return waiting
