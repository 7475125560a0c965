"""A transaction that goes on, as one that an operator left open, holds the row of an order: the orders that
come with it go on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text

from chalicelib.adapters.postgres.claims import LOCK_WAIT_MS
from chalicelib.domain.queue_messages import ResumeMessage
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.consumer.transitions import first_transition
from chalicelib.wire.queue_messages import render_message
from tests.fakes.orders import terms
from tests.integration.consumer import Consumer
from tests.integration.poison import an_order_now


@contextmanager
def held(consumer: Consumer, order_id: UUID) -> Iterator[None]:
    with consumer.services.engine.begin() as connection:
        connection.execute(text("SELECT FROM orders WHERE order_id = :id FOR UPDATE"), {"id": order_id})
        yield


def test_order_that_is_held_by_others_comes_back_and_the_nine_beside_it_are_confirmed(
    consumer: Consumer,
) -> None:
    use, order = consumer.services, an_order_now()
    use.record.create([first_transition(order, datetime.now(UTC), None)], lease_ms=0)
    others = [use.submit_orders.submit(terms(amount_units=10**8 + n), "local").order_id for n in range(9)]
    consumer.put(render_message(ResumeMessage(order_id=order.order_id)))
    with held(consumer, order.order_id):
        received, unfinished = consumer.run()
    assert (len(received), len(unfinished)) == (10, 1)
    assert {consumer.status(order_id) for order_id in others} == {OrderStatus.CONFIRMED}
    assert consumer.status(order.order_id) is OrderStatus.ROUTING
    consumer.put(render_message(ResumeMessage(order_id=order.order_id)))
    assert consumer.run()[1] == []
    assert consumer.status(order.order_id) is OrderStatus.CONFIRMED


def test_order_that_is_held_and_free_ones_are_claimed_apart(consumer: Consumer) -> None:
    use = consumer.services
    busy, free, ended = orders = [an_order_now() for _ in range(3)]
    use.record.create([first_transition(each, datetime.now(UTC), None) for each in orders], lease_ms=0)
    use.cancel_orders.cancel("local", ended.order_id)
    with held(consumer, busy.order_id), held(consumer, ended.order_id):
        claims = use.record.claim([each.order_id for each in orders], lease_ms=10 * LOCK_WAIT_MS)
    assert (set(claims.busy), set(claims.claimed), set(claims.final)) == (
        {busy.order_id},
        {free.order_id},
        {ended.order_id},
    )
    assert claims.claimed[free.order_id].fence == 2
