"""Faults of the database within itself: they decide nothing of an order, and cost none beside it anything."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.errors import DatabaseInternalError
from chalicelib.domain.orders import Order
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.transactions import SignedTransaction, SwapInstruction
from chalicelib.services.consumer.dead_letter_batches import resolve_each
from chalicelib.services.consumer.dead_letters import COPIED_AFTER
from tests.fakes.consumer import LEASE_S, ConsumerOnFakes
from tests.fakes.orders import LIFE, an_order
from tests.unit.services.consumer.test_dead_letters import letter, of_order, reason

FAULT = DatabaseInternalError("the database failed within itself")


@pytest.fixture
def consumer() -> ConsumerOnFakes:
    return ConsumerOnFakes()


def failing(method: Callable[..., Any], calls: range) -> Callable[..., Any]:
    """Return a method of which such calls, counted from 0, fail and take no effect."""
    made = iter(range(10**6))

    def called(*args: object, **kwargs: object) -> object:
        if next(made) in calls:
            raise FAULT
        return method(*args, **kwargs)

    return called


def executed(consumer: ConsumerOnFakes, order: Order) -> None:
    """Deliver an order until its message has done its work."""
    for delivery in range(1, 20):
        (outcome,) = consumer.execute(order, delivery=delivery).values()
        if outcome.retry_in_s is None:
            return
        consumer.clock.sleep(outcome.retry_in_s)
    pytest.fail("the message comes back for ever")


@pytest.mark.parametrize("method", ["create", "record", "claim"])
@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize("times", [1, 2, 5])
def test_order_alone_in_its_batch_executes_once_the_database_has_recovered(
    consumer: ConsumerOnFakes, method: str, first: int, times: int
) -> None:
    order = replace(an_order(), valid_until=None)
    setattr(consumer.record, method, failing(getattr(consumer.record, method), range(first, first + times)))
    executed(consumer, order)
    assert consumer.statuses(order) == LIFE
    assert len(consumer.chain.signed) == len(set(consumer.chain.sent)) == 1


@pytest.mark.parametrize("method", ["sign", "view"])
def test_order_comes_back_whose_signing_or_confirming_such_a_fault_stopped(
    consumer: ConsumerOnFakes, method: str
) -> None:
    order = an_order()
    setattr(consumer.chain, method, failing(getattr(consumer.chain, method), range(2)))
    executed(consumer, order)
    assert consumer.statuses(order) == LIFE
    assert {event.attempt for event in consumer.tables.events[order.order_id]} == {1}


def test_orders_beside_one_that_the_database_always_fails_over_execute(consumer: ConsumerOnFakes) -> None:
    """As over a row that cannot be read: such an order is its queue's to give up, and not to end."""
    first, faulty, last = (an_order() for _ in range(3))
    sign = consumer.chain.sign

    def signed(instructions: Sequence[SwapInstruction]) -> Sequence[SignedTransaction]:
        if faulty.order_id in {each.order_id for each in instructions}:
            raise FAULT
        return sign(instructions)

    consumer.chain.sign = signed  # type: ignore[method-assign]
    outcomes = consumer.execute(first, faulty, last)
    assert [outcomes[each.order_id].retry_in_s for each in (first, faulty, last)] == [None, LEASE_S, None]
    assert [consumer.statuses(each) for each in (first, faulty, last)] == [LIFE, LIFE[:2], LIFE]


def test_dead_letter_stays_until_the_database_has_recovered(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    consumer.record.create = failing(consumer.record.create, range(1))  # type: ignore[method-assign]
    letters = [letter(of_order(order))]
    assert resolve_each(consumer.resolve_dead_letters, letters) == {"m1": False}
    assert consumer.statuses(order) == ()
    assert consumer.tables.dead_letters == {}
    assert resolve_each(consumer.resolve_dead_letters, letters) == {"m1": True}
    assert consumer.statuses(order)[-1] is OrderStatus.FAILED
    assert reason(consumer) == "received 10 times; the order ended as failed"


def test_copy_is_kept_of_a_dead_letter_that_the_database_fails_over_for_long(
    consumer: ConsumerOnFakes,
) -> None:
    """Its queue keeps it for a fortnight, and nothing else may know of its order."""
    consumer.record.create = failing(consumer.record.create, range(9))  # type: ignore[method-assign]
    consumer.clock.sleep(COPIED_AFTER.total_seconds() + 1)
    letters = [letter(of_order(an_order()))]
    assert resolve_each(consumer.resolve_dead_letters, letters) == {"m1": False}
    assert reason(consumer) == "the database failed within itself, so it stays"
