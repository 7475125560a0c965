"""Telling batched connections: several events in one frame, the acknowledgement ahead of them, nothing lost."""

import json
from typing import Any

import pytest

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import HeldOrder
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.following import Follower, FollowOrders
from chalicelib.services.latecomers import Latecomers
from chalicelib.services.telling import Teller
from chalicelib.wire.queue_messages import FollowMessage
from tests.contract.records import in_memory
from tests.fakes.orders import LIFE, an_order
from tests.fakes.outside import FakeConnections, FakeQueue, FrozenClock


class Exchange:
    """The use cases on one store; the connection ``b=`` wants batches, ``c=`` does not."""

    def __init__(self) -> None:
        self.store = in_memory()
        self.connections, self.queue = FakeConnections(), FakeQueue()
        self.store.connected("b=", True)
        self.store.connected("c=", False)
        subscriptions = self.store.subscriptions
        self.teller = Teller(subscriptions, self.connections, self.queue)
        self.following = FollowOrders(
            subscriptions, self.store.queries, self.connections, FrozenClock(), lookup_wait_ms=200
        )
        self.latecomers = Latecomers(subscriptions, self.connections)

    def hold(self, held: HeldOrder, *statuses: OrderStatus) -> HeldOrder:
        """Commit some events and hand them to the teller; without any, what there is so far."""
        order, seq = held.state.order, held.state.seq if statuses else 0
        after = self.store.moved(held, *statuses)
        self.teller.hold([(order, self.store.queries.events_after(order.order_id, seq, limit=100))])
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


def owed(order: Order, request_id: str = "r1") -> dict[Any, Acknowledgement]:
    return {order.order_id: Acknowledgement("b=", request_id)}


def test_held_events_of_several_commits_and_orders_leave_in_one_frame_in_their_order(
    exchange: Exchange,
) -> None:
    first = exchange.store.created(an_order(), connection_id="b=")
    second = exchange.store.created(an_order(), connection_id="b=")
    for held in (first, second):
        exchange.hold(exchange.hold(held, *LIFE[2:5]), LIFE[5])
    assert exchange.frames() == []
    exchange.teller.flush()
    (frame,) = exchange.frames()
    assert seen(frame) == [("order", seq) for seq in (3, 4, 5, 6)] * 2


def test_member_of_a_batch_is_the_frame_that_others_get(exchange: Exchange) -> None:
    held = exchange.store.created(an_order(client_order_id="é"), connection_id="b=")
    exchange.following.follow(Follower("c=", "alice"), held.state.order.order_id, after_seq=2)
    exchange.hold(held, *LIFE[2:])
    exchange.teller.flush()
    (frame,) = exchange.frames()
    assert frame["frames"] == exchange.frames("c=")


def test_other_connections_do_not_wait_for_the_flush(exchange: Exchange) -> None:
    exchange.hold(exchange.store.created(an_order(), connection_id="c="), *LIFE[2:])
    assert [frame["seq"] for frame in exchange.frames("c=")] == [3, 4, 5, 6]


def test_flush_sends_nothing_twice(exchange: Exchange) -> None:
    exchange.hold(exchange.store.created(an_order(), connection_id="b="))
    exchange.teller.flush()
    exchange.teller.flush()
    assert len(exchange.frames()) == 1


def test_owed_acknowledgement_goes_ahead_of_the_first_events(exchange: Exchange) -> None:
    order = an_order(client_order_id="mine")
    exchange.store.created(order, connection_id="b=")
    events = exchange.store.queries.events_after(order.order_id, 0, limit=9)
    exchange.teller.tell([(order, events)], owed(order))
    (frame,) = exchange.frames()
    assert seen(frame) == [("accepted", None), ("order", 1), ("order", 2)]
    assert frame["frames"][0] == {
        "type": "accepted",
        "requestId": "r1",
        "orderId": str(order.order_id),
        "clientOrderId": "mine",
        "at": "2026-01-01T12:00:00.000Z",
    }


