"""Publishing to batched connections: several events in one frame,
the acknowledgement ahead of them, nothing lost.
"""

import json
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import ClaimedOrder, Subscription
from chalicelib.domain.queue_messages import SubscribeMessage
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.delivery.dead_letter_subscribers import DeadLetterSubscribers
from chalicelib.services.delivery.publisher import EventPublisher
from chalicelib.services.delivery.replay import ReplayOrders, Subscriber
from tests.contract.records import in_memory
from tests.fakes.orders import LIFE, VIEWS, an_order
from tests.fakes.ports import FakeConnections, FakeQueue, FrozenClock


class Exchange:
    """The use cases on one store; the connection ``b=`` wants batches, ``c=`` does not."""

    def __init__(self) -> None:
        self.store = in_memory()
        self.connections, self.queue = FakeConnections(), FakeQueue()
        self.store.connected("b=", True)
        self.store.connected("c=", False)
        subscriptions = self.store.subscriptions
        self.publisher = EventPublisher(subscriptions, self.connections, self.queue, VIEWS)
        self.replay_orders = ReplayOrders(
            subscriptions, self.store.queries, self.connections, FrozenClock(), VIEWS, lookup_wait_ms=200
        )
        self.dead_letter_subscribers = DeadLetterSubscribers(subscriptions, self.connections, self.queue)

    def move(self, claimed: ClaimedOrder, *statuses: OrderStatus) -> ClaimedOrder:
        """Commit some events and hand them to the publisher; without any, what there is so far."""
        order, seq = claimed.state.order, claimed.state.seq if statuses else 0
        after = self.store.moved(claimed, *statuses)
        self.publisher.publish_buffered(
            [(order, self.store.queries.events_after(order.order_id, seq, limit=100))]
        )
        return after

    def frames(self, connection_id: str = "b=") -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.connections.frames.get(connection_id, [])]


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


def seen(frame: dict[str, Any]) -> list[tuple[str, int | None]]:
    """What a batch holds: kinds, and numbers of events."""
    assert frame["type"] == "batch"
    return [(member["type"], member.get("seq")) for member in frame["frames"]]


def deferred(order: Order, request_id: str = "r1") -> dict[Any, Acknowledgement]:
    return {order.order_id: Acknowledgement("b=", request_id)}


def test_buffered_events_of_several_commits_and_orders_leave_in_one_frame_in_their_order(
    exchange: Exchange,
) -> None:
    first = exchange.store.created(an_order(), connection_id="b=")
    second = exchange.store.created(an_order(), connection_id="b=")
    for claimed in (first, second):
        exchange.move(exchange.move(claimed, *LIFE[2:5]), LIFE[5])
    assert exchange.frames() == []
    exchange.publisher.flush()
    (frame,) = exchange.frames()
    assert seen(frame) == [("order", seq) for seq in (3, 4, 5, 6)] * 2


def test_member_of_a_batch_is_the_frame_that_others_get(exchange: Exchange) -> None:
    claimed = exchange.store.created(an_order(client_order_id="é"), connection_id="b=")
    exchange.replay_orders.replay(Subscriber("c=", "alice"), claimed.state.order.order_id, after_seq=2)
    exchange.move(claimed, *LIFE[2:])
    exchange.publisher.flush()
    (frame,) = exchange.frames()
    assert frame["frames"] == exchange.frames("c=")


def test_other_connections_do_not_wait_for_the_flush(exchange: Exchange) -> None:
    exchange.move(exchange.store.created(an_order(), connection_id="c="), *LIFE[2:])
    assert [frame["seq"] for frame in exchange.frames("c=")] == [3, 4, 5, 6]


def test_flush_sends_nothing_twice(exchange: Exchange) -> None:
    exchange.move(exchange.store.created(an_order(), connection_id="b="))
    exchange.publisher.flush()
    exchange.publisher.flush()
    assert len(exchange.frames()) == 1


