"""A defect that no step has kept to one order: each order of the batch is tried alone."""

from collections.abc import Sequence

import pytest

from chalicelib.domain.orders import Order
from chalicelib.domain.progress import ClaimedOrder, Transition
from chalicelib.services.consumer.write_ahead import WriteAhead
from tests.fakes.consumer import LEASE_S, ConsumerOnFakes
from tests.fakes.orders import LIFE, an_order


def poisoned(monkeypatch: pytest.MonkeyPatch, *orders: Order) -> None:
    """Have the write-ahead of any batch fail that one of these orders is in."""
    sound = WriteAhead.transitions
    poison = {order.order_id for order in orders}

    def defective(self: WriteAhead, claimed: Sequence[ClaimedOrder], *more: object) -> list[Transition]:
        if poison & {each.state.order.order_id for each in claimed}:
            raise KeyError("planted")
        return sound(self, claimed, *more)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(WriteAhead, "transitions", defective)


def test_orders_beside_one_with_a_defect_are_released_and_executed_each_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    consumer = ConsumerOnFakes()
    first, poison, last = (an_order() for _ in range(3))
    poisoned(monkeypatch, poison)
    outcomes = consumer.execute(first, poison, last, delivery=2)
    assert [outcomes[each.order_id].retry_in_s for each in (first, poison, last)] == [None, LEASE_S, None]
    assert [consumer.statuses(each) for each in (first, poison, last)] == [LIFE, LIFE[:2], LIFE]
    assert not consumer.is_claimed(poison)
    monkeypatch.undo()
    consumer.execute(poison, delivery=3)
    assert consumer.statuses(poison) == LIFE
    assert [frame["seq"] for frame in consumer.frames(poison)][-4:] == [3, 4, 5, 6]
