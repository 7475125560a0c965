"""How many messages of a caller may be with their handlers at once."""

import asyncio
from collections import deque
from contextlib import suppress


class Slots:
    """A semaphore of which a slot that is free can be taken without a turn of the event loop.

    Attributes:
        free: How many can be taken at once; none while others wait, who get theirs in the order they came.
    """

    __slots__ = ("__weakref__", "_waiting", "free")

    def __init__(self, free: int) -> None:
        self.free = free
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> None:
        """Take a slot of those that are ``free``."""
        self.free -= 1

    async def acquire(self) -> None:
        """Wait for a slot, and take it."""
        if self.free:
            self.take()
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with suppress(ValueError):
                    self._waiting.remove(turn)
            else:
                self.release()  # it was given a slot just before
            raise

    def release(self) -> None:
        """Give a slot back, to the first that waits for one."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1