def test_connection_that_could_not_be_noted_is_acknowledged_and_told_frame_by_frame(
    exchange: Exchange,
) -> None:
    order = an_order()
    exchange.store.created(order, connection_id="unnoted=")
    events = exchange.store.queries.events_after(order.order_id, 0, limit=9)
    exchange.teller.tell([(order, events)], {order.order_id: Acknowledgement("unnoted=", None)})
    assert [frame["type"] for frame in exchange.frames("unnoted=")] == ["accepted", "order", "order"]


def test_connection_that_stopped_following_is_still_acknowledged(exchange: Exchange) -> None:
    order = an_order()
    exchange.store.created(order)
    events = exchange.store.queries.events_after(order.order_id, 0, limit=9)
    exchange.teller.tell([(order, events)], owed(order))
    assert [seen(frame) for frame in exchange.frames()] == [[("accepted", None)]]


def test_batch_that_is_not_delivered_sets_back_every_order_in_it(exchange: Exchange) -> None:
    orders = [an_order(), an_order()]
    exchange.connections.slow.add("b=")
    for order in orders:
        exchange.hold(exchange.store.created(order, connection_id="b="))
    exchange.teller.flush()
    messages = exchange.queue.messages
    assert {(type(each), each.order_id) for each in messages if isinstance(each, FollowMessage)} == {
        (FollowMessage, order.order_id) for order in orders
    }
    assert [each.live for each in exchange.store.subscriptions.listeners(orders)] == [False, False]


def test_catching_up_brings_the_acknowledgement_that_was_not_delivered(exchange: Exchange) -> None:
    order = an_order()
    held = exchange.store.created(order, connection_id="b=")
    exchange.connections.slow.add("b=")
    exchange.teller.tell(
        [(order, exchange.store.queries.events_after(order.order_id, 0, limit=9))], owed(order)
    )
    exchange.connections.slow.clear()
    exchange.store.moved(held, *LIFE[2:])
    (message,) = exchange.queue.messages
    assert isinstance(message, FollowMessage)
    exchange.following.follow(
        Follower("b=", "alice"), order.order_id, after_seq=message.after_seq, owed=message.owed
    )
    (frame,) = exchange.frames()
    assert seen(frame) == [("accepted", None), *(("order", seq) for seq in range(1, 7))]


def test_replay_that_does_not_bring_an_owed_acknowledgement_comes_back(exchange: Exchange) -> None:
    order = an_order()
    exchange.store.created(order, connection_id="b=")
    exchange.connections.slow.add("b=")
    with pytest.raises(RetryableError):
        exchange.following.follow(
            Follower("b=", "alice"), order.order_id, after_seq=0, owed=owed(order)[order.order_id]
        )


def test_replay_is_greeted_plainly_and_then_batched(exchange: Exchange) -> None:
    held = exchange.store.created(an_order())
    exchange.store.moved(held, *LIFE[2:])
    exchange.following.subscribe(
        Follower("b=", "alice"), held.state.order.order_id, after_seq=1, request_id="r"
    )
    greeting, events = exchange.frames()
    assert greeting["type"] == "subscribed"
    assert seen(events) == [("order", seq) for seq in range(2, 7)]


def test_latecomer_is_acknowledged_and_waits_for_the_sweep(exchange: Exchange) -> None:
    order = an_order()
    exchange.store.created(order)
    exchange.latecomers.bring(
        "b=", order, after_seq=0, content_sha256=order.content_sha256, owed=owed(order)[order.order_id]
    )
    assert [seen(frame) for frame in exchange.frames()] == [[("accepted", None)]]
    assert [each.live for each in exchange.store.subscriptions.listeners([order])] == [False]


def test_latecomer_that_takes_no_acknowledgement_keeps_its_dead_letter(exchange: Exchange) -> None:
    order = an_order()
    exchange.store.created(order)
    exchange.connections.slow.add("b=")
    with pytest.raises(RetryableError):
        exchange.latecomers.bring(
            "b=", order, after_seq=0, content_sha256=order.content_sha256, owed=owed(order)[order.order_id]
        )
