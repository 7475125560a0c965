"""Following and telling together: every event once, in order, whatever the connection does."""

import json
from typing import Any

import pytest

from chalicelib.domain.errors import (
    ConflictError,
    NotFoundError,
    RetryableError,
    UnansweredError,
    UnknownOutcomeError,
)
from chalicelib.domain.orders import Order, OrderEvent
from chalicelib.domain.progress import HeldOrder
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.following import Follower, FollowOrders
from chalicelib.services.ports import Subscriptions
from chalicelib.services.telling import CATCH_UP_DELAY_S, Teller
from chalicelib.wire.queue_messages import FollowMessage
from tests.contract.records import in_memory
from tests.fakes.orders import LIFE, an_order
from tests.fakes.outside import FakeConnections, FakeQueue, FrozenClock

ALICE = Follower("c=", "alice")


class Exchange:
    """Both use cases on one store."""

    def __init__(self) -> None:
        self.store = in_memory()
        self.connections, self.queue, self.clock = FakeConnections(), FakeQueue(), FrozenClock()
        self.following = FollowOrders(
            self.store.subscriptions, self.store.queries, self.connections, self.clock, lookup_wait_ms=200
        )
        self.teller = Teller(self.store.subscriptions, self.connections, self.queue)

    def go_on(self, held: HeldOrder, *statuses: OrderStatus) -> HeldOrder:
        """Commit some events, then tell them."""
        after = self.store.moved(held, *statuses)
        order = held.state.order
        self.teller.tell([(order, self.events_after(order, held.state.seq))])
        return after

    def events_after(self, order: Order, seq: int) -> list[OrderEvent]:
        return list(self.store.queries.events_after(order.order_id, seq, limit=100))

    def frames(self, connection_id: str = "c=") -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.connections.frames.get(connection_id, [])]

    def seqs(self, connection_id: str = "c=") -> list[int]:
        return [frame["seq"] for frame in self.frames(connection_id) if frame["type"] == "order"]


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


def test_subscriber_is_greeted_then_replayed_then_live(exchange: Exchange) -> None:
    held = exchange.store.created(an_order())
    exchange.following.subscribe(ALICE, held.state.order.order_id, after_seq=1, request_id="r1")
    exchange.go_on(held, *LIFE[2:])
    assert exchange.frames()[0] == {
        "type": "subscribed",
        "requestId": "r1",
        "orderId": str(held.state.order.order_id),
    }
    assert exchange.seqs() == [2, 3, 4, 5, 6]


def test_submitter_hears_every_event_once(exchange: Exchange) -> None:
    held = exchange.store.created(an_order(), connection_id="c=")
    exchange.teller.tell([(held.state.order, exchange.events_after(held.state.order, 0))])
    exchange.go_on(held, *LIFE[2:])
    assert exchange.seqs() == [1, 2, 3, 4, 5, 6]


def test_subscriber_to_everything_is_caught_up_with_unfinished_orders(exchange: Exchange) -> None:
    held = exchange.store.created(an_order())
    exchange.following.subscribe(ALICE, None, after_seq=0, request_id=None)
    exchange.go_on(held, *LIFE[2:])
    assert exchange.seqs() == [1, 2, 3, 4, 5, 6]


def test_unknown_order_is_waited_for_and_then_not_found(exchange: Exchange) -> None:
    before = exchange.clock.now()
    with pytest.raises(NotFoundError):
        exchange.following.subscribe(ALICE, an_order().order_id, after_seq=0, request_id=None)
    assert 0.2 <= (exchange.clock.now() - before).total_seconds() < 0.3
    assert exchange.frames() == []


def test_order_of_another_account_is_not_found(exchange: Exchange) -> None:
    held = exchange.store.created(an_order(account_id="bob"))
    with pytest.raises(NotFoundError):
        exchange.following.subscribe(ALICE, held.state.order.order_id, after_seq=0, request_id=None)


class Faulty:
    """Subscriptions of which one method fails."""

    def __init__(self, real: Subscriptions, method: str, fault: RetryableError) -> None:
        self._real, self._method, self._fault = real, method, fault

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            return self._fail
        return getattr(self._real, name)

    def _fail(self, *_: object, **__: object) -> None:
        raise self._fault


