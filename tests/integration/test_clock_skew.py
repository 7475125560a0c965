"""Clocks that are minutes apart: the functions' and the database's, through the real consumer."""

import time
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from sqlalchemy import text

from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard, Faults, VenueFault
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.resting.waiting import NO_VENUE_FOR
from chalicelib.wire.order_fields import OrderFields
from chalicelib.wire.resting_fields import meant_fields
from tests.integration.consumer import Consumer
from tests.integration.test_resting_orders import RESTS, SELL, Desk, desk

__all__ = ["desk"]

S = OrderStatus
LOOKS = 6
_IS_LOOKED_AT_WITHIN = text(
    "SELECT wake_at <= clock_timestamp() + CAST(:pause AS interval) FROM watches WHERE order_id = :order_id"
)
LIMIT = SELL | {"type": "limit", "limitPrice": "160"}


class SkewedClock(SystemClock):
    """A host's clock that is so far ahead of the database's, or behind."""

    by = timedelta()

    def now(self) -> datetime:
        return super().now() + self.by


@pytest.fixture
def clock(consumer: Consumer) -> SkewedClock:
    clock = SkewedClock()
    consumer.services.clock = clock
    return clock


@pytest.mark.parametrize("minutes", [-3, 3])
def test_order_that_rests_ends_once_and_as_expired_whatever_the_clocks_are_apart(
    clock: SkewedClock, desk: Desk, minutes: int
) -> None:
    # On a busy machine it may be over before it rests.
    for seconds in (2, 8, 32):
        order_id = desk.submit(LIMIT | {"validForSeconds": seconds})
        if desk.statuses(order_id) != [S.PENDING, S.EXPIRED]:
            break
    clock.by = timedelta(minutes=minutes)
    time.sleep(seconds + 0.1)
    desk.move(Fraction(112, 100))
    fired = sum(desk.looks() for _ in range(LOOKS))
    assert (desk.statuses(order_id), desk.watched(), fired) == ([*RESTS, S.EXPIRED], 0, 1)


@pytest.mark.parametrize("minutes", [-3, 3])
def test_order_that_is_to_be_looked_at_later_is_not_looked_at_each_second(
    clock: SkewedClock, desk: Desk, minutes: int
) -> None:
    board = FaultBoard(desk.services.engine)
    clock.by = timedelta(minutes=minutes)
    try:
        board.set(Faults(venues={"raydium": VenueFault(is_down=True), "meteora": VenueFault(is_down=True)}))
        order_id = desk.submit(LIMIT)
        fired = sum(desk.looks() for _ in range(LOOKS))
    finally:
        board.set(Faults())
    assert fired <= 1
    assert desk.statuses(order_id) == RESTS


def test_order_that_no_venue_answered_for_is_left_alone_for_as_long_as_is_meant_by_a_clock_that_is_ahead(
    clock: SkewedClock, desk: Desk
) -> None:
    board = FaultBoard(desk.services.engine)
    clock.by = timedelta(hours=2)
    try:
        board.set(Faults(venues={"raydium": VenueFault(is_down=True), "meteora": VenueFault(is_down=True)}))
        order_id = desk.submit(LIMIT)
    finally:
        board.set(Faults())
    assert desk.statuses(order_id) == RESTS
    with desk.services.engine.connect() as connection:
        asked = {"order_id": order_id, "pause": NO_VENUE_FOR}
        assert connection.execute(_IS_LOOKED_AT_WITHIN, asked).scalar_one()


@pytest.mark.parametrize(("ahead", "becomes"), [(timedelta(minutes=3), S.OPEN), (timedelta(), S.CANCELED)])
def test_cancel_of_all_ends_what_waits_in_the_queue_by_the_clock_of_what_accepted_it(
    clock: SkewedClock, desk: Desk, ahead: timedelta, becomes: OrderStatus
) -> None:
    """Neither clock is the database's, which is not asked when an order is accepted: they must not differ."""
    terms = meant_fields(OrderFields, LIMIT).terms(desk.services.tokens)
    clock.by = ahead
    order_id = desk.services.submit_orders.submit(terms, "local").order_id
    clock.by = timedelta()
    desk.services.cancel_all_orders.cancel_all("local", OrderFilter())
    assert desk.consumer.run()[1] == []
    assert desk.statuses(order_id)[-1] is becomes
    assert desk.services.cancel_all_orders.cancel_all("local", OrderFilter()).canceled == (becomes is S.OPEN)


def test_order_that_is_accepted_after_a_cancel_of_all_by_a_clock_that_is_behind_ends_with_it(
    clock: SkewedClock, desk: Desk
) -> None:
    desk.services.cancel_all_orders.cancel_all("local", OrderFilter())
    clock.by = -timedelta(minutes=3)
    assert desk.statuses(desk.submit(LIMIT))[-1] is S.CANCELED
