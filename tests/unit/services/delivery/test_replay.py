"""Subscribing and publishing together: every event once, in order, whatever the connection does."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import pytest

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.errors import (
    ArchivedError,
    ConflictError,
    NotFoundError,
    RetryableError,
    UnansweredError,
    UnknownOutcomeError,
)
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import ClaimedOrder
from chalicelib.domain.queue_messages import SubscribeMessage
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.delivery.publisher import CATCH_UP_DELAY_S, EventPublisher
from chalicelib.services.delivery.replay import UNSUBSCRIBE_WAIT_S, ReplayOrders, Subscriber
from chalicelib.services.ports import Delivery, Frame, OrderQueries, OrderView
from chalicelib.services.subscription_ports import AccountOrders, Subscriptions
from tests.contract.records import in_memory
from tests.fakes.orders import LIFE, VIEWS, an_order
from tests.fakes.ports import FakeConnections, FakeQueue, FrozenClock

ALICE = Subscriber("c=", "alice")


class Exchange:
    """Both use cases on one store."""

    def __init__(self) -> None:
        self.store = in_memory()
        self.connections, self.queue, self.clock = FakeConnections(), FakeQueue(), FrozenClock()
        self.replay_orders = ReplayOrders(
            self.store.subscriptions,
            self.store.queries,
            self.connections,
            self.clock,
            VIEWS,
            lookup_wait_ms=200,
        )
        self.publisher = EventPublisher(self.store.subscriptions, self.connections, self.queue, VIEWS)

    def go_on(self, claimed: ClaimedOrder, *statuses: OrderStatus) -> ClaimedOrder:
        """Commit some events, then publish them."""
        after = self.store.moved(claimed, *statuses)
        order = claimed.state.order
        self.publisher.publish([(order, self.events_after(order, claimed.state.seq))])
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
    claimed = exchange.store.created(an_order())
    exchange.replay_orders.subscribe(ALICE, claimed.state.order.order_id, after_seq=1, request_id="r1")
    exchange.go_on(claimed, *LIFE[2:])
    assert exchange.frames()[0] == {
        "type": "subscribed",
        "requestId": "r1",
        "orderId": str(claimed.state.order.order_id),
    }
    assert exchange.seqs() == [2, 3, 4, 5, 6]


def test_submitter_gets_every_event_once(exchange: Exchange) -> None:
    claimed = exchange.store.created(an_order(), connection_id="c=")
    exchange.publisher.publish([(claimed.state.order, exchange.events_after(claimed.state.order, 0))])
    exchange.go_on(claimed, *LIFE[2:])
    assert exchange.seqs() == [1, 2, 3, 4, 5, 6]


def test_subscriber_to_everything_is_caught_up_with_unfinished_orders(exchange: Exchange) -> None:
    claimed = exchange.store.created(an_order())
    exchange.replay_orders.subscribe(ALICE, None, after_seq=0, request_id=None)
    exchange.go_on(claimed, *LIFE[2:])
    assert exchange.seqs() == [1, 2, 3, 4, 5, 6]


def test_who_unsubscribes_while_caught_up_with_everything_is_told_no_more(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (exchange.store.created(an_order()) for _ in range(2))
    post = exchange.connections.post

    def posted(frames: Iterable[Frame]) -> Mapping[str, Delivery]:
        delivered = post(frames)
        if exchange.seqs() == [1, 2]:
            monkeypatch.undo()
            exchange.replay_orders.unsubscribe(ALICE, None, request_id="r2")
        return delivered

    monkeypatch.setattr(exchange.connections, "post", posted)
    exchange.replay_orders.subscribe(ALICE, None, after_seq=0, request_id="r1")
    for claimed in (first, second):
        exchange.go_on(claimed, *LIFE[2:])
    assert [frame["type"] for frame in exchange.frames()] == ["subscribed", "order", "order", "unsubscribed"]


@pytest.mark.parametrize("more_rest", [True, False])
def test_subscriber_to_everything_is_told_whether_more_orders_rest_than_it_is_shown(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch, *, more_rest: bool
) -> None:
    found = AccountOrders([], more_rest)
    monkeypatch.setattr(exchange.store.subscriptions, "subscribe_account", lambda *_: found)
    exchange.replay_orders.subscribe(ALICE, None, after_seq=0, request_id=None)
    assert [frame.get("moreRest", False) for frame in exchange.frames()] == [more_rest]


def test_unknown_order_is_waited_for_and_then_not_found(exchange: Exchange) -> None:
    before = exchange.clock.now()
    with pytest.raises(NotFoundError):
        exchange.replay_orders.subscribe(ALICE, an_order().order_id, after_seq=0, request_id=None)
    assert 0.2 <= (exchange.clock.now() - before).total_seconds() < 0.3
    assert exchange.frames() == []


def test_order_of_another_account_is_not_found(exchange: Exchange) -> None:
    claimed = exchange.store.created(an_order(account_id="bob"))
    with pytest.raises(NotFoundError):
        exchange.replay_orders.subscribe(ALICE, claimed.state.order.order_id, after_seq=0, request_id=None)


class WithoutEvents:
    """Queries that know an order and none of its events: they left the record, or are lost."""

    def __init__(self, queries: OrderQueries, *, is_archived: bool) -> None:
        self._queries, self._is_archived = queries, is_archived
        self._found = self._read = 0

    def find(self, account_id: str, order_id: UUID) -> OrderView | None:
        self._found += 1
        if self._found > 1 and self._is_archived:
            raise ArchivedError
        return self._queries.find(account_id, order_id)

    def events_after(self, *_: Any, **__: Any) -> list[OrderEvent]:
        self._read += 1
        assert self._read < 10, "it is read for ever"
        return []


@pytest.mark.parametrize("is_archived", [True, False])
def test_order_whose_events_have_gone_meanwhile_is_not_read_for_ever(
    exchange: Exchange, is_archived: bool
) -> None:
    order_id = exchange.store.created(an_order()).state.order.order_id
    queries: Any = WithoutEvents(exchange.store.queries, is_archived=is_archived)
    exchange.replay_orders._queries = queries
    if is_archived:
        with pytest.raises(ArchivedError):
            exchange.replay_orders.replay(ALICE, order_id, after_seq=0)
    else:
        assert not exchange.replay_orders.replay(ALICE, order_id, after_seq=0)


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
    replay_orders = ReplayOrders(
        faulty, exchange.store.queries, exchange.connections, exchange.clock, VIEWS, lookup_wait_ms=0
    )
    asks = {
        "remove": lambda: replay_orders.unsubscribe(ALICE, order_id, request_id=None),
        "subscribe": lambda: replay_orders.subscribe(ALICE, order_id, after_seq=0, request_id=None),
    }
    with pytest.raises(told):
        asks.get(method, asks["subscribe"])()


def test_connection_that_submitted_other_terms_is_not_subscribed(exchange: Exchange) -> None:
    claimed = exchange.store.created(an_order())
    with pytest.raises(ConflictError):
        exchange.replay_orders.replay(
            ALICE, claimed.state.order.order_id, after_seq=0, content_sha256="other"
        )
    exchange.go_on(claimed, *LIFE[2:])
    assert exchange.frames() == []


def test_unsubscribed_connection_receives_no_more(exchange: Exchange) -> None:
    claimed = exchange.store.created(an_order(), connection_id="c=")
    exchange.replay_orders.unsubscribe(ALICE, claimed.state.order.order_id, request_id="r")
    exchange.go_on(claimed, *LIFE[2:])
    assert [frame["type"] for frame in exchange.frames()] == ["unsubscribed"]


def test_who_unsubscribes_before_the_subscription_in_the_queue_is_consumed_is_told_no_more(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, created = an_order(), list[ClaimedOrder]()

    def slept(_seconds: float) -> None:
        monkeypatch.undo()
        created.append(exchange.store.created(order, connection_id="c="))

    monkeypatch.setattr(exchange.clock, "sleep", slept)
    exchange.replay_orders.unsubscribe(ALICE, order.order_id, request_id="r")
    exchange.go_on(created[0], *LIFE[2:])
    assert [frame["type"] for frame in exchange.frames()] == ["unsubscribed"]


@pytest.mark.parametrize("names_an_order", [True, False])
def test_who_is_subscribed_to_nothing_is_answered_after_a_little_while(
    exchange: Exchange, *, names_an_order: bool
) -> None:
    before = exchange.clock.now()
    order_id = an_order().order_id if names_an_order else None
    exchange.replay_orders.unsubscribe(ALICE, order_id, request_id="r")
    waited_s = (exchange.clock.now() - before).total_seconds()
    assert waited_s == pytest.approx(0.2 if names_an_order else 0.0)
    assert [frame["type"] for frame in exchange.frames()] == ["unsubscribed"]


def test_who_unsubscribes_twice_waits_half_a_second_at_most_however_long_an_order_is_waited_for(
    exchange: Exchange,
) -> None:
    replay_orders = ReplayOrders(
        exchange.store.subscriptions,
        exchange.store.queries,
        exchange.connections,
        exchange.clock,
        VIEWS,
        lookup_wait_ms=5_000,
    )
    order_id = exchange.store.created(an_order(), connection_id="c=").state.order.order_id
    before, waited_s = exchange.clock.now(), []
    for _ in range(2):
        replay_orders.unsubscribe(ALICE, order_id, request_id="r")
        waited_s.append((exchange.clock.now() - before).total_seconds())
    # It looks again every 0.05 s, once more where sums of that fall short.
    assert waited_s == pytest.approx([0.0, UNSUBSCRIBE_WAIT_S], abs=0.06)


def test_slow_connection_is_marked_behind_and_caught_up_by_a_message(exchange: Exchange) -> None:
    claimed = exchange.store.created(an_order(), connection_id="c=")
    exchange.connections.slow.add("c=")
    claimed = exchange.go_on(claimed, OrderStatus.ROUTED)
    (message,) = exchange.queue.messages
    assert isinstance(message, SubscribeMessage)
    assert exchange.queue.sent[0].delay_s == CATCH_UP_DELAY_S
    exchange.connections.slow.clear()
    exchange.go_on(claimed, OrderStatus.BUILDING, OrderStatus.SUBMITTED)
    assert exchange.seqs() == []
    assert exchange.replay_orders.catch_up(ALICE, message.order_id, after_seq=message.after_seq)
    assert exchange.seqs() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("is_owed", [True, False])
def test_slow_connection_that_unsubscribes_is_told_no_more_than_what_is_owed(
    exchange: Exchange, *, is_owed: bool
) -> None:
    claimed = exchange.store.created(an_order(), connection_id="c=")
    order_id = claimed.state.order.order_id
    exchange.connections.slow.add("c=")
    claimed = exchange.go_on(claimed, OrderStatus.ROUTED)
    exchange.connections.slow.clear()
    exchange.replay_orders.unsubscribe(ALICE, order_id, request_id=None)
    owed = Acknowledgement("c=", "r") if is_owed else None
    assert exchange.replay_orders.catch_up(ALICE, order_id, after_seq=0, deferred_acknowledgement=owed)
    exchange.go_on(claimed, OrderStatus.BUILDING, OrderStatus.SUBMITTED)
    told = ["unsubscribed", "batch"] if is_owed else ["unsubscribed"]
    assert [frame["type"] for frame in exchange.frames()] == told


def test_slow_connection_does_not_hold_up_another(exchange: Exchange) -> None:
    claimed = exchange.store.created(an_order(), connection_id="slow=")
    exchange.replay_orders.replay(ALICE, claimed.state.order.order_id, after_seq=2)
    exchange.connections.slow.add("slow=")
    exchange.go_on(claimed, *LIFE[2:])
    assert exchange.seqs() == [3, 4, 5, 6]


def test_gone_connection_is_forgotten(exchange: Exchange) -> None:
    claimed = exchange.store.created(an_order(), connection_id="c=")
    exchange.connections.gone.add("c=")
    exchange.go_on(claimed, *LIFE[2:])
    assert exchange.store.subscriptions.of_orders([claimed.state.order]) == []
    assert exchange.queue.sent == []


def test_connection_that_is_being_established_is_waited_for(exchange: Exchange) -> None:
    claimed = exchange.store.created(an_order())
    exchange.connections.gone.add("new=")
    new = Subscriber("new=", "alice", is_new=True)
    before = exchange.clock.now()
    assert not exchange.replay_orders.replay(new, claimed.state.order.order_id, after_seq=0)
    assert (exchange.clock.now() - before).total_seconds() >= 3
    assert exchange.store.subscriptions.of_orders([claimed.state.order]) == []


def test_connection_that_has_gone_is_not_waited_for(exchange: Exchange) -> None:
    claimed = exchange.store.created(an_order())
    exchange.connections.gone.add("c=")
    before = exchange.clock.now()
    assert not exchange.replay_orders.replay(ALICE, claimed.state.order.order_id, after_seq=0)
    assert exchange.clock.now() == before
    assert exchange.store.subscriptions.of_orders([claimed.state.order]) == []


def test_connection_that_cannot_be_waited_for_while_it_is_established_is_caught_up_later(
    exchange: Exchange,
) -> None:
    """Its account has waited in vain for others."""
    claimed = exchange.store.created(an_order())
    exchange.connections.gone.update({"new=", "newer="})
    order_id = claimed.state.order.order_id
    for connection_id in ("new=", "newer="):
        new = Subscriber(connection_id, "alice", is_new=True)
        assert not exchange.replay_orders.replay(new, order_id, after_seq=0)
    found = exchange.store.subscriptions.of_orders([claimed.state.order])
    assert [(each.connection_id, each.live) for each in found] == [("newer=", False)]


@pytest.mark.parametrize("is_behind", [True, False])
def test_acknowledgement_that_a_slow_connection_did_not_take_is_not_left_to_the_sweep(
    exchange: Exchange, *, is_behind: bool
) -> None:
    """That would bring the events alone."""
    order_id = exchange.store.created(an_order(), connection_id="c=").state.order.order_id
    exchange.connections.slow.add("c=")
    use = exchange.replay_orders.catch_up if is_behind else exchange.replay_orders.replay
    with pytest.raises(RetryableError, match="acknowledgement"):
        use(ALICE, order_id, after_seq=0, deferred_acknowledgement=Acknowledgement("c=", "r"))
    assert not use(ALICE, order_id, after_seq=0)


def test_no_subscriber_is_nothing_to_do(exchange: Exchange) -> None:
    exchange.go_on(exchange.store.created(an_order()), *LIFE[2:])
    assert exchange.connections.frames == {}
