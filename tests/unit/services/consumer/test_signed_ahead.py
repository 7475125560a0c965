"""New orders whose plans are there in time come on record with their transactions, others before them."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.errors import Code, RefusedError, RetryableError
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import NewOrder, Subscribed
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.consumer.batch import Incoming
from chalicelib.services.consumer.plans_ahead import PlansAhead
from chalicelib.services.consumer.signed_ahead import signed_ahead
from chalicelib.services.consumer.write_ahead import WriteAhead
from chalicelib.services.planning.venues import QuoteCollector
from tests.fakes.consumer import ConsumerOnFakes
from tests.fakes.inline import InOneThread
from tests.fakes.orders import LIFE, NOON, an_order
from tests.fakes.record import MemoryRecord

SENT = LIFE[:-1]


class Watched(MemoryRecord):
    """Keeps what orders came on record as."""

    created: list[NewOrder]

    def create(
        self, orders: Sequence[NewOrder], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        self.created = [*getattr(self, "created", []), *orders]
        return super().create(orders, lease_ms=lease_ms, subscribed=subscribed)


@pytest.fixture
def consumer() -> ConsumerOnFakes:
    return ConsumerOnFakes(Watched)


def first_steps(consumer: ConsumerOnFakes, order: Order) -> list[tuple[OrderStatus, ...]]:
    """Return the statuses that each attempt to put an order on record came with."""
    assert isinstance(consumer.record, Watched)
    return [
        tuple(event.status for event in new.events)
        for new in consumer.record.created
        if new.state.order.order_id == order.order_id
    ]


def test_order_comes_on_record_with_its_transaction_and_is_sent_after_that(consumer: ConsumerOnFakes) -> None:
    order, other = an_order(), an_order()
    consumer.execute(order, other)
    assert first_steps(consumer, order) == first_steps(consumer, other) == [SENT]
    assert consumer.statuses(order) == consumer.statuses(other) == LIFE
    assert [frame["seq"] for frame in consumer.frames(order)] == [1, 2, 3, 4, 5, 6]
    assert len(consumer.chain.sent) == len(consumer.chain.signed) == 2


def test_order_that_is_on_record_already_is_not_sent_again_and_its_neighbour_goes_on(
    consumer: ConsumerOnFakes,
) -> None:
    known, new = an_order(), an_order()
    consumer.execute(known)
    consumer.execute(known, new)
    assert consumer.statuses(known) == consumer.statuses(new) == LIFE
    assert len(consumer.chain.sent) == 2


def test_order_that_was_canceled_in_the_queue_with_all_others_is_not_sent(consumer: ConsumerOnFakes) -> None:
    order, spared = an_order(), an_order(account_id="bob")
    consumer.tables.cancel_marks[order.account_id, OrderFilter()] = NOON + timedelta(days=1)
    consumer.execute(order, spared)
    assert first_steps(consumer, order) == [SENT, (OrderStatus.PENDING, OrderStatus.ROUTING)]
    assert consumer.statuses(order) == (OrderStatus.PENDING, OrderStatus.ROUTING, OrderStatus.CANCELED)
    assert [frame["status"] for frame in consumer.frames(order)] == ["pending", "routing", "canceled"]
    assert consumer.statuses(spared) == LIFE
    assert len(consumer.chain.sent) == 1


@pytest.mark.parametrize(
    "fault", [RetryableError("no answer"), RefusedError(Code.NO_ROUTE, "no key"), KeyError("planted")]
)
def test_order_that_cannot_be_signed_is_claimed_first_and_ends_by_itself(
    consumer: ConsumerOnFakes, fault: Exception
) -> None:
    order = an_order()
    consumer.chain.faults["sign"] = fault
    consumer.execute(order)
    assert first_steps(consumer, order) == [(OrderStatus.PENDING, OrderStatus.ROUTING)]
    assert not consumer.chain.sent


def test_order_that_came_too_late_expires_unsigned(consumer: ConsumerOnFakes) -> None:
    order = replace(an_order(), valid_until=consumer.clock.now() - timedelta(seconds=1))
    consumer.execute(order)
    assert first_steps(consumer, order) == [(OrderStatus.PENDING, OrderStatus.EXPIRED)]
    assert not consumer.chain.signed


def test_batch_is_claimed_first_while_venues_take_their_time(consumer: ConsumerOnFakes) -> None:
    plans: Future[PlansAhead] = Future()
    collector = QuoteCollector([], InOneThread(), consumer.clock, time_limit_ms=0, valid_ms=0)
    write_ahead = WriteAhead(
        quote_collector=collector,
        chain=consumer.chain,
        tokens=load_tokens(),
        clock=consumer.clock,
        attempts_max=1,
    )
    order = an_order()
    assert signed_ahead([Incoming(order.order_id, order)], plans, write_ahead, consumer.clock.now()) == []
    assert not consumer.chain.signed
