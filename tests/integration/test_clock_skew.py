"""Clocks that are minutes apart: the functions' and the database's, through the real consumer."""

import time
from datetime import datetime, timedelta
from fractions import Fraction

import pytest

from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard, Faults, VenueFault
from chalicelib.domain.statuses import OrderStatus
from tests.integration.consumer import Consumer
from tests.integration.test_resting_orders import RESTS, SELL, Desk, desk

__all__ = ["desk"]

S = OrderStatus
LOOKS = 6
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
    order_id = desk.submit(LIMIT | {"validForSeconds": 2})
    clock.by = timedelta(minutes=minutes)
    time.sleep(2.1)
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
