"""How many messages of a caller may be with their handlers at once."""

import asyncio


class Slots(asyncio.Semaphore):
    """A semaphore of which one that is free can be taken without a turn of the event loop."""

    def take(self) -> None:
        """Take one while it is not ``locked``, as ``acquire`` does then."""
        self._value -= 1
