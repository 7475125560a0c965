"""How long to wait before trying again."""

import asyncio
from contextlib import suppress
from random import Random

_jitter = Random()  # noqa: S311  # no secret; an instance, since `random` itself is the application's to seed


class Backoff:
    """Waits that double up to a maximum, each drawn from its upper half: clients shall not meet again."""

    def __init__(self, first_s: float = 0.1, most_s: float = 10.0) -> None:
        self._first_s = self._next_s = first_s
        self._most_s = most_s

    def next_s(self, at_least_s: float | None = None) -> float:
        """Return the next wait in seconds; ``at_least_s`` is what the engine asked for."""
        chosen = self._next_s * _jitter.uniform(0.5, 1.0)
        self._next_s = min(self._next_s * 2, self._most_s)
        return max(chosen, at_least_s or 0.0)

    def reset(self) -> None:
        self._next_s = self._first_s


async def pause(seconds: float, over: asyncio.Event) -> None:
    """Wait so long, or until there is nothing left to wait for."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await over.wait()
