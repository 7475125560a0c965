"""Connections that a dead letter had promised an order's events.

The sweep finds them, or they are refused.
"""

import json
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.errors import Code, ExecutionError, RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import Subscription
from chalicelib.domain.queue_messages import SubscribeMessage
from chalicelib.services.delivery.dead_letter_subscribers import DeadLetterSubscribers
from chalicelib.services.subscription_ports import Missed
from tests.contract.records import in_memory
from tests.fakes.orders import LIFE, an_order
from tests.fakes.ports import FakeConnections, FakeQueue


class Room:
    """An order on record, of three events unless told otherwise, submitted by ``c=``."""

    def __init__(self, events: int = 3) -> None:
        self.store, self.connections, self.queue = in_memory(), FakeConnections(), FakeQueue()
        self.order = self.store.created(an_order(), *LIFE[:events], connection_id="c=").state.order
        self._subscribers = DeadLetterSubscribers(self.store.subscriptions, self.connections, self.queue)

    def subscribe(self, connection_id: str = "d=", content_sha256: str | None = None, **more: Any) -> None:
        self._subscribers.subscribe(
            connection_id, self.order, after_seq=2, content_sha256=content_sha256, **more
        )

    def go_live(self, connection_id: str, seq: int) -> None:
        replay_id, subscriptions = uuid4(), self.store.subscriptions
        subscriptions.begin_replay(
            connection_id, self.order.account_id, self.order.order_id, replay_id=replay_id, after_seq=seq
        )
        assert subscriptions.go_live(connection_id, self.order.order_id, replay_id=replay_id, seq=seq)

    def refuse(self, order: Order) -> None:
        refusal = ExecutionError(Code.INTERNAL_ERROR, "no")
        self._subscribers.refuse("d=", "r1", refusal, order.order_id)

    def subscription(self, connection_id: str = "d=") -> Subscription | None:
        found = self.store.subscriptions.of_orders([self.order])
        return next((each for each in found if each.connection_id == connection_id), None)

    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.connections.frames.get("d=", [])]


@pytest.fixture
def room() -> Room:
    return Room()


def test_connection_waits_for_the_sweep_behind_what_it_has_seen(room: Room) -> None:
    room.subscribe()
    assert room.subscription() == Subscription(room.order.order_id, "d=", live=False, replayed_to=2)
    assert room.frames() == []
    assert room.queue.messages == []


def test_connection_that_was_live_is_caught_up_at_once_and_only_once(room: Room) -> None:
    room.go_live("e=", seq=3)
    room.subscribe("e=")
    room.subscribe("e=")  # the message has died as well
    assert room.queue.messages == [
        SubscribeMessage(
            connection_id="e=",
            account_id=room.order.account_id,
            order_id=room.order.order_id,
            after_seq=2,
        )
    ]


def test_connection_that_was_live_is_left_to_the_sweep_where_the_queue_is_down(room: Room) -> None:
    room.go_live("e=", seq=3)
    room.queue.is_down = True
    room.subscribe("e=")
    assert room.subscription("e=") == Subscription(room.order.order_id, "e=", live=False, replayed_to=2)


def test_connection_that_is_subscribed_already_stays_as_it_is(room: Room) -> None:
    before = room.subscription("c=")
    room.subscribe("c=")
    assert room.subscription("c=") == before


def test_connection_that_began_to_see_all_orders_when_this_one_had_ended_is_caught_up() -> None:
    room = Room(len(LIFE))
    room.store.subscriptions.subscribe_account("d=", room.order.account_id)
    room.subscribe()
    assert room.subscription() == Subscription(room.order.order_id, "d=", live=False, replayed_to=2)


def test_connection_that_saw_the_order_from_a_later_event_on_is_caught_up(room: Room) -> None:
    room.go_live("d=", seq=3)
    room.store.subscriptions.mark_behind([Missed("d=", room.order, 3)])
    room.subscribe()
    assert room.subscription() == Subscription(room.order.order_id, "d=", live=False, replayed_to=2)


def test_same_terms_are_subscribed_and_other_terms_are_refused(room: Room) -> None:
    room.subscribe(content_sha256=room.order.content_sha256)
    assert room.subscription() is not None
    other = Room()
    other.subscribe(content_sha256="0" * 64, request_id="r1")
    assert other.subscription() is None
    (frame,) = other.frames()
    assert (frame["code"], frame["requestId"]) == ("CLIENT_ORDER_ID_CONFLICT", "r1")


def test_deferred_acknowledgement_is_delivered_here(room: Room) -> None:
    room.subscribe(deferred_acknowledgement=Acknowledgement("d=", "r7"))
    (frame,) = room.frames()
    (member,) = frame["frames"]
    assert (member["type"], member["requestId"]) == ("accepted", "r7")
    assert member["orderId"] == str(room.order.order_id)


@pytest.mark.parametrize(
    "wanted", [{"content_sha256": "0" * 64}, {"deferred_acknowledgement": Acknowledgement("d=", "r7")}]
)
def test_frame_that_was_not_taken_is_a_passing_fault(room: Room, wanted: dict[str, Any]) -> None:
    room.connections.slow.add("d=")
    with pytest.raises(RetryableError):
        room.subscribe(**wanted)
    assert room.subscription() is None


def test_connection_that_is_gone_needs_no_refusal(room: Room) -> None:
    room.connections.gone.add("d=")
    room.subscribe(content_sha256="0" * 64)
    room.refuse(an_order())
    assert room.frames() == []


def test_refusal_names_the_order_that_it_is_about(room: Room) -> None:
    order = an_order(order_id=uuid4())
    room.refuse(order)
    (frame,) = room.frames()
    assert (frame["type"], frame["code"], frame["orderId"]) == (
        "error",
        "INTERNAL_ERROR",
        str(order.order_id),
    )
