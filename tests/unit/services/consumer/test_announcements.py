"""What a batch publishes: committed events, each by itself if something is wrong with one."""

import json
from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import ClaimedOrder, Subscription
from chalicelib.services.consumer.announcements import Announcer
from chalicelib.services.consumer.batch import Batch, Incoming
from chalicelib.services.delivery.publisher import EventPublisher
from chalicelib.services.delivery.republish import EventRepublisher
from chalicelib.services.ports import Observer
from tests.contract.records import in_memory
from tests.fakes.inline import InlineBackground, Unobserved
from tests.fakes.orders import VIEWS, an_order
from tests.fakes.ports import FakeConnections, FakeQueue
from tests.fakes.subscriptions import MemorySubscriptions


class Blind:
    """An observer with a defect."""

    def saw(self, *_: object, **__: object) -> None:
        raise KeyError("planted")


class Notes:
    """An observer that notes which order's events it saw, and by which request they came."""

    def __init__(self) -> None:
        self.seen: list[tuple[UUID, str | None]] = []

    def saw(
        self,
        committed: Sequence[tuple[Order, Sequence[OrderEvent]]],
        correlation_ids: Mapping[UUID, str | None],
    ) -> None:
        self.seen += [(order.order_id, correlation_ids[order.order_id]) for order, _ in committed]


class PoisonedSubscriptions(MemorySubscriptions):
    """Subscriptions that cannot be read together with those to one order."""

    poison: UUID | None = None

    def of_orders(self, orders: Sequence[Order]) -> Sequence[Subscription]:
        if self.poison in {each.order_id for each in orders}:
            raise KeyError("planted")
        return super().of_orders(orders)


class Stage:
    """An announcer, and two orders on record, submitted by ``c=``."""

    def __init__(self, observer: Observer | None = None) -> None:
        self.store, self.connections, self.queue = in_memory(), FakeConnections(), FakeQueue()
        subscriptions = self.store.subscriptions
        subscriptions.__class__ = PoisonedSubscriptions
        assert isinstance(subscriptions, PoisonedSubscriptions)
        self.subscriptions = subscriptions
        publisher = EventPublisher(subscriptions, self.connections, self.queue, VIEWS)
        self.announcer = Announcer(
            publisher=publisher,
            republisher=EventRepublisher(self.store.queries, publisher, self.store.record),
            background=InlineBackground(),
            observer=observer or Unobserved(),
            batch_hold_ms=100,
        )
        self.claimed = [self.store.created(an_order(), connection_id="c=") for _ in range(2)]
        self.orders = [each.state.order for each in self.claimed]
        self.batch = Batch.of([Incoming(each.order_id, each, "c=") for each in self.orders])

    def announce(self) -> None:
        committed = [(each, self.events(each)) for each in self.orders]
        self.announcer.announce(self.batch, committed)

    def seen(self, connection_id: str = "c=") -> list[tuple[str, int]]:
        frames = [json.loads(text) for text in self.connections.frames.get(connection_id, [])]
        return [(frame["orderId"], frame["seq"]) for frame in frames]

    def events(self, order: Order) -> tuple[OrderEvent, ...]:
        return tuple(self.store.queries.events_after(order.order_id, 0, limit=100))


def both(stage: Stage) -> list[tuple[str, int]]:
    return [(str(order.order_id), seq) for order in stage.orders for seq in (1, 2)]


def test_committed_events_reach_their_subscribers_in_the_order_of_the_commit() -> None:
    stage = Stage()
    stage.announce()
    assert stage.seen() == both(stage)


def test_committed_events_are_shown_to_the_operator_with_the_request_that_brought_their_order() -> None:
    notes = Notes()
    stage = Stage(notes)
    stage.batch = Batch.of(
        [Incoming(each.order_id, each, correlation_id=f"by {each.order_id}") for each in stage.orders]
    )
    stage.announce()
    assert notes.seen == [(each.order_id, f"by {each.order_id}") for each in stage.orders]


