"""Claiming a batch: each order by one consumer at a time, and once."""

from dataclasses import replace
from uuid import uuid4

import pytest

from chalicelib.services.consumer.batch import MessageOutcome
from chalicelib.services.consumer.claiming import ExecutionLimits
from tests.fakes.consumer import LEASE_S, ConsumerOnFakes
from tests.fakes.orders import LIFE, an_order


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


def test_pause_before_an_attempt_is_doubled_each_time_and_a_lease_is_rounded_up() -> None:
    limits = ExecutionLimits(lease_ms=15_001, attempts_max=5, retry_delay_s=2, batch_hold_ms=0)
    assert [limits.backoff_s(attempt) for attempt in range(1, 6)] == [2, 2, 4, 8, 16]
    assert limits.lease_s == 16
