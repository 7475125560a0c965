"""Terms: what tells one wish from another."""

from dataclasses import fields, replace
from typing import Any

import pytest

from chalicelib.domain.launches import Sniper
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderTerms, OrderType, TimeInForce
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from tests.fakes.orders import NOON, terms


def test_same_terms_have_the_same_digest() -> None:
    assert terms().sha256 == terms().sha256


OTHER: dict[str, Any] = {
    "client_order_id": "other",
    "order_type": OrderType.LIMIT,
    "swap_mode": SwapMode.EXACT_OUT,
    "input_token": "ETH",
    "output_token": "ETH",
    "amount_units": 7,
    "price_base": "USDC",
    "slippage_bps": 49,
    "valid_for_s": 61,
    "limit": Limit("155", Rate.of(155, 1_000)),
    "trigger": Trigger(
        "140",
        When.BELOW,
        Rate.of(140, 1_000),
        Direction.AT_MOST,
        PriceSource.MARK,
        2,
        IfAlreadyMet.REFUSE,
    ),
    "sniper": Sniper(venue="meteora"),
    "time_in_force": TimeInForce.GTC,
    "expires_at": NOON,
}


@pytest.mark.parametrize("name", [field.name for field in fields(OrderTerms)])
def test_every_choice_counts_in_the_digest(name: str) -> None:
    changed: OrderTerms = replace(terms(), **{name: OTHER[name]})
    assert changed.sha256 != terms().sha256


def test_digest_of_terms_is_that_of_the_releases_before() -> None:
    """Else a client that repeats an order across a deployment would be told of a conflict."""
    assert terms().sha256 == "af26812da3ef9ec437d297d3ae5c36b3215a7b03a53291496bc6499a38129023"