def test_events_that_may_wait_leave_together_with_the_next_ones_each_orders_in_one_row() -> None:
    stage = Stage()
    recorded = [(each, stage.events(each)) for each in stage.orders]
    stage.announcer.announce(stage.batch, [(each, events[:1]) for each, events in recorded], hold_s=60)
    assert not stage.seen()
    stage.announcer.announce(stage.batch, [(each, events[1:]) for each, events in recorded])
    assert stage.seen() == both(stage)
    stage.announcer.wait()
    assert stage.seen() == both(stage)


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "asked"])
def test_events_of_two_commits_go_to_who_is_subscribed_after_the_second(*, is_told: bool) -> None:
    stage = Stage()
    recorded = [(each, stage.events(each)) for each in stage.orders]
    nobody: dict[UUID, list[Subscription]] = {each.order_id: [] for each in stage.orders}
    seen = {
        each.order_id: [Subscription(each.order_id, "c=", live=True, replayed_to=0)] for each in stage.orders
    }
    first, second = (
        [(each, events[:1]) for each, events in recorded],
        [(each, events[1:]) for each, events in recorded],
    )
    stage.announcer.announce(stage.batch, first, subscribed=nobody, hold_s=60)
    stage.announcer.announce(stage.batch, second, subscribed=seen if is_told else {})
    assert stage.seen() == both(stage)


def test_events_that_may_wait_leave_when_they_are_waited_for() -> None:
    stage = Stage()
    stage.announcer.announce(stage.batch, [(each, stage.events(each)) for each in stage.orders], hold_s=60)
    stage.announcer.wait()
    assert stage.seen() == both(stage)


def test_defect_of_the_observer_keeps_no_event_from_being_published() -> None:
    stage = Stage(Blind())
    stage.announce()
    assert stage.seen() == both(stage)


def test_defect_over_one_orders_subscribers_leaves_that_one_unpublished_and_no_other() -> None:
    stage = Stage()
    stage.subscriptions.poison = stage.orders[0].order_id
    stage.announce()
    stage.announcer.wait()
    assert stage.seen() == both(stage)[2:]
    assert stage.batch.unpublished == {stage.orders[0].order_id}


def test_subscribers_that_were_not_reached_are_told_of_by_the_wait() -> None:
    stage = Stage()
    stage.connections.slow.add("c=")
    stage.queue.is_down = True
    stage.announce()
    with pytest.raises(RetryableError):
        stage.announcer.wait()


def test_batched_events_leave_when_they_are_waited_for() -> None:
    stage = Stage()
    stage.store.connected("c=", True)
    stage.announce()
    assert "c=" not in stage.connections.frames
    stage.announcer.wait()
    (text,) = stage.connections.frames["c="]
    assert [frame["seq"] for frame in json.loads(text)["frames"]] == [1, 2, 1, 2]


def test_subscribers_whose_batches_were_not_taken_are_told_of_by_the_wait() -> None:
    stage = Stage()
    stage.store.connected("c=", True)
    stage.connections.slow.add("c=")
    stage.queue.is_down = True
    stage.announce()
    with pytest.raises(RetryableError):
        stage.announcer.wait()


def test_defect_over_batches_leaves_all_orders_unpublished(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    stage.store.connected("c=", True)

    def mark_behind(_: object) -> None:
        raise KeyError("planted")

    monkeypatch.setattr(stage.subscriptions, "mark_behind", mark_behind)
    stage.connections.slow.add("c=")
    stage.announce()
    stage.announcer.wait()
    assert stage.batch.unpublished == {each.order_id for each in stage.orders}


def test_acknowledgements_of_two_commits_that_leave_together_each_go_ahead_of_their_orders_events() -> None:
    stage = Stage()
    stage.store.connected("c=", True)
    first, second = ((each, stage.events(each)) for each in stage.orders)
    for name, committed in (("r1", first), ("r2", second)):
        owed = {committed[0].order_id: Acknowledgement("c=", name)}
        stage.announcer.announce(stage.batch, [committed], owed, hold_s=60)
    stage.announcer.wait()
    (text,) = stage.connections.frames["c="]
    frames = [(frame["type"], frame["orderId"]) for frame in json.loads(text)["frames"]]
    kinds = ("accepted", "order", "order")
    assert frames == [(kind, str(order.order_id)) for order in stage.orders for kind in kinds]


def test_new_order_has_nothing_to_publish_again_and_a_reclaimed_one_has() -> None:
    stage = Stage()
    fresh, reclaimed = stage.claimed
    stage.batch.claimed[reclaimed.state.order.order_id] = ClaimedOrder(reclaimed.state, fence=2)
    for each in (fresh, reclaimed):
        stage.announcer.republish(stage.batch, each.state)
    assert stage.seen() == both(stage)[2:]
