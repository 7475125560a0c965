"""What happens to every order of the account: each event once, and each order's in order."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from orderflow_client.errors import OrderflowError
from orderflow_client.history import FINAL
from orderflow_client.models import OrderEventFrame

WAITING_MAX: Final = 100_000
"""Events that wait for who iterates; more end the iteration with an error."""

_ENDED_KEPT: Final = 10_000
"""Orders that ended lately, of which a frame may come again."""

Reader = Callable[[str, int], Awaitable[Sequence[OrderEventFrame]]]
"""Returns an order's events on record after one."""


class Feed:
    """Events as they come, sorted out for one iteration."""

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._waiting: deque[OrderEventFrame] = deque()
        self._last_seqs: dict[str, int] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._is_behind = False
        self._error: OrderflowError | None = None
        self._changed = asyncio.Event()

    def add(self, event: OrderEventFrame) -> None:
        if len(self._waiting) < WAITING_MAX:
            self._waiting.append(event)
        else:
            self._error = OrderflowError(f"{WAITING_MAX} events wait to be read: too many")
        self._changed.set()

    def resumed(self) -> None:
        """A connection was lost, and frames with it: what ended meanwhile is on record alone."""
        self._is_behind = True
        self._changed.set()

    def end(self, error: OrderflowError) -> None:
        self._error = error
        self._changed.set()

    async def events(self) -> AsyncIterator[OrderEventFrame]:
        """Yield events, without end.

        Raises:
            OrderflowError: The client was closed, the credential is refused, or the record cannot be read.
        """
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._is_behind:
                self._is_behind = False
                for order_id in list(self._last_seqs):
                    async for event in self._recorded(order_id):
                        yield event
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

    async def _recorded(self, order_id: str) -> AsyncIterator[OrderEventFrame]:
        while found := await self._read(order_id, self._last_seqs.get(order_id, 0)):
            for event in found:
                yield self._seen(event)
            if order_id in self._ended:
                return

    def _seen(self, event: OrderEventFrame) -> OrderEventFrame:
        if event.status in FINAL:
            self._last_seqs.pop(event.order_id, None)
            self._ended[event.order_id] = None
            if len(self._ended) > _ENDED_KEPT:
                self._ended.popitem(last=False)
        else:
            self._last_seqs[event.order_id] = event.seq
        return event
