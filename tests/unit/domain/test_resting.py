"""What the fields of orders that wait mean, where an order has none of them."""

import pytest

from chalicelib.domain.lifetimes import lifetime
from chalicelib.domain.resting import at_once, resting_terms
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderType


@pytest.mark.parametrize("slippage_bps", [None, 0, 70])
def test_terms_of_an_order_that_says_nothing_are_those_of_a_market_order(slippage_bps: int | None) -> None:
    said = resting_terms(
        OrderType.MARKET,
        SwapMode.EXACT_IN,
        limit=None,
        slippage_bps=slippage_bps,
        lifetime=lifetime(
            OrderType.MARKET, is_triggered=False, time_in_force=None, valid_for_s=None, expires_at=None
        ),
        trigger=None,
        sniper=None,
    )
    assert at_once(slippage_bps) == said
