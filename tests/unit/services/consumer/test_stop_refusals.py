"""Stops that the chain refuses in a falling market: one that does not sell there protects nobody."""

from dataclasses import replace
from typing import Final

import pytest

from chalicelib.domain.errors import Code, RefusedError
from chalicelib.domain.orders import Order
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import TimeInForce
from chalicelib.domain.transactions import SignatureStatus
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from chalicelib.services.consumer.batch import Incoming
from chalicelib.services.ports import Offers
from tests.fakes.consumer import ATTEMPTS_MAX, ConsumerOnFakes
from tests.fakes.market import a_pool
from tests.fakes.orders import an_order, changed

SLIPPAGE_BPS: Final = 2_000
STOP: Final = Trigger(
    "1000", When.BELOW, Rate(1, 1), Direction.AT_MOST, PriceSource.EXECUTABLE, 1, IfAlreadyMet.EXECUTE
)
TAKE_PROFIT: Final = replace(STOP, when=When.ABOVE, rate=Rate(1, 10**6), direction=Direction.AT_LEAST)


def an_order_of(trigger: Trigger) -> Order:
    return changed(
        an_order(),
        trigger=trigger,
        slippage_bps=SLIPPAGE_BPS,
        time_in_force=TimeInForce.GTC,
        valid_until=None,
    )


class Fall:
    """A market whose price is set before each attempt, as parts of what it was first."""

    def __init__(self, order: Order) -> None:
        self.consumer, self.order = ConsumerOnFakes(), order
        self.consumer.chain.status = SignatureStatus.REFUSED
        self.deliveries = 0

    def goes_on(self, percent: int) -> tuple[OrderStatus, ...]:
        for venue in self.consumer.venues:
            venue.offered = Offers([a_pool(venue.name, venue.name, reserves=(10**15, 2 * 10**12 * percent))])
        self.deliveries += 1
        order = self.order if self.deliveries == 1 else None
        self.consumer.execute_orders.execute(
            [Incoming(self.order.order_id, order, "c=", delivery=self.deliveries)]
        )
        return self.consumer.statuses(self.order)

    @property
    def accepted(self) -> list[int]:
        return [sent.threshold_units for sent in self.consumer.chain.signed.values()]


@pytest.mark.parametrize("is_leg_refusal", [True, False])
@pytest.mark.parametrize("percent", [82, 70])
def test_stop_that_was_refused_sells_at_each_new_price_within_its_slippage_of_that(
    is_leg_refusal: bool, percent: int
) -> None:
    fall = Fall(an_order_of(STOP))
    fall.consumer.chain.is_leg_refusal = is_leg_refusal
    assert fall.goes_on(100)[-2:] == (OrderStatus.SUBMITTED, OrderStatus.ROUTING)
    # A bounce, by which the second attempt asks for more than the first, and then the fall goes on.
    assert fall.goes_on(106)[-2:] == (OrderStatus.SUBMITTED, OrderStatus.ROUTING)
    fall.consumer.chain.status = SignatureStatus.LANDED
    assert fall.goes_on(percent)[-2:] == (OrderStatus.SUBMITTED, OrderStatus.CONFIRMED)
    first, second, third = fall.accepted
    assert third < first < second
    attempts = [each.attempt for each in fall.consumer.tables.attempts.values()]
    assert [each.threshold_units for each in attempts] == [
        -(-each.quoted_out_units * (10_000 - SLIPPAGE_BPS) // 10_000) for each in attempts
    ]


def test_stop_that_is_refused_at_each_attempt_ends_after_the_last_one() -> None:
    fall = Fall(an_order_of(STOP))
    for percent in (100, 90, 80)[: ATTEMPTS_MAX - 1]:
        assert fall.goes_on(percent)[-1] is OrderStatus.ROUTING
    assert fall.goes_on(80)[-1] is OrderStatus.FAILED
    assert fall.consumer.failure_code(fall.order) == Code.RETRIES_EXHAUSTED


@pytest.mark.parametrize(
    "order",
    [
        an_order_of(TAKE_PROFIT),
        changed(an_order_of(STOP), limit=Limit("1", Rate(1, 10**6)), slippage_bps=None),
    ],
)
def test_floor_of_take_profit_and_stop_limit_holds(order: Order) -> None:
    fall = Fall(order)
    fall.consumer.chain.is_leg_refusal = True
    fall.goes_on(100)
    fall.goes_on(70)
    assert all(threshold >= fall.accepted[0] for threshold in fall.accepted)


def test_take_profit_whose_price_is_gone_ends() -> None:
    fall = Fall(an_order_of(TAKE_PROFIT))
    assert fall.goes_on(100)[-1] is OrderStatus.FAILED
    assert fall.consumer.failure_code(fall.order) == Code.SLIPPAGE_EXCEEDED


def test_stop_that_a_node_saw_fail_for_its_price_before_it_was_signed_is_planned_anew() -> None:
    fall = Fall(an_order_of(STOP))
    seen = RefusedError(Code.SLIPPAGE_EXCEEDED, "a node saw it fail")
    fall.consumer.chain.faults["sign"] = seen
    assert fall.goes_on(100)[-1] is OrderStatus.ROUTING
    del fall.consumer.chain.faults["sign"]
    fall.consumer.chain.status = SignatureStatus.LANDED
    assert fall.goes_on(70)[-1] is OrderStatus.CONFIRMED
    taken = Fall(an_order_of(TAKE_PROFIT))
    taken.consumer.chain.faults["sign"] = seen
    assert taken.goes_on(100)[-1] is OrderStatus.FAILED
