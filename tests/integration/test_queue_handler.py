"""The consumer as Lambda calls it: records of a real queue in, the partial batch response out."""

from uuid import uuid4

from chalicelib.domain.queue_messages import ResumeMessage
from chalicelib.domain.statuses import OrderStatus
from chalicelib.wire.queue_messages import render_message
from tests.fakes.orders import terms
from tests.integration.consumer import Consumer


def test_accepted_orders_are_confirmed_and_none_is_reported(consumer: Consumer) -> None:
    accept = consumer.services.submit_orders.submit
    order_ids = [accept(terms(amount_units=10**8 * n), "local").order_id for n in range(1, 6)]
    received, unfinished = consumer.run()
    assert len(received) == 5
    assert unfinished == []
    assert {consumer.status(order_id) for order_id in order_ids} == {OrderStatus.CONFIRMED}


def test_body_that_is_not_ours_is_reported_alone(consumer: Consumer) -> None:
    order = consumer.services.submit_orders.submit(terms(), "local")
    consumer.put("not ours", '{"kind":"unheard of"}')
    received, unfinished = consumer.run()
    assert len(received) == 3
    assert len(unfinished) == 2
    assert set(unfinished) < set(received)
    assert consumer.status(order.order_id) is OrderStatus.CONFIRMED


def test_batch_of_nothing_but_strangers_is_reported_whole_and_raises_nothing(consumer: Consumer) -> None:
    consumer.put("a", "b")
    received, unfinished = consumer.run()
    assert sorted(received) == sorted(unfinished)


def test_same_order_twice_in_a_batch_is_executed_once(consumer: Consumer) -> None:
    wish = terms(client_order_id="twice")
    first, second = (consumer.services.submit_orders.submit(wish, "local") for _ in range(2))
    assert first.order_id == second.order_id
    _, unfinished = consumer.run()
    assert unfinished == []
    events = consumer.services.queries.events_after(first.order_id, 0, limit=100)
    assert [event.status for event in events].count(OrderStatus.CONFIRMED) == 1
    assert len(events) == 6


def test_order_delivered_again_after_its_end_stays_as_it_was(consumer: Consumer) -> None:
    order = consumer.services.submit_orders.submit(terms(client_order_id="again"), "local")
    consumer.run()
    consumer.put(render_message(ResumeMessage(order_id=order.order_id)))
    _, unfinished = consumer.run()
    assert unfinished == []
    assert len(consumer.services.queries.events_after(order.order_id, 0, limit=100)) == 6


def test_order_that_nobody_knows_is_no_work(consumer: Consumer) -> None:
    consumer.put(render_message(ResumeMessage(order_id=uuid4())))
    _, unfinished = consumer.run()
    assert unfinished == []
