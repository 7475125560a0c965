"""Canceling: what is known of it, and what is not."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import pytest

from chalicelib.domain.errors import NotFoundError, RetryableError, UnansweredError, UnknownOutcomeError
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.orders import Order
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.delivery.publisher import EventPublisher
from chalicelib.services.intake.cancel import CancelOrders, earlier_events
from tests.contract.records import in_memory
from tests.fakes.consumer import LEASE_S, ConsumerOnFakes
from tests.fakes.inline import Unobserved
from tests.fakes.orders import VIEWS, an_order
from tests.fakes.ports import FakeConnections, FakeQueue, FrozenClock
from tests.fakes.record import MemoryRecord


class Failing(MemoryRecord):
    """A record whose cancels come to nothing, or to something whose answer is lost."""

    fault: RetryableError

    def cancel(self, account_id: str, order_id: UUID, at: datetime) -> tuple[Order, OrderEvent] | None:
        del account_id, order_id, at
        raise self.fault


def cancel_orders(fault: RetryableError) -> tuple[CancelOrders, UUID]:
    store = in_memory()
    order = store.created(an_order()).state.order
    record = store.record
    assert isinstance(record, MemoryRecord)
    record.__class__ = Failing
    assert isinstance(record, Failing)
    record.fault = fault
    queries = store.queries
    publisher = EventPublisher(store.subscriptions, FakeConnections(), FakeQueue(), VIEWS)
    use = CancelOrders(record, queries, publisher, Unobserved(), FakeQueue(), FrozenClock(), lookup_wait_ms=0)
    return use, order.order_id


def test_cancel_whose_answer_is_lost_is_of_unknown_outcome() -> None:
    use, order_id = cancel_orders(UnansweredError("the database did not answer"))
    with pytest.raises(UnknownOutcomeError) as unknown:
        use.cancel("alice", order_id)
    assert unknown.value.order_id == order_id


@pytest.mark.parametrize("delivery", [1, 2])
def test_order_that_a_consumer_works_at_is_told_to_be_canceled_once(delivery: int) -> None:
    consumer, order = ConsumerOnFakes(), an_order()
    use = CancelOrders(
        consumer.record,
        consumer.queries,
        consumer.publisher,
        Unobserved(),
        consumer.queue,
        consumer.clock,
        lookup_wait_ms=0,
    )
    consumer.chain.before_signing = lambda: use.cancel(order.account_id, order.order_id)
    consumer.execute(order, delivery=delivery)
    consumer.clock.sleep(LEASE_S)
    consumer.execute(order, delivery=delivery + 1)

    told = [frame["status"] for frame in consumer.frames(order)]
    assert told.count("canceled") == 1
    assert list(dict.fromkeys(told)) == ["pending", "routing", "canceled"]


def test_cancel_that_did_not_reach_the_record_is_refused_in_passing() -> None:
    use, order_id = cancel_orders(RetryableError("the database is unreachable"))
    with pytest.raises(RetryableError):
        use.cancel("alice", order_id)


class Arriving(FrozenClock):
    """A clock that passes while an order comes on record."""

    def __init__(self, arrive: Callable[[], object]) -> None:
        super().__init__()
        self._arrive = arrive

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._arrive()


def test_order_that_comes_on_record_a_moment_later_is_canceled_all_the_same() -> None:
    store, order, found = in_memory(), an_order(), list[Order]()

    def arrive() -> None:
        if not found:
            found.append(store.created(order).state.order)

    connections, queue, clock = FakeConnections(), FakeQueue(), Arriving(arrive)
    publisher = EventPublisher(store.subscriptions, connections, queue, VIEWS)
    record, queries = store.record, store.queries
    use = CancelOrders(record, queries, publisher, Unobserved(), queue, clock, lookup_wait_ms=1_000)
    use.cancel(order.account_id, order.order_id, connection_id="c=")
    state = record.state(order.account_id, order.order_id)
    assert state is not None
    assert state.status is OrderStatus.CANCELED
    with pytest.raises(NotFoundError):
        use.cancel("mallory", order.order_id)


@pytest.mark.parametrize(("published_seq", "earlier"), [(0, [1, 2]), (1, [2]), (2, [])])
def test_events_ahead_of_an_orders_end_are_told_with_it_unless_they_were(
    published_seq: int, earlier: list[int]
) -> None:
    store = in_memory()
    order_id = store.created(an_order()).state.order.order_id
    ((events, after_seq),) = earlier_events(store.queries, [(order_id, published_seq, 3)])
    assert ([event.seq for event in events], after_seq) == (earlier, published_seq)
