"""The client: one connection, and everything that the engine offers over it and over REST."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self, Unpack
from weakref import WeakValueDictionary

from orderflow_client.addresses import addresses
from orderflow_client.credentials import Credentials, TokenSource
from orderflow_client.errors import (
    MAY_PASS,
    ClientClosedError,
    ConflictError,
    NotFoundError,
    OrderflowError,
    ProtocolError,
    UnknownOutcomeError,
)
from orderflow_client.feed import Feed
from orderflow_client.feeds import Feeds
from orderflow_client.limits import Limits
from orderflow_client.models import (
    CancelAllFields,
    Markets,
    OrderBody,
    OrderEventFrame,
    OrderFields,
    OrderPage,
    OrderStatus,
    Preview,
    Quote,
    Readiness,
    SwapFields,
    Venues,
)
from orderflow_client.order_calls import Changes
from orderflow_client.orders import Order
from orderflow_client.requests import checked, order_path
from orderflow_client.rest import Rest
from orderflow_client.results import CanceledAll
from orderflow_client.session import Frame, Session
from orderflow_client.submissions import BatchResult, Submissions
from orderflow_client.tracking import Tracked
from orderflow_client.tries import Effect, Tries


class Client:
    """A trader's side of Orderflow, for asyncio. ``async with Client(url) as client``.

    Args:
        url: ``http://127.0.0.1:3000``, or the WebSocket's own ``wss://…/ws``.
        token: A bearer token, or a function (async or not) that returns a fresh one for each connection.
        rest_url: Where the REST API is, if not beside the WebSocket: on AWS each of the two has its own host.
        limits: Waits and sizes.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:3000",
        token: TokenSource = None,
        *,
        rest_url: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        where = addresses(url, rest_url)
        credentials = Credentials(token, where)
        self.limits: Final = limits or Limits()
        self._rest = Rest(where, credentials, self.limits)
        self._session = Session(
            where,
            credentials,
            self.limits,
            on_frame=self._on_frame,
            on_connected=self._resume,
            on_failed=self._end,
        )
        self._orders: WeakValueDictionary[str, Tracked] = WeakValueDictionary()
        self._submissions = Submissions(self._session, self, self._keep)
        self._feeds = Feeds(lambda: self._session.ask({"action": "subscribe"}, effect=Effect.NOTHING))
        self._connection = 0
        # What a caller asks for finds a turn also where thousands of orders are subscribed to again.
        self._resuming = asyncio.Semaphore(max(1, self.limits.in_flight_max // 2))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. Orders go on; who still waits for an event gets ``ClientClosedError``."""
        try:
            await self._session.close()
        finally:
            self._end(ClientClosedError("the client is closed"))
            await self._rest.close()

    @property
    def closed(self) -> OrderflowError | None:
        """Return why nothing comes any more, or None."""
        return self._session.failure

    async def submit(self, **order: Unpack[OrderFields]) -> Order:
        """Submit an order, and return once it is accepted: durable, and sure to reach a final status.

        Without a ``client_order_id`` one is made. The order is sent again under it until its outcome is
        known, so that it is accepted once or not at all.

        Raises:
            RefusedError: It was not accepted.
            UnknownOutcomeError: No answer within the time limit; ``client_order_id`` is its key.
            DisconnectedError: It was never sent.
        """
        return await self._submissions.submit(checked(OrderFields, order))

    async def submit_batch(self, orders: Iterable[OrderFields]) -> Sequence[BatchResult]:
        """Submit orders, twenty to a frame; return for each its handle, or why there is none.

        What ``submit`` raises is returned, for each order its own: others may be accepted by then.
        """
        return await self._submissions.submit_all([checked(OrderFields, order) for order in orders])

    async def preview(self, **order: Unpack[OrderFields]) -> Preview:
        """Return what an order would do; nothing is stored."""
        wire = checked(OrderFields, order)
        return Preview.from_wire(
            await self._session.ask({"action": "submit", **wire, "dryRun": True}, effect=Effect.NOTHING)
        )

    async def quote(self, **swap: Unpack[SwapFields]) -> Quote:
        """Return what an order would get now; nothing is stored."""
        return Quote.from_wire(await self._rest.ask("POST", "/quotes", body=checked(SwapFields, swap)))

    async def order(self, order_id: str) -> Order:
        """Return a handle on an order of this account.

        Raises:
            NotFoundError: There is none of that id.
        """
        found = await self.read_order(order_id)
        tracked = self._orders.get(found.order_id)
        if tracked is None:
            tracked = self._orders[found.order_id] = Tracked(is_submitted=False)
        return Order(self, found.order_id, found.client_order_id, tracked)

    async def orders(self, *, status: OrderStatus | str | None = None) -> AsyncGenerator[OrderBody, None]:
        """Yield the account's orders, newest first, page by page."""
        cursor: str | None = None
        while True:
            query = {"status": status and str(status), "cursor": cursor}
            page = OrderPage.from_wire(
                await self._rest.ask("GET", "/orders", query={k: v for k, v in query.items() if v})
            )
            for order in page.orders:
                yield order
            cursor = page.next_cursor
            if cursor is None:
                return

    async def events(self) -> AsyncGenerator[OrderEventFrame, None]:
        """Yield every order's events: what the unfinished ones had so far, then live ones, without end.

        Each once, and each order's in order, over lost connections, also those of an order that came and
        ended while there was none.

        Raises:
            OrderflowError: The client was closed, the credential is refused, or the reader is far behind.
        """
        feed = Feed(self.read_events, self.orders)
        try:
            await self._feeds.open(feed)
            async for event in feed.events():
                yield event
        finally:
            self._feeds.close(feed)

    async def cancel(self, order_id: str) -> OrderBody:
        """Cancel an order of which nothing is on its way to the chain; return it as it stands then.

        One that this client submitted, and whose handle is held, is waited for where it is in the queue
        still, up to the time limit.

        Raises:
            NotFoundError: There is none of that id, or none on record yet.
            OrderAlreadySentError: It may land.
            OrderAlreadyFinalError: It ended before.
            UnknownOutcomeError: No answer came within the time limit; read the order, or cancel it again.
        """
        try:
            return await self._cancel(order_id)
        except NotFoundError:
            if not await self._comes_on_record(order_id):
                raise
        return await self._cancel(order_id)

    async def _comes_on_record(self, order_id: str) -> bool:
        tracked = self._orders.get(order_id)
        if tracked is None or not tracked.is_submitted:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(self.limits.time_limit_s):
                await anext(aiter(Order(self, order_id, None, tracked).events()))
                return True
        return False

    async def _cancel(self, order_id: str) -> OrderBody:
        try:
            return OrderBody.from_wire(
                await self._rest.ask("DELETE", order_path(order_id), effect=Effect.SAME)
            )
        except UnknownOutcomeError as unknown:
            # Canceling twice is canceling once, but what the second is told is that the order is final.
            refusal = unknown.__cause__
            if not isinstance(refusal, ConflictError):
                raise
            try:
                found = await self.read_order(order_id)
            except OrderflowError as fault:
                raise unknown from fault
            if found.status != OrderStatus.CANCELED:
                raise refusal from None
            return found

    async def cancel_all(self, **which: Unpack[CancelAllFields]) -> CanceledAll:
        """Cancel every order of the account, or those of a pair or of some types.

        Raises:
            UnknownOutcomeError: No answer came. Sent again, it could meet orders that are to stay.
        """
        frame = {"action": "cancelAll", **checked(CancelAllFields, which)}
        answer = await self._session.ask(frame, effect=Effect.ANOTHER)
        sent = answer.get("alreadySent") or ()
        try:
            return CanceledAll(
                canceled=int(answer["canceled"]),
                already_sent=tuple(str(each) for each in sent),
                more=answer.get("more") is True,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ProtocolError("the answer to cancelAll has no count") from error

    async def amend(self, order_id: str, **changes: Unpack[Changes]) -> OrderBody:
        """Change an order that is ``open``; return it as it stands then.

        Raises:
            ConflictError: It is not open, or not at ``if_seq`` any more.
            UnknownOutcomeError: No answer came; read the order.
        """
        wire = checked(Changes, changes)
        # With ifSeq, a second time would be refused for what the first did.
        effect = Effect.ANOTHER if "ifSeq" in wire else Effect.SAME
        return OrderBody.from_wire(
            await self._rest.ask("PATCH", order_path(order_id), body=wire, effect=effect)
        )

    async def markets(self) -> Markets:
        """Return each pair's mark, best rates both ways, and their age."""
        return Markets.from_wire(await self._rest.ask("GET", "/markets"))

    async def venues(self) -> Venues:
        """Return venues with their pools, and all tokens."""
        return Venues.from_wire(await self._rest.ask("GET", "/venues"))

    async def health(self) -> Readiness:
        """Return whether the engine's database and queue answer."""
        return Readiness.from_wire(await self._rest.ask("GET", "/health/ready", answers=frozenset({503})))

    async def read_order(self, order_id: str) -> OrderBody:
        """Return an order as it stands on record.

        Raises:
            NotFoundError: There is none of that id.
        """
        return OrderBody.from_wire(await self._rest.ask("GET", order_path(order_id)))

    async def read_events(self, order_id: str, after_seq: int) -> Sequence[OrderEventFrame]:
        """Return the next events on record after one: at most a page, and none only if there are no more."""
        answer = await self._rest.ask(
            "GET", f"{order_path(order_id)}/events", query={"afterSeq": str(after_seq)}, is_look=True
        )
        return tuple(OrderEventFrame.from_wire(each) for each in answer.get("events", ()))

    async def follow(self, order_id: str, tracked: Tracked) -> None:
        """Subscribe to an order, unless this connection is already."""
        self._session.start()
        if tracked.history.is_final or (tracked.connection and tracked.connection == self._connection):
            return
        # Where that is refused, its events are read from the record, and after each look it is tried again.
        with suppress(*MAY_PASS):
            await self._subscribe(order_id, tracked)

    async def _subscribe(self, order_id: str, tracked: Tracked) -> None:
        frame = {"action": "subscribe", "orderId": order_id, "afterSeq": tracked.history.last_seq}
        number = self._connection
        try:
            await self._session.ask(frame, effect=Effect.NOTHING)
        except NotFoundError:
            if not tracked.is_submitted:
                raise
            return  # it is in the queue still, and is subscribed to once it is on record
        tracked.connection = number or self._connection

    async def _follow_on(self, order_id: str, tracked: Tracked) -> None:
        """Subscribe on a new connection, for as long as it takes; its loss cancels this."""
        while not tracked.history.is_final:
            try:
                async with self._resuming:
                    await self._subscribe(order_id, tracked)
            except OrderflowError as error:
                if not Tries(Effect.NOTHING).may_follow(error):
                    raise
            else:
                return

    def _end(self, why: OrderflowError) -> None:
        """Have all that wait for events know that none will come."""
        for tracked in list(self._orders.values()):
            tracked.ring()
        self._feeds.end(why)

    def _keep(self, order_id: str, tracked: Tracked) -> Tracked:
        kept = self._orders.setdefault(order_id, tracked)
        kept.connection = self._connection
        return kept

    def _on_frame(self, frame: Frame) -> None:
        kind = frame.get("type")
        if kind == "order":
            self._on_event(frame)
        elif kind == "error":
            self._submissions.refuse_late(frame)

    def _on_event(self, frame: Frame) -> None:
        try:
            event = OrderEventFrame.from_wire(frame)
        except ProtocolError:
            return  # as a frame that was lost: the record is asked for it
        self._feeds.add(event)
        tracked = self._orders.get(event.order_id)
        if tracked is None and (tracked := self._submissions.overtaken_by(event, frame)) is not None:
            self._orders[event.order_id] = tracked
        if tracked is not None:
            tracked.add(event)

    async def _resume(self) -> None:
        """Subscribe again to everything that is followed and not finished, from where it stood."""
        self._connection += 1
        following = dict(self._orders).items()
        feeds = [self._feeds.resume()] if self._connection > 1 else []
        await asyncio.gather(
            *feeds,
            *(self._follow_on(order_id, each) for order_id, each in following),
            return_exceptions=True,
        )
