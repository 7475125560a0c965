"""Ends of orders for which a message is on its way."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.launches import Sniper
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import ClaimedOrder, Published
from chalicelib.domain.queue_messages import ResumeMessage
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.services.consumer import transitions
from chalicelib.services.consumer.batch import Incoming
from chalicelib.services.consumer.reminders import reminded
from tests.fakes.consumer import ConsumerOnFakes
from tests.fakes.orders import NOON, an_order, changed

LIMIT = Limit("150", Rate.of(150, 1_000))
SNIPER = Sniper(None, None, None, None)


def found(*, ends: bool = True, **terms: Any) -> list[Published]:
    order = changed(an_order(), **{"time_in_force": TimeInForce.GTD, "limit": LIMIT, **terms})
    before = ClaimedOrder(OrderState(order, OrderStatus.OPEN, seq=4, published_seq=2), fence=1)
    step = transitions.unmet(before, NOON) if ends else transitions.release(before, published=True)
    return reminded([step], NOON)


@pytest.mark.parametrize(
    ("how", "is_reminded"),
    [
        ({}, True),
        ({"ends": False}, False),
        ({"valid_until": NOON + timedelta(seconds=89)}, True),
        ({"valid_until": NOON - timedelta(seconds=5)}, True),
        ({"valid_until": NOON + timedelta(seconds=90)}, False),
        ({"valid_until": None, "time_in_force": TimeInForce.GTC}, False),
        ({"valid_until": None, "time_in_force": TimeInForce.GTC, "limit": None, "sniper": SNIPER}, True),
        ({"limit": None, "time_in_force": TimeInForce.IOC}, False),
        ({"time_in_force": TimeInForce.IOC}, False),
    ],
)
def test_end_is_to_be_noted_where_a_message_may_find_it(how: dict[str, Any], *, is_reminded: bool) -> None:
    published = found(**how)
    assert [(each.after_seq, each.seq) for each in published] == ([(2, 5)] if is_reminded else [])


def an_order_that_ends_soon() -> Order:
    return changed(
        an_order(),
        order_type=OrderType.LIMIT,
        limit=Limit("1000", Rate.of(1_000, 1_000)),
        slippage_bps=None,
        time_in_force=TimeInForce.GTD,
    )


def test_order_that_ends_soon_after_it_was_put_to_rest_has_one_message_for_its_end() -> None:
    consumer, order = ConsumerOnFakes(), an_order_that_ends_soon()
    consumer.execute(order, an_order())
    # What fires and is looked at in vain has that message already.
    consumer.tables.watches.wake(limit=9)
    consumer.execute(order, delivery=2)
    assert consumer.queue.messages == [ResumeMessage(order_id=order.order_id)]
    assert [message.delay_s for message in consumer.queue.sent] == [61]


def test_end_that_a_defect_kept_from_its_owner_is_told_by_the_next_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    consumer, order = ConsumerOnFakes(), an_order_that_ends_soon()
    consumer.execute(order)
    consumer.clock.sleep(61)
    monkeypatch.setattr(consumer.connections, "post", _defective)
    consumer.execute_orders.execute([Incoming(order.order_id)])
    monkeypatch.undo()
    consumer.execute_orders.execute([Incoming(order.order_id)])
    assert [frame["seq"] for frame in consumer.frames(order)] == [1, 2, 3]


def _defective(_: object) -> None:
    raise KeyError("planted")


@pytest.mark.parametrize("is_noted", [True, False])
def test_end_is_told_once_though_a_message_finds_it_again(
    monkeypatch: pytest.MonkeyPatch, *, is_noted: bool
) -> None:
    consumer, order = ConsumerOnFakes(), an_order_that_ends_soon()
    consumer.execute(order)
    consumer.clock.sleep(61)
    if not is_noted:
        monkeypatch.setattr(consumer.record, "note_published", _out_of_reach)
    consumer.execute_orders.execute([Incoming(order.order_id)])
    monkeypatch.undo()
    consumer.execute_orders.execute([Incoming(order.order_id)])
    assert [frame["seq"] for frame in consumer.frames(order)] == ([1, 2, 3] if is_noted else [1, 2, 3, 3])


def _out_of_reach(_published: object) -> None:
    raise RetryableError("down")
