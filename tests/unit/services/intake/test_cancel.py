"""Canceling: what is known of it, and what is not."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import pytest

from chalicelib.domain.errors import RetryableError, UnansweredError, UnknownOutcomeError
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.orders import Order
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.delivery.publisher import EventPublisher
from chalicelib.services.intake.cancel import CancelOrders
from chalicelib.wire.queue_messages import OrderMessage
from tests.contract.records import in_memory
from tests.fakes.inline import Unobserved
from tests.fakes.orders import VIEWS, an_order
from tests.fakes.ports import FakeConnections, FakeQueue, FrozenClock
from tests.fakes.record import MemoryRecord
from tests.fakes.subscriptions import MemorySubscriptions


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
    publisher = EventPublisher(store.subscriptions, FakeConnections(), FakeQueue(), VIEWS)
    use = CancelOrders(record, publisher, Unobserved(), FakeQueue(), FrozenClock(), lookup_wait_ms=0)
    return use, order.order_id


def test_cancel_whose_answer_is_lost_is_of_unknown_outcome() -> None:
    use, order_id = cancel_orders(UnansweredError("the database did not answer"))
    with pytest.raises(UnknownOutcomeError) as unknown:
        use.cancel("alice", order_id)
    assert unknown.value.order_id == order_id


def test_cancel_that_did_not_reach_the_record_is_refused_in_passing() -> None:
    use, order_id = cancel_orders(RetryableError("the database is unreachable"))
    with pytest.raises(RetryableError):
        use.cancel("alice", order_id)


class Unreadable(MemorySubscriptions):
    """Subscriptions of a database that has just gone."""

    def of_orders(self, orders: Sequence[Order]) -> Sequence[object]:  # type: ignore[override]
        raise RetryableError(f"unreachable for {len(orders)} orders")


@pytest.mark.parametrize("is_queue_down", [False, True])
def test_cancel_of_a_resting_order_that_could_not_be_published_is_published_by_a_consumer(
    *, is_queue_down: bool
) -> None:
    store, queue = in_memory(), FakeQueue()
    queue.is_down = is_queue_down
    order = store.created(an_order(), OrderStatus.PENDING, OrderStatus.OPEN, connection_id="c=").state.order
    assert isinstance(store.subscriptions, MemorySubscriptions)
    store.subscriptions.__class__ = Unreadable
    publisher = EventPublisher(store.subscriptions, FakeConnections(), queue, VIEWS)
    use = CancelOrders(store.record, publisher, Unobserved(), queue, FrozenClock(), lookup_wait_ms=0)
    use.cancel("alice", order.order_id)
    told = [message.order for message in queue.messages if isinstance(message, OrderMessage)]
    assert told == ([] if is_queue_down else [order])
