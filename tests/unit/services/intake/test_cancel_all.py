"""Canceling all: bounded, told, and honest about what is not known."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from chalicelib.domain.errors import RetryableError, UnansweredError, UnknownOutcomeError
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import Published
from chalicelib.domain.queue_messages import ResumeMessage
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.delivery.publisher import EventPublisher
from chalicelib.services.intake.cancel_all import CancelAllOrders, EndedOrder, OpenOrdersRecord, Unfinished
from chalicelib.services.ports import OrderQueries
from tests.contract.records import Store, in_memory
from tests.fakes.consumer import LEASE_S, ConsumerOnFakes
from tests.fakes.inline import Unobserved
from tests.fakes.open_orders import MemoryOpenOrders
from tests.fakes.orders import LIFE, VIEWS, an_order
from tests.fakes.ports import FakeConnections, FakeQueue, FrozenClock
from tests.fakes.subscriptions import MemorySubscriptions

ALL = OrderFilter()


class Desk:
    """The use case on a record in memory, with some open orders."""

    def __init__(self, orders: int, record: OpenOrdersRecord | None = None, *, per_call: int = 100) -> None:
        self.store: Store = in_memory()
        self.queue, self.connections = FakeQueue(), FakeConnections()
        self.orders = [
            self.store.created(an_order(), OrderStatus.PENDING, OrderStatus.OPEN, connection_id="c=")
            for _ in range(orders)
        ]
        created = [claimed.state for claimed in self.orders]
        self.store.open_orders.note_published(
            [Published(each.order.order_id, 0, each.seq) for each in created]
        )
        publisher = EventPublisher(self.store.subscriptions, self.connections, self.queue, VIEWS)
        self.use = CancelAllOrders(
            record or self.store.open_orders,
            self.store.queries,
            publisher,
            self.queue,
            Unobserved(),
            FrozenClock(),
            at_once=3,
            per_call=per_call,
        )


def test_all_are_canceled_and_their_subscribers_told() -> None:
    desk = Desk(7)
    done = desk.use.cancel_all("alice", ALL)
    assert (done.canceled, done.already_sent, done.has_more) == (7, [], False)
    frames = desk.connections.frames["c="]
    assert (len(frames), sum('"status":"canceled"' in frame for frame in frames)) == (7, 7)


def test_more_orders_than_all_looks_take_at_once_are_canceled_part_by_part() -> None:
    desk = Desk(20)
    done = desk.use.cancel_all("alice", ALL)
    assert (done.canceled, done.has_more) == (20, False)


@pytest.mark.parametrize("delivery", [1, 2])
def test_order_that_a_consumer_works_at_is_told_to_be_canceled_once(delivery: int) -> None:
    consumer, order = ConsumerOnFakes(), an_order()
    use = CancelAllOrders(
        MemoryOpenOrders(consumer.tables),
        consumer.queries,
        consumer.publisher,
        consumer.queue,
        Unobserved(),
        consumer.clock,
    )
    consumer.chain.before_signing = lambda: use.cancel_all(order.account_id, ALL)
    consumer.execute(order, delivery=delivery)
    consumer.clock.sleep(LEASE_S)
    consumer.execute(order, delivery=delivery + 1)

    told = [frame["status"] for frame in consumer.frames(order)]
    assert told.count("canceled") == 1
    assert list(dict.fromkeys(told)) == ["pending", "routing", "canceled"]


class Counting:
    """Queries that count the questions for events."""

    def __init__(self, queries: OrderQueries) -> None:
        self._queries, self.asked = queries, 0

    def __getattr__(self, name: str) -> object:
        self.asked += 1
        return getattr(self._queries, name)


@pytest.mark.parametrize(("untold", "asked"), [(0, 0), (1, 1), (3, 1)])
def test_what_was_not_told_of_a_page_of_orders_is_read_at_once(untold: int, asked: int) -> None:
    desk = Desk(3 - untold)
    orders = [
        desk.store.created(an_order(), OrderStatus.PENDING, OrderStatus.OPEN, connection_id="c=").state.order
        for _ in range(untold)
    ]
    queries: Any = Counting(desk.store.queries)
    desk.use._queries = queries
    assert (desk.use.cancel_all("alice", ALL).canceled, queries.asked) == (3, asked)
    frames = [json.loads(text) for text in desk.connections.frames["c="]]
    for order in orders:
        assert [
            (frame["seq"], frame["status"]) for frame in frames if frame["orderId"] == str(order.order_id)
        ] == [(1, "pending"), (2, "open"), (3, "canceled")]


def test_call_cancels_at_most_so_many_and_says_that_some_are_left() -> None:
    desk = Desk(7, per_call=5)
    first, second, third = (desk.use.cancel_all("alice", ALL) for _ in range(3))
    assert [(each.canceled, each.has_more) for each in (first, second, third)] == [
        (5, True),
        (2, False),
        (0, False),
    ]


def test_order_that_is_on_its_way_is_named() -> None:
    desk = Desk(1)
    sent = desk.store.moved(desk.store.created(an_order()), *LIFE[2:5]).state.order.order_id
    done = desk.use.cancel_all("alice", ALL)
    assert (done.canceled, done.already_sent) == (1, [sent])


class Writing:
    """A record of which a consumer holds one order for some looks."""

    def __init__(self, inner: OpenOrdersRecord, looks: int) -> None:
        self._inner, self._looks = inner, looks

    def cancel_some(
        self, account_id: str, wanted: OrderFilter, at: datetime, *, limit: int
    ) -> Sequence[EndedOrder]:
        self._looks -= 1
        return () if self._looks >= 0 else self._inner.cancel_some(account_id, wanted, at, limit=limit)

    def mark(self, account_id: str, wanted: OrderFilter, at: datetime) -> None:
        self._inner.mark(account_id, wanted, at)

    def note_published(self, published: Sequence[Published]) -> None:
        self._inner.note_published(published)

    def unfinished(self, account_id: str, wanted: OrderFilter, *, limit: int) -> Unfinished:
        return self._inner.unfinished(account_id, wanted, limit=limit)


@pytest.mark.parametrize(("looks", "canceled"), [(2, 1), (100, 0)])
def test_order_that_a_consumer_holds_is_looked_at_again_for_a_while(looks: int, canceled: int) -> None:
    desk = Desk(1)
    use = Desk(0, Writing(desk.store.open_orders, looks)).use
    done = use.cancel_all("alice", ALL)
    assert (done.canceled, done.has_more) == (canceled, not canceled)


class Failing(Writing):
    """A record that answers so many times, the mark once, and then fails."""

    def __init__(self, inner: OpenOrdersRecord, answers: int, fault: RetryableError) -> None:
        super().__init__(inner, 0)
        self._answers, self._fault = answers, fault

    def mark(self, account_id: str, wanted: OrderFilter, at: datetime) -> None:
        self._answer()
        super().mark(account_id, wanted, at)

    def cancel_some(
        self, account_id: str, wanted: OrderFilter, at: datetime, *, limit: int
    ) -> Sequence[EndedOrder]:
        self._answer()
        return super().cancel_some(account_id, wanted, at, limit=limit)

    def _answer(self) -> None:
        if not self._answers:
            raise self._fault
        self._answers -= 1


@pytest.mark.parametrize(
    ("answers", "fault", "kind"),
    [
        (0, RetryableError("unreachable"), RetryableError),
        (0, UnansweredError("no answer"), UnknownOutcomeError),
        (
            1,
            RetryableError("unreachable"),
            UnknownOutcomeError,
        ),  # it is marked: what is in the queue will end
        (2, RetryableError("unreachable"), UnknownOutcomeError),
    ],
)
def test_fault_is_a_refusal_only_if_nothing_is_or_will_be_canceled(
    answers: int, fault: RetryableError, kind: type[Exception]
) -> None:
    desk = Desk(7)
    use = Desk(0, Failing(desk.store.open_orders, answers, fault)).use
    with pytest.raises(kind):
        use.cancel_all("alice", ALL)


class Unreadable(MemorySubscriptions):
    """Subscriptions of a database that has just gone."""

    def of_orders(self, orders: Sequence[Order]) -> Sequence[object]:  # type: ignore[override]
        raise RetryableError(f"unreachable for {len(orders)} orders")


def test_cancels_that_could_not_be_told_are_told_by_a_consumer() -> None:
    desk = Desk(2)
    assert isinstance(desk.store.subscriptions, MemorySubscriptions)
    desk.store.subscriptions.__class__ = Unreadable
    assert desk.use.cancel_all("alice", ALL).canceled == 2
    assert desk.queue.messages == [
        ResumeMessage(order_id=claimed.state.order.order_id) for claimed in desk.orders
    ]
