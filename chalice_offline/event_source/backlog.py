"""How many messages a queue may hold, so that the next receive comes when it is worth it."""

import asyncio
import math
from contextlib import suppress
from typing import Final

# Messages that no invocation sent are owed for ever, but for this.
_OWED_MAX: Final = 10


class Backlog:
    """An estimate: each invocation that ended may have sent a message, and hardly any sends two."""

    def __init__(self) -> None:
        self._count = 0
        self._wanted = math.inf
        self._enough = asyncio.Event()
        self.has_unannounced = False
        """Whether the last receive was full of messages that no invocation's end had announced: who sends
        several at once may have sent more than one receive takes."""

    def has(self, count: int) -> bool:
        return self._count >= count

    def another(self) -> None:
        """Count one more."""
        self._count += 1
        if self._count >= self._wanted:
            self._enough.set()

    def received(self, count: int, *, is_all: bool) -> None:
        """Count messages off; ``is_all``: there were no more of them.

        Those whose senders have not ended yet are owed, so that they are not counted for the next receive.
        """
        left = self._count - count
        self.has_unannounced = self._count <= 0 and not is_all
        self._count = 0 if count == 0 else max(-_OWED_MAX, min(0, left) if is_all else left)

    async def wait_for(self, count: int, *, timeout_s: float) -> None:
        """Return once there are as many, and after so long in any case."""
        if self.has(count):
            return
        self._wanted = count
        self._enough.clear()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), timeout_s)
        finally:
            self._wanted = math.inf
