"""An order of this account, to be followed and changed."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final, Unpack

from orderflow_client.backoff import Backoff
from orderflow_client.errors import MAY_PASS, NotFoundError, ProtocolError
from orderflow_client.history import FINAL
from orderflow_client.models import OrderBody, OrderEventFrame
from orderflow_client.order_calls import Changes, OrderCalls
from orderflow_client.tracking import Tracked


class Order:
    """A handle on an order. While it is held, its events are gathered; ``events`` shows them all the same.

    Attributes:
        id: The engine's id of it.
        client_order_id: The key that it was submitted under, if there is one.
    """

    def __init__(
        self, client: OrderCalls, order_id: str, client_order_id: str | None, tracked: Tracked
    ) -> None:
        self.id: Final = order_id
        self.client_order_id: Final = client_order_id
        self._client = client
        self._tracked = tracked

    def __repr__(self) -> str:
        return f"<Order {self.id} {self.status or 'accepted'}>"

    @property
    def last_event(self) -> OrderEventFrame | None:
        """Return the newest event that has come."""
        return self._tracked.history.last

    @property
    def status(self) -> str | None:
        last = self.last_event
        return None if last is None else last.status

    @property
    def is_final(self) -> bool:
        return self._tracked.history.is_final

    async def events(self, *, after_seq: int = 0) -> AsyncGenerator[OrderEventFrame, None]:
        """Yield every event after one, each once and in order; end after the final one.

        Lost connections, doubled frames and missing ones do not show. Any number may iterate side by side.

        Raises:
            OrderflowError: The client was closed, or the credential is refused.
        """
        seen, quiet = after_seq, self._quiet()
        await self._client.follow(self.id, self._tracked)
        while True:
            bell = self._tracked.bell
            found = await self._known(seen)
            for event in found:
                seen = event.seq
                yield event
                if event.status in FINAL:
                    return
            if found:
                quiet = self._quiet()
            elif self.is_final and seen >= self._tracked.history.last_seq:
                return
            elif (error := self._tracked.error or self._client.closed) is not None:
                raise error
            elif not await self._rings(bell, quiet):
                await self._catch_up()

    async def result(self) -> OrderEventFrame:
        """Wait for the final event, and return it: ``confirmed``, ``failed``, ``canceled`` or ``expired``."""
        async for event in self.events(after_seq=max(0, self._tracked.history.last_seq - 1)):
            if event.status in FINAL:
                return event
        last = self.last_event
        assert last is not None, "an iteration ends after a final event"
        return last

    async def read(self) -> OrderBody:
        """Return the order as it stands on record."""
        return await self._client.read_order(self.id)

    async def cancel(self) -> OrderBody:
        """Cancel it; see ``Client.cancel``."""
        return await self._client.cancel(self.id)

    async def amend(self, **changes: Unpack[Changes]) -> OrderBody:
        """Change it; see ``Client.amend``."""
        return await self._client.amend(self.id, **changes)

    def _quiet(self) -> Backoff:
        limits = self._client.limits
        return Backoff(first_s=limits.quiet_s, most_s=limits.quiet_most_s)

    async def _known(self, seen: int) -> Sequence[OrderEventFrame]:
        found = self._tracked.history.after(seen)
        if found is not None:
            return found
        try:
            return await self._client.read_events(self.id, seen)
        except MAY_PASS:
            return ()

    async def _rings(self, bell: asyncio.Event, quiet: Backoff) -> bool:
        limits = self._client.limits
        wait_s = limits.gap_s if self._tracked.history.has_gap else quiet.next_s()
        try:
            async with asyncio.timeout(wait_s):
                return await bell.wait()
        except TimeoutError:
            return False

    async def _catch_up(self) -> None:
        """Ask the record for what no frame brought: a lost frame has no successor that would show the gap."""
        asked = self._tracked.history.last_seq
        try:
            while found := await self._client.read_events(self.id, asked):
                if found[0].seq <= asked:
                    raise ProtocolError("the engine sent events that were not asked for")
                for event in found:
                    self._tracked.add(event)
                asked = found[-1].seq
            if asked:
                # What could not be subscribed to, as an order in the queue, can be once it is on record.
                await self._client.follow(self.id, self._tracked)
        except MAY_PASS:
            pass
        except NotFoundError:
            if not self._tracked.is_submitted:
                raise