def test_deferred_acknowledgement_goes_ahead_of_the_first_events(exchange: Exchange) -> None:
    order = an_order(client_order_id="mine")
    exchange.store.created(order, connection_id="b=")
    events = exchange.store.queries.events_after(order.order_id, 0, limit=9)
    exchange.publisher.publish([(order, events)], deferred(order))
    (frame,) = exchange.frames()
    assert seen(frame) == [("accepted", None), ("order", 1), ("order", 2)]
    assert frame["frames"][0] == {
        "type": "accepted",
        "requestId": "r1",
        "orderId": str(order.order_id),
        "clientOrderId": "mine",
        "at": "2026-01-01T12:00:00.000Z",
    }


def test_connection_that_could_not_be_noted_is_acknowledged_and_served_frame_by_frame(
    exchange: Exchange,
) -> None:
    order = an_order()
    exchange.store.created(order, connection_id="unnoted=")
    events = exchange.store.queries.events_after(order.order_id, 0, limit=9)
    exchange.publisher.publish([(order, events)], {order.order_id: Acknowledgement("unnoted=", None)})
    assert [frame["type"] for frame in exchange.frames("unnoted=")] == ["accepted", "order", "order"]


def test_connection_that_unsubscribed_is_still_acknowledged(exchange: Exchange) -> None:
    order = an_order()
    exchange.store.created(order)
    events = exchange.store.queries.events_after(order.order_id, 0, limit=9)
    exchange.publisher.publish([(order, events)], deferred(order))
    assert [seen(frame) for frame in exchange.frames()] == [[("accepted", None)]]


def test_subscriptions_that_are_known_are_not_asked_for(exchange: Exchange) -> None:
    claimed = exchange.store.created(an_order())
    order_id = claimed.state.order.order_id
    events = exchange.store.queries.events_after(order_id, 0, limit=9)
    known = {order_id: [Subscription(order_id, "c=", live=True, replayed_to=1)]}
    exchange.publisher.publish_buffered([(claimed.state.order, events)], subscribed=known)
    assert [frame["seq"] for frame in exchange.frames("c=")] == [2]


def test_subscription_that_was_read_before_a_miss_is_not_believed(exchange: Exchange) -> None:
    claimed = exchange.store.created(an_order(), connection_id="c=")
    order = claimed.state.order
    known = {order.order_id: [Subscription(order.order_id, "c=", live=True, replayed_to=0)]}
    events = exchange.store.queries.events_after(order.order_id, 0, limit=9)
    exchange.connections.slow.add("c=")
    exchange.publisher.publish_buffered([(order, events[:1])], subscribed=known)
    exchange.connections.slow.clear()
    exchange.publisher.publish_buffered([(order, events[1:])], subscribed=known)
    assert exchange.frames("c=") == []


def test_batch_that_is_not_delivered_marks_behind_every_order_in_it(exchange: Exchange) -> None:
    orders = [an_order(), an_order()]
    exchange.connections.slow.add("b=")
    for order in orders:
        exchange.move(exchange.store.created(order, connection_id="b="))
    exchange.publisher.flush()
    messages = exchange.queue.messages
    assert {(type(each), each.order_id) for each in messages if isinstance(each, SubscribeMessage)} == {
        (SubscribeMessage, order.order_id) for order in orders
    }
    assert [each.live for each in exchange.store.subscriptions.of_orders(orders)] == [False, False]


def test_catching_up_brings_the_acknowledgement_that_was_not_delivered(exchange: Exchange) -> None:
    order = an_order()
    claimed = exchange.store.created(order, connection_id="b=")
    exchange.connections.slow.add("b=")
    exchange.publisher.publish(
        [(order, exchange.store.queries.events_after(order.order_id, 0, limit=9))], deferred(order)
    )
    exchange.connections.slow.clear()
    exchange.store.moved(claimed, *LIFE[2:])
    (message,) = exchange.queue.messages
    assert isinstance(message, SubscribeMessage)
    exchange.replay_orders.replay(
        Subscriber("b=", "alice"),
        order.order_id,
        after_seq=message.after_seq,
        deferred_acknowledgement=message.deferred_acknowledgement,
    )
    (frame,) = exchange.frames()
    assert seen(frame) == [("accepted", None), *(("order", seq) for seq in range(1, 7))]


