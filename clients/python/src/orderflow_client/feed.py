"""What happens to every order of the account: each event once, and each order's in order.

A new subscription replays the orders that are unfinished by then. What began and ended while there was no
connection is found in the list of orders: it was changed after the newest event that came before the loss.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from orderflow_client.backoff import Backoff, pause
from orderflow_client.errors import MAY_PASS, OrderflowError, RefusedError
from orderflow_client.history import FINAL
from orderflow_client.models import OrderBody, OrderEventFrame

WAITING_MAX: Final = 100_000
"""Events that wait for who iterates; more end the iteration with an error."""

_ENDED_KEPT: Final = 10_000
"""Orders that ended lately, of which a frame may come again; more if they ended within the overlap."""

_OVERLAP: Final = timedelta(seconds=60)
"""How far the engine's clocks may differ, and an event be told after it was committed."""

_PAST_MAX: Final = 200
"""Orders in a row that were accepted before the loss and not missed: none behind them is looked for. An order
may have waited in the queue, so that it is behind others that had ended before."""

_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)

Value = TypeVar("Value")

Lister = Callable[[], AsyncGenerator[OrderBody, None]]
"""Yields the account's orders, newest first."""

Reader = Callable[[str, int], Awaitable[Sequence[OrderEventFrame]]]
"""Returns an order's events on record after one."""


class Feed:
    """Events as they come, sorted out for one iteration."""

    def __init__(self, read: Reader, orders: Lister) -> None:
        self._read = read
        self._orders = orders
        self._waiting: deque[OrderEventFrame] = deque()
        self._last_seqs: dict[str, int] = {}
        self._ended: OrderedDict[str, datetime] = OrderedDict()
        self._began_at = self._heard_until = _BEGINNING
        self._losses = self._bridged = 0
        self._is_behind = False
        self._error: OrderflowError | None = None
        self._changed, self._failed = asyncio.Event(), asyncio.Event()

    async def begin(self) -> None:
        """Note how far the record is, by its own clock: what had ended by then is not told.

        Raises:
            OrderflowError: The record cannot be read.
        """
        async with aclosing(self._orders()) as orders:
            seen = 0
            async for order in orders:
                self._began_at = self._heard_until = max(self._began_at, order.updated_at)
                seen += 1
                if seen == _PAST_MAX:
                    return

    def add(self, event: OrderEventFrame) -> None:
        if self._losses == self._bridged:
            self._heard_until = max(self._heard_until, event.at)
        if len(self._waiting) < WAITING_MAX:
            self._waiting.append(event)
        else:
            self.end(OrderflowError(f"{WAITING_MAX} events wait to be read: too many"))
        self._changed.set()

    def lost(self) -> None:
        """A connection was lost, and frames with it; called before anything comes by the next one."""
        self._losses += 1

    def resumed(self) -> None:
        """The next connection is subscribed: what ended meanwhile is on record alone."""
        self._is_behind = True
        self._changed.set()

    def end(self, error: OrderflowError) -> None:
        self._error = error
        self._failed.set()
        self._changed.set()

    async def events(self) -> AsyncIterator[OrderEventFrame]:
        """Yield events, without end.

        Raises:
            OrderflowError: The client was closed, the credential is refused, or the reader is far behind.
        """
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._is_behind:
                self._is_behind = False
                losses = self._losses
                async for event in self._missed():
                    yield event
                self._bridged = losses
            while self._waiting:
                event = self._waiting.popleft()
                expected = self._last_seqs.get(event.order_id, 0) + 1
                if event.order_id in self._ended or event.seq < expected:
                    continue
                if event.seq == expected:
                    yield self._seen(event)
                    continue
                async for missed in self._recorded(event.order_id):
                    yield missed
            if self._error is not None:
                raise self._error

    async def _missed(self) -> AsyncIterator[OrderEventFrame]:
        for order_id in list(self._last_seqs):
            async for event in self._recorded(order_id):
                yield event
        for order_id in await self._until_read(self._unseen):
            async for event in self._recorded(order_id):
                yield event

    async def _unseen(self) -> Sequence[str]:
        """Return orders of which nothing came and something happened since the loss, oldest first."""
        since = max(self._heard_until - _OVERLAP, self._began_at)
        found: list[str] = []
        past = 0
        async with aclosing(self._orders()) as orders:
            async for order in orders:
                is_known = order.order_id in self._last_seqs or order.order_id in self._ended
                if order.updated_at > since and not is_known:
                    found.append(order.order_id)
                    past = 0
                elif order.accepted_at < since:
                    past += 1
                    if past == _PAST_MAX:
                        break
        return found[::-1]

    async def _recorded(self, order_id: str) -> AsyncIterator[OrderEventFrame]:
        async def following() -> Sequence[OrderEventFrame]:
            return await self._read(order_id, self._last_seqs.get(order_id, 0))

        while found := await self._until_read(following):
            for event in found:
                yield self._seen(event)
            if order_id in self._ended:
                return

    async def _until_read(self, read: Callable[[], Awaitable[Value]]) -> Value:
        """Read from the record, however long the engine is away: what is not read would be lost."""
        backoff = Backoff()
        while True:
            try:
                return await read()
            except MAY_PASS as error:
                # A refusal for longer than a call may take is told at once.
                asked_s = error.retry_after_s if isinstance(error, RefusedError) else None
            await pause(backoff.next_s(asked_s), self._failed)
            if self._error is not None:
                raise self._error

    def _seen(self, event: OrderEventFrame) -> OrderEventFrame:
        if event.status in FINAL:
            self._last_seqs.pop(event.order_id, None)
            self._ended[event.order_id] = event.at
            while len(self._ended) > _ENDED_KEPT and self._oldest_end < event.at - 2 * _OVERLAP:
                self._ended.popitem(last=False)
        else:
            self._last_seqs[event.order_id] = event.seq
        return event

    @property
    def _oldest_end(self) -> datetime:
        return next(iter(self._ended.values()))
