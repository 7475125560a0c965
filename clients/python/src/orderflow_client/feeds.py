"""Every feed that is iterated, and the one subscription that they share."""

from collections.abc import Awaitable, Callable
from typing import Final

from orderflow_client.errors import (
    DisconnectedError,
    OrderflowError,
    RefusedError,
    UnknownOutcomeError,
    passes,
)
from orderflow_client.feed import Feed
from orderflow_client.models import OrderEventFrame

Subscribe = Callable[[], Awaitable[object]]
"""Asks for every order of the account, for all of a time limit."""


class Feeds:
    """See the module; what is told here reaches every feed."""

    def __init__(self, subscribe: Subscribe) -> None:
        self._subscribe: Final = subscribe
        self._open: set[Feed] = set()

    async def open(self, feed: Feed) -> None:
        """Begin a feed; it gets events from here on.

        Raises:
            OrderflowError: The record cannot be read, or the subscription is refused.
        """
        await feed.begin()
        self._open.add(feed)
        await self._subscribe()

    def close(self, feed: Feed) -> None:
        self._open.discard(feed)

    def add(self, event: OrderEventFrame) -> None:
        for feed in self._open:
            feed.add(event)

    def end(self, error: OrderflowError) -> None:
        for feed in self._open:
            feed.end(error)

    async def resume(self) -> None:
        """Subscribe on a new connection, for as long as it takes; its loss cancels this."""
        for feed in self._open:
            feed.lost()
        while self._open:
            try:
                await self._subscribe()
            except (DisconnectedError, UnknownOutcomeError):
                continue
            except OrderflowError as error:
                if not (isinstance(error, RefusedError) and passes(error)):
                    self.end(error)
                    return
            else:
                for feed in self._open:
                    feed.resumed()
                return
