"""The same client for programs without asyncio: ``from orderflow_client.sync import Client``.

A thread of its own runs the asynchronous client; every call here waits for it. Safe to share between threads.
"""

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack

from orderflow_client import client as asynchronous
from orderflow_client import orders as asynchronous_orders
from orderflow_client.credentials import TokenSource
from orderflow_client.errors import ClientClosedError, OrderflowError, WithinTokenError
from orderflow_client.limits import Limits
from orderflow_client.models import (
    CancelAllFields,
    Markets,
    OrderBody,
    OrderEventFrame,
    OrderFields,
    OrderStatus,
    Preview,
    Quote,
    Readiness,
    SwapFields,
    Venues,
)
from orderflow_client.order_calls import Changes
from orderflow_client.results import CanceledAll

Value = TypeVar("Value")

_END: Final = object()
_END_WITHIN_S: Final = 2.0


class Client:
    """``orderflow_client.Client``, each method of which waits. ``with Client(url) as client``."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:3000",
        token: TokenSource = None,
        *,
        rest_url: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        # Held while a call is handed to the thread: none comes behind the end. A signal's handler, or a
        # generator that is collected, may call amid another call of its thread.
        self._handing_over = threading.RLock()
        self._closing: Future[None] | None = None
        self._is_ending = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_run, args=(self._loop,), name="orderflow client", daemon=True)
        self._thread.start()

        async def make() -> asynchronous.Client:
            return asynchronous.Client(url, token, rest_url=rest_url, limits=limits)

        try:
            self._client = self.wait(make())
        except BaseException:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and end the thread; orders go on.

        An interrupt ends the wait for that, not the closing.
        """
        if threading.current_thread() is self._thread:
            raise WithinTokenError
        if not self._thread.is_alive():
            return  # as in a process that was forked: the threads stay with the other one
        with self._handing_over:
            if self._closing is None:
                self._closing = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        self._thread.join()
        if self._closing.done():
            self._closing.result()

    def submit(self, **order: Unpack[OrderFields]) -> "Order":
        return Order(self, self.wait(self._client.submit(**order)))

    def submit_batch(self, orders: Iterable[OrderFields]) -> Sequence["Order | OrderflowError"]:
        results = self.wait(self._client.submit_batch(orders))
        return [
            Order(self, each) if isinstance(each, asynchronous_orders.Order) else each for each in results
        ]

    def preview(self, **order: Unpack[OrderFields]) -> Preview:
        return self.wait(self._client.preview(**order))

    def quote(self, **swap: Unpack[SwapFields]) -> Quote:
        return self.wait(self._client.quote(**swap))

    def order(self, order_id: str) -> "Order":
        return Order(self, self.wait(self._client.order(order_id)))

    def orders(self, *, status: OrderStatus | str | None = None) -> Generator[OrderBody, None, None]:
        return self.each(lambda: self._client.orders(status=status))

    def events(self) -> Generator[OrderEventFrame, None, None]:
        return self.each(self._client.events)

    def cancel(self, order_id: str) -> OrderBody:
        return self.wait(self._client.cancel(order_id))

    def cancel_all(self, **which: Unpack[CancelAllFields]) -> CanceledAll:
        return self.wait(self._client.cancel_all(**which))

    def amend(self, order_id: str, **changes: Unpack[Changes]) -> OrderBody:
        return self.wait(self._client.amend(order_id, **changes))

    def markets(self) -> Markets:
        return self.wait(self._client.markets())

    def venues(self) -> Venues:
        return self.wait(self._client.venues())

    def health(self) -> Readiness:
        return self.wait(self._client.health())

    def wait(self, doing: Coroutine[Any, Any, Value]) -> Value:
        """Return what a call of the asynchronous client returns; an interrupt cancels it.

        Raises:
            WithinTokenError: The caller is in the client's thread, as what makes its token is.
        """
        if threading.current_thread() is self._thread:
            doing.close()
            raise WithinTokenError
        closed = ClientClosedError("the client is closed")
        if not self._thread.is_alive():
            doing.close()
            raise closed
        with self._handing_over:
            if self._closing is not None:
                doing.close()
                raise closed
            try:
                # The thread may not have begun yet; it finds what waits for it.
                future = asyncio.run_coroutine_threadsafe(doing, self._loop)
            except RuntimeError:
                # A signal's handler closed the client between these lines.
                doing.close()
                raise closed from None
        try:
            return future.result()
        except CancelledError:
            # ``close`` did, in another thread. What is canceled below is not waited for any more.
            raise closed from None
        except BaseException:
            future.cancel()
            raise

    def each(self, begin: Callable[[], AsyncGenerator[Value, None]]) -> Generator[Value, None, None]:
        """Yield what an asynchronous generator yields."""
        iterator = begin()

        async def following() -> Any:
            try:
                return await anext(iterator)
            except StopAsyncIteration:
                return _END

        async def end() -> None:
            await iterator.aclose()

        try:
            while (found := self.wait(following())) is not _END:
                yield found
        finally:
            # One that is left over is ended where it is collected, and the thread cannot wait for itself;
            # while the interpreter ends, it does nothing any more.
            if threading.current_thread() is self._thread:
                self._loop.create_task(end())
            elif not sys.is_finalizing():
                with suppress(ClientClosedError):
                    self.wait(end())

    async def _end(self) -> None:
        """End by itself, so that a close which is interrupted, or called amid another, finds an end."""
        if self._is_ending:
            return  # handed over twice: the first was interrupted before it could be noted
        self._is_ending = True
        try:
            await self._client.close()
        finally:
            await _end_of_others()
            # What waits for this is told in the same turn of the loop.
            self._loop.call_soon(self._loop.stop)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


async def _end_of_others() -> None:
    """Let what other threads wait for end by its own error, as it does once the client is closed."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, late = await asyncio.wait(others, timeout=_END_WITHIN_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


class Order:
    """``orderflow_client.Order``, each method of which waits."""

    def __init__(self, client: Client, order: asynchronous_orders.Order) -> None:
        self._client = client
        self._order = order

    def __repr__(self) -> str:
        return repr(self._order)

    @property
    def id(self) -> str:
        return self._order.id

    @property
    def client_order_id(self) -> str | None:
        return self._order.client_order_id

    @property
    def status(self) -> str | None:
        return self._order.status

    @property
    def is_final(self) -> bool:
        return self._order.is_final

    @property
    def last_event(self) -> OrderEventFrame | None:
        return self._order.last_event

    def events(self, *, after_seq: int = 0) -> Generator[OrderEventFrame, None, None]:
        return self._client.each(lambda: self._order.events(after_seq=after_seq))

    def result(self) -> OrderEventFrame:
        return self._client.wait(self._order.result())

    def read(self) -> OrderBody:
        return self._client.wait(self._order.read())

    def cancel(self) -> OrderBody:
        return self._client.wait(self._order.cancel())

    def amend(self, **changes: Unpack[Changes]) -> OrderBody:
        return self._client.wait(self._order.amend(**changes))
