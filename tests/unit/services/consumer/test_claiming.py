"""Claiming a batch: each order by one consumer at a time, and once."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from chalicelib.domain.progress import Claims, NewOrder, Subscribed
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import TimeInForce
from chalicelib.domain.transactions import SignatureStatus
from chalicelib.services.consumer.batch import MessageOutcome
from chalicelib.services.consumer.claiming import ExecutionLimits
from chalicelib.services.consumer.confirmation import DEADNESS_MARGIN_BLOCKS
from tests.fakes.consumer import LEASE_S, RETRY_DELAY_S, ConsumerOnFakes
from tests.fakes.market import VALIDITY_BLOCKS
from tests.fakes.orders import LIFE, an_order, changed
from tests.fakes.record import MemoryRecord


class Deaf(MemoryRecord):
    """A record that takes no new order."""

    def create(
        self, orders: Sequence[NewOrder], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        return super().create(orders[:0], lease_ms=lease_ms, subscribed=subscribed)


class Choking(MemoryRecord):
    """A record that has a defect with claims of one order."""

    poison: UUID | None = None

    def claim(self, order_ids: Sequence[UUID], *, lease_ms: int) -> Claims:
        if self.poison in order_ids:
            raise KeyError("planted")
        return super().claim(order_ids, lease_ms=lease_ms)


@pytest.fixture
def consumer() -> ConsumerOnFakes:
    return ConsumerOnFakes()


def test_order_that_another_consumer_has_claimed_is_left_alone(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    consumer.chain.before_sending = lambda: outcomes.append(consumer.execute(order, delivery=2))
    outcomes: list[object] = []
    consumer.execute(order)
    assert outcomes == [{order.order_id: MessageOutcome(LEASE_S, order)}]
    assert len(consumer.chain.signed) == len(consumer.chain.sent) == 1


def test_order_that_is_in_a_batch_twice_is_executed_once(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    consumer.execute(order, replace(order, submission_id=uuid4()))
    assert consumer.statuses(order) == LIFE
    assert len(consumer.chain.sent) == 1


def test_accepted_order_that_is_neither_taken_into_the_record_nor_there_comes_back() -> None:
    order = an_order()
    assert ConsumerOnFakes(Deaf).execute(order) == {order.order_id: MessageOutcome(LEASE_S)}


def test_order_that_cannot_be_claimed_for_a_defect_comes_back_and_no_other() -> None:
    consumer = ConsumerOnFakes(Choking)
    poison, sound = an_order(), an_order()
    consumer.chain.status = SignatureStatus.UNKNOWN
    consumer.execute(poison, sound)
    assert isinstance(consumer.record, Choking)
    consumer.record.poison = poison.order_id
    consumer.chain.status = SignatureStatus.LANDED
    outcomes = consumer.execute(poison, sound, delivery=2)
    assert outcomes[poison.order_id] == MessageOutcome(LEASE_S)
    assert (consumer.statuses(poison), consumer.statuses(sound)) == (LIFE[:-1], LIFE)


def test_pause_before_an_attempt_is_no_longer_for_refusals_at_the_limit_that_used_none_up() -> None:
    consumer = ConsumerOnFakes()
    limit = Limit("150", Rate.of(150, 1_000))
    order = changed(an_order(), limit=limit, slippage_bps=None, time_in_force=TimeInForce.GTC)
    consumer.chain.status = SignatureStatus.UNKNOWN
    consumer.execute(order)
    row = consumer.tables.orders[order.order_id]
    row.state = replace(row.state, attempt=31, refused_at_bound=30)
    consumer.chain.height += VALIDITY_BLOCKS + DEADNESS_MARGIN_BLOCKS + 1
    outcomes = consumer.execute(order, delivery=2)
    assert consumer.statuses(order)[-1] is OrderStatus.ROUTING
    assert outcomes[order.order_id].retry_in_s == RETRY_DELAY_S


def test_pause_before_an_attempt_is_doubled_each_time_and_a_lease_is_rounded_up() -> None:
    limits = ExecutionLimits(lease_ms=15_001, attempts_max=5, retry_delay_s=2, batch_hold_ms=0)
    assert [limits.backoff_s(attempt) for attempt in range(1, 6)] == [2, 2, 4, 8, 16]
    assert limits.lease_s == 16