REFUSED, LOST = RetryableError("the database is unreachable"), UnansweredError("the database did not answer")


@pytest.mark.parametrize(
    ("method", "fault", "told"),
    [
        ("begin_replay", REFUSED, RetryableError),
        ("begin_replay", LOST, UnknownOutcomeError),
        ("go_live", REFUSED, UnknownOutcomeError),
        ("go_live", LOST, UnknownOutcomeError),
        ("remove", REFUSED, RetryableError),
        ("remove", LOST, UnknownOutcomeError),
    ],
)
def test_fault_is_told_as_a_refusal_only_if_nothing_was_done(
    exchange: Exchange, method: str, fault: RetryableError, told: type[Exception]
) -> None:
    order_id = exchange.store.created(an_order()).state.order.order_id
    faulty: Any = Faulty(exchange.store.subscriptions, method, fault)
    following = FollowOrders(
        faulty, exchange.store.queries, exchange.connections, exchange.clock, lookup_wait_ms=0
    )
    asks = {
        "remove": lambda: following.unsubscribe(ALICE, order_id, request_id=None),
        "subscribe": lambda: following.subscribe(ALICE, order_id, after_seq=0, request_id=None),
    }
    with pytest.raises(told):
        asks.get(method, asks["subscribe"])()


def test_connection_that_submitted_other_terms_does_not_follow(exchange: Exchange) -> None:
    held = exchange.store.created(an_order())
    with pytest.raises(ConflictError):
        exchange.following.follow(ALICE, held.state.order.order_id, after_seq=0, content_sha256="other")
    exchange.go_on(held, *LIFE[2:])
    assert exchange.frames() == []


def test_unsubscribed_connection_hears_no_more(exchange: Exchange) -> None:
    held = exchange.store.created(an_order(), connection_id="c=")
    exchange.following.unsubscribe(ALICE, held.state.order.order_id, request_id="r")
    exchange.go_on(held, *LIFE[2:])
    assert [frame["type"] for frame in exchange.frames()] == ["unsubscribed"]


def test_slow_connection_is_set_back_and_caught_up_by_a_message(exchange: Exchange) -> None:
    held = exchange.store.created(an_order(), connection_id="c=")
    exchange.connections.slow.add("c=")
    held = exchange.go_on(held, OrderStatus.ROUTED)
    (message,) = exchange.queue.messages
    assert isinstance(message, FollowMessage)
    assert exchange.queue.sent[0].delay_s == CATCH_UP_DELAY_S
    exchange.connections.slow.clear()
    exchange.go_on(held, OrderStatus.BUILDING, OrderStatus.SUBMITTED)
    assert exchange.seqs() == []
    exchange.following.follow(ALICE, message.order_id, after_seq=message.after_seq)
    assert exchange.seqs() == [1, 2, 3, 4, 5]


def test_slow_connection_does_not_hold_up_another(exchange: Exchange) -> None:
    held = exchange.store.created(an_order(), connection_id="slow=")
    exchange.following.follow(ALICE, held.state.order.order_id, after_seq=2)
    exchange.connections.slow.add("slow=")
    exchange.go_on(held, *LIFE[2:])
    assert exchange.seqs() == [3, 4, 5, 6]


def test_gone_connection_is_forgotten(exchange: Exchange) -> None:
    held = exchange.store.created(an_order(), connection_id="c=")
    exchange.connections.gone.add("c=")
    exchange.go_on(held, *LIFE[2:])
    assert exchange.store.subscriptions.listeners([held.state.order]) == []
    assert exchange.queue.sent == []


def test_connection_that_is_being_established_is_waited_for(exchange: Exchange) -> None:
    held = exchange.store.created(an_order())
    exchange.connections.gone.add("new=")
    new = Follower("new=", "alice", is_new=True)
    before = exchange.clock.now()
    assert not exchange.following.follow(new, held.state.order.order_id, after_seq=0)
    assert (exchange.clock.now() - before).total_seconds() >= 3
    assert exchange.store.subscriptions.listeners([held.state.order]) == []


def test_nobody_listening_is_nothing_to_do(exchange: Exchange) -> None:
    exchange.go_on(exchange.store.created(an_order()), *LIFE[2:])
    assert exchange.connections.frames == {}
