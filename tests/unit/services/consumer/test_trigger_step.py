"""Orders that wait for their triggers: each by itself, whatever is in its batch."""

from chalicelib.domain.orders import Order
from chalicelib.domain.rates import Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import TimeInForce
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from chalicelib.services.ports import Offers
from tests.fakes.consumer import ConsumerOnFakes
from tests.fakes.orders import LIFE, an_order, changed

STOP = Trigger(
    "0.001", When.BELOW, Rate(1, 10**6), Direction.AT_MOST, PriceSource.MARK, 2, IfAlreadyMet.REFUSE
)


def a_stop() -> Order:
    return changed(an_order(), trigger=STOP, time_in_force=TimeInForce.GTC, valid_until=None)


def test_order_beside_one_that_waits_for_its_trigger_is_executed_in_the_same_batch() -> None:
    consumer, waiting, plain = ConsumerOnFakes(), a_stop(), an_order()
    consumer.execute(waiting, plain)
    assert consumer.statuses(waiting) == (OrderStatus.PENDING, OrderStatus.OPEN)
    assert consumer.statuses(plain) == LIFE


def test_order_whose_mark_cannot_be_seen_when_it_comes_waits_for_it() -> None:
    consumer, order = ConsumerOnFakes(), a_stop()
    for venue in consumer.venues:
        venue.offered = Offers([])
    consumer.execute(order)
    assert consumer.statuses(order) == (OrderStatus.PENDING, OrderStatus.OPEN)
