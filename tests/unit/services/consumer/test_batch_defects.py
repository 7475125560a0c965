"""Defects that no step of a batch has kept to one order, or that meet what cannot be ended any more."""

from collections.abc import Callable, Sequence
from uuid import UUID

import pytest

from chalicelib.domain.errors import RetryableError, VenueUnavailableError
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import ClaimedOrder, Subscribed, Transition
from chalicelib.domain.rates import Rate
from chalicelib.domain.terms import TimeInForce
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from chalicelib.domain.watches import SeenPrice
from chalicelib.services.consumer.batch import Incoming
from chalicelib.services.consumer.write_ahead import WriteAhead
from chalicelib.services.planning.planner import Planner
from tests.fakes.consumer import LEASE_S, ConsumerOnFakes
from tests.fakes.orders import LIFE, an_order, changed
from tests.fakes.record import MemoryRecord


def poisoned(monkeypatch: pytest.MonkeyPatch, order: Order, alone: Exception) -> None:
    """Have the write-ahead of any batch fail that an order is in, for another reason if it is ``alone``."""
    sound, poison = WriteAhead.transitions, order.order_id

    def defective(self: WriteAhead, claimed: Sequence[ClaimedOrder], *more: object) -> list[Transition]:
        if poison in {each.state.order.order_id for each in claimed}:
            raise alone if len(claimed) == 1 else KeyError("planted")
        return sound(self, claimed, *more)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(WriteAhead, "transitions", defective)


@pytest.mark.parametrize("alone", [KeyError("planted"), RetryableError("down")])
def test_orders_beside_one_with_a_defect_are_released_and_executed_each_alone(
    monkeypatch: pytest.MonkeyPatch, alone: Exception
) -> None:
    consumer = ConsumerOnFakes()
    first, poison, last = (an_order() for _ in range(3))
    poisoned(monkeypatch, poison, alone)
    outcomes = consumer.execute(first, poison, last, delivery=3)
    assert [outcomes[each.order_id].retry_in_s for each in (first, poison, last)] == [None, LEASE_S, None]
    assert [consumer.statuses(each) for each in (first, poison, last)] == [LIFE, LIFE[:2], LIFE]
    monkeypatch.undo()
    consumer.clock.sleep(LEASE_S)
    consumer.execute(poison, delivery=4)
    assert consumer.statuses(poison) == LIFE
    assert [frame["seq"] for frame in consumer.frames(poison)][-4:] == [3, 4, 5, 6]


def test_events_that_were_not_published_before_a_defect_are_not_taken_for_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    consumer, order = ConsumerOnFakes(), an_order()
    poisoned(monkeypatch, order, KeyError("planted"))
    consumer.connections.slow.add("c=")
    consumer.queue.is_down = True
    consumer.execute(order, delivery=2)
    state = consumer.record.state(order.account_id, order.order_id)
    assert state is not None
    assert (state.seq, state.published_seq) == (2, 0)
    assert not consumer.is_claimed(order)


class Picky(MemoryRecord):
    """A record that has a defect with some steps."""

    is_poison: Callable[[Transition], bool] = staticmethod(lambda _: False)

    def record(
        self, transitions: Sequence[Transition], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        if any(map(self.is_poison, transitions)):
            raise KeyError("planted")
        return super().record(transitions, lease_ms=lease_ms, subscribed=subscribed)


def picky(is_poison: Callable[[Transition], bool]) -> ConsumerOnFakes:
    consumer = ConsumerOnFakes(Picky)
    assert isinstance(consumer.record, Picky)
    consumer.record.is_poison = is_poison
    return consumer


def test_order_whose_fill_cannot_be_recorded_comes_back_and_is_not_failed() -> None:
    order = an_order()
    consumer = picky(lambda step: step.filled is not None)
    assert consumer.execute(order)[order.order_id].retry_in_s is not None
    assert consumer.statuses(order) == LIFE[:-1]


def test_order_that_cannot_be_released_comes_back_and_is_not_failed() -> None:
    order = an_order()
    consumer = picky(lambda step: not step.events)
    for venue in consumer.venues:
        venue.fault = VenueUnavailableError("down")
    assert consumer.execute(order)[order.order_id].retry_in_s == LEASE_S
    assert set(consumer.statuses(order)) == set(LIFE[:2])


def test_order_that_has_fired_and_runs_into_a_defect_as_its_trigger_is_looked_at_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Were its message done, only what sends again what fired would bring it back, within an hour perhaps."""
    consumer = ConsumerOnFakes()
    stop = Trigger(
        "0.001", When.BELOW, Rate(1, 10**6), Direction.AT_MOST, PriceSource.EXECUTABLE, 1, IfAlreadyMet.REFUSE
    )
    order = changed(an_order(), trigger=stop, time_in_force=TimeInForce.GTC, valid_until=None)
    consumer.execute(order)
    watch = consumer.tables.watches.rows[order.order_id].watch
    met = SeenPrice(watch.pair, watch.direction, watch.look, Rate(1, 10**7), 1_000, 1_000)
    (fired,) = consumer.tables.watches.fire([met], limit=9)

    def planted(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Planner, "offered", planted)
    outcomes = consumer.execute_orders.execute([Incoming(order.order_id, firing=fired.firing)])
    assert outcomes[order.order_id].retry_in_s == LEASE_S
    assert not consumer.is_claimed(order)
