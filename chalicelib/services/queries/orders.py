"""Reading orders: one, a page of them, or an order's events, always within one account."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from chalicelib.domain.errors import Code, FieldError
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.orders import Order
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.ports import Clock, OrderQueries, OrderView
from chalicelib.services.wait_budget import WaitBudget, found_in_time
from chalicelib.wire.cursors import cursor_of, read_cursor

EVENTS_PER_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class OrderPage:
    """Orders, newest first, and where the next page begins; None after the last."""

    views: Sequence[OrderView]
    next_cursor: str | None


class ReadOrders:
    """What an account may know of its orders."""

    def __init__(
        self, queries: OrderQueries, clock: Clock, *, lookup_wait_ms: int, page_size_max: int
    ) -> None:
        self._queries = queries
        self._wait_budget = WaitBudget(clock)
        self._lookup_wait_s = lookup_wait_ms / 1000
        self._page_size_max = page_size_max

    def order(self, account_id: str, order_id: UUID) -> OrderView:
        """Return an order as it stands.

        Raises:
            NotFoundError: The account has no such order.
        """
        return self._found(account_id, order_id)

    def events(
        self, account_id: str, order_id: UUID, *, after_seq: int
    ) -> tuple[Order, Sequence[OrderEvent]]:
        """Return an order, and its events after one.

        Raises:
            NotFoundError: The account has no such order.
        """
        order = self._found(account_id, order_id).state.order
        return order, self._queries.events_after(order.order_id, after_seq, limit=EVENTS_PER_PAGE)

    def orders(
        self, account_id: str, *, status: OrderStatus | None, limit: int | None, cursor: str | None
    ) -> OrderPage:
        """Return a page of orders, newest first, and the cursor of the next one.

        Raises:
            FieldError: The limit or the cursor is out of bounds.
        """
        size = self._page_size_max if limit is None else limit
        if size > self._page_size_max:
            raise FieldError("limit", f"must be at most {self._page_size_max}", Code.PAGE_TOO_LARGE)
        if size < 1:
            raise FieldError("limit", "must be at least 1")
        before = None if cursor is None else read_cursor(cursor, UUID)
        views = self._queries.page(account_id, status=status, limit=size + 1, before=before)
        page = views[:size]
        if len(views) <= size:
            return OrderPage(page, None)
        last = page[-1].state.order
        return OrderPage(page, cursor_of(last.accepted_at, last.order_id))

    def _found(self, account_id: str, order_id: UUID) -> OrderView:
        """Return an order, waiting a little for one that was accepted and is not on record yet."""
        return found_in_time(
            lambda: self._queries.find(account_id, order_id),
            self._wait_budget,
            account_id,
            wait_s=self._lookup_wait_s,
        )
