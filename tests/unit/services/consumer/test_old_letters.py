"""What was sent back to the queue so late that nothing tells any more whether it was canceled meanwhile."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.errors import Code
from chalicelib.domain.orders import MARKS_KEPT, UNRECORDED_MAX, Order
from chalicelib.domain.queue_messages import FiredMessage
from chalicelib.domain.statuses import OrderStatus as Status
from chalicelib.services.consumer.batch import Incoming
from tests.fakes.consumer import ConsumerOnFakes
from tests.fakes.orders import LIFE, NOON, an_order
from tests.support.instance import REPOSITORY
from tests.unit.services.consumer.test_dead_letters import of_order, resolved
from tests.unit.services.consumer.test_waiting_dead_letters import until_canceled

QUEUES = ("OrdersQueue", "OrdersDeadLetterQueue")
TOO_LONG = UNRECORDED_MAX + timedelta(seconds=1)


def without_an_end() -> Order:
    """An order that would execute at once, whenever it comes."""
    return replace(an_order(), valid_until=None)


@pytest.mark.parametrize("delivery", [1, 2])
@pytest.mark.parametrize("order", [without_an_end(), until_canceled()], ids=["at once", "with a limit"])
def test_order_that_comes_later_than_marks_of_cancels_are_kept_ends_unexecuted_and_its_owner_is_told(
    order: Order, delivery: int
) -> None:
    consumer = ConsumerOnFakes()
    consumer.clock.sleep(TOO_LONG.total_seconds())
    outcomes = consumer.execute(order, delivery=delivery)
    assert outcomes[order.order_id].retry_in_s is None
    assert consumer.statuses(order) == (Status.PENDING, Status.FAILED)
    assert consumer.failure_code(order) == Code.RETRIES_EXHAUSTED
    assert not consumer.chain.signed


def test_order_that_comes_in_the_last_moment_executes() -> None:
    consumer, order = ConsumerOnFakes(), without_an_end()
    consumer.clock.sleep(UNRECORDED_MAX.total_seconds() - 1)
    consumer.execute(order)
    assert consumer.statuses(order) == LIFE


def test_dead_letter_that_comes_so_late_ends_its_order_too_and_puts_it_to_no_rest() -> None:
    consumer, order = ConsumerOnFakes(), until_canceled()
    consumer.clock.sleep(TOO_LONG.total_seconds())
    assert resolved(consumer, of_order(order))
    assert consumer.statuses(order) == (Status.PENDING, Status.FAILED)


def test_order_that_ends_before_that_has_expired() -> None:
    consumer, order = ConsumerOnFakes(), an_order()
    assert order.valid_until is not None
    assert order.valid_until < NOON + TOO_LONG
    consumer.clock.sleep(TOO_LONG.total_seconds())
    consumer.execute(order)
    assert consumer.statuses(order) == (Status.PENDING, Status.EXPIRED)


def test_order_that_rests_goes_on_however_old_it_is() -> None:
    consumer, order = ConsumerOnFakes(), until_canceled()
    assert resolved(consumer, of_order(order))
    consumer.clock.sleep(4 * TOO_LONG.total_seconds())
    consumer.price_watcher.look()
    (fired,) = consumer.queue.messages
    assert isinstance(fired, FiredMessage)
    consumer.execute_orders.execute([Incoming(fired.order_id, firing=fired.firing)])
    assert consumer.statuses(order) == (Status.PENDING, Status.OPEN, *LIFE[1:])


def test_no_queue_keeps_a_message_for_so_long_and_marks_stay_longer_than_that() -> None:
    resources = json.loads((REPOSITORY / "infra" / "deploy" / "queues.json").read_text())["Resources"]
    kept_s = [resources[name]["Properties"]["MessageRetentionPeriod"] for name in QUEUES]
    assert timedelta(seconds=max(kept_s)) <= UNRECORDED_MAX < MARKS_KEPT