def test_replay_that_does_not_bring_an_deferred_acknowledgement_comes_back(exchange: Exchange) -> None:
    order = an_order()
    exchange.store.created(order, connection_id="b=")
    exchange.connections.slow.add("b=")
    with pytest.raises(RetryableError):
        exchange.replay_orders.replay(
            Subscriber("b=", "alice"),
            order.order_id,
            after_seq=0,
            deferred_acknowledgement=deferred(order)[order.order_id],
        )


def test_replay_is_greeted_plainly_and_then_batched(exchange: Exchange) -> None:
    claimed = exchange.store.created(an_order())
    exchange.store.moved(claimed, *LIFE[2:])
    exchange.replay_orders.subscribe(
        Subscriber("b=", "alice"), claimed.state.order.order_id, after_seq=1, request_id="r"
    )
    greeting, events = exchange.frames()
    assert greeting["type"] == "subscribed"
    assert seen(events) == [("order", seq) for seq in range(2, 7)]


def test_dead_letter_subscriber_is_acknowledged_and_waits_for_the_sweep(exchange: Exchange) -> None:
    order = an_order()
    exchange.store.created(order)
    exchange.dead_letter_subscribers.subscribe(
        "b=",
        order,
        after_seq=0,
        content_sha256=order.content_sha256,
        deferred_acknowledgement=deferred(order)[order.order_id],
    )
    assert [seen(frame) for frame in exchange.frames()] == [[("accepted", None)]]
    assert [each.live for each in exchange.store.subscriptions.of_orders([order])] == [False]


def test_dead_letter_subscriber_that_takes_no_acknowledgement_keeps_its_dead_letter(
    exchange: Exchange,
) -> None:
    order = an_order()
    exchange.store.created(order)
    exchange.connections.slow.add("b=")
    with pytest.raises(RetryableError):
        exchange.dead_letter_subscribers.subscribe(
            "b=",
            order,
            after_seq=0,
            content_sha256=order.content_sha256,
            deferred_acknowledgement=deferred(order)[order.order_id],
        )


def test_connection_that_asked_gets_the_event_although_it_does_not_subscribe(exchange: Exchange) -> None:
    order = an_order()
    exchange.store.created(order)
    (event, *_) = exchange.store.queries.events_after(order.order_id, 0, limit=1)
    exchange.publisher.publish_to(order, event, "c=", request_id="r1")
    exchange.publisher.publish_to(order, event, "b=", batched=True)
    assert [(frame["seq"], frame["requestId"]) for frame in exchange.frames("c=")] == [(1, "r1")]
    assert [seen(frame) for frame in exchange.frames("b=")] == [[("order", 1)]]


def test_connection_that_asked_and_subscribes_gets_the_event_once(exchange: Exchange) -> None:
    order = an_order()
    exchange.store.created(order, connection_id="c=")
    (event, *_) = exchange.store.queries.events_after(order.order_id, 0, limit=1)
    exchange.publisher.publish_to(order, event, "c=", request_id="r1")
    assert [(frame["seq"], frame["requestId"]) for frame in exchange.frames("c=")] == [(1, "r1")]


@pytest.mark.parametrize("is_replay_over", [False, True])
def test_connection_that_asked_while_it_is_caught_up_gets_its_answer(
    exchange: Exchange, is_replay_over: bool
) -> None:
    order = an_order()
    exchange.store.created(order)
    replay_id = uuid4()
    exchange.store.subscriptions.begin_replay(
        "c=", order.account_id, order.order_id, replay_id=replay_id, after_seq=0
    )
    *_, event = exchange.store.queries.events_after(order.order_id, 0, limit=9)
    if is_replay_over:
        # The replay has sent the event already, which did not know what it answers.
        assert exchange.store.subscriptions.go_live("c=", order.order_id, replay_id=replay_id, seq=event.seq)
    exchange.publisher.publish_to(order, event, "c=", request_id="r1")
    assert [(frame["seq"], frame["requestId"]) for frame in exchange.frames("c=")] == [(event.seq, "r1")]
