"""Terms: what tells one wish from another."""

from dataclasses import fields, replace
from typing import Any

import pytest

from chalicelib.domain.launches import Sniper
from chalicelib.domain.rates import Bound, Limit, Rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderTerms, OrderType, SwapWish, TimeInForce
from chalicelib.domain.tokens import Token, TokenPair, Tokens, new_token
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from tests.fakes.orders import NOON, terms

MINT = "7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2hr"


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
    "output_decimals": 6,
}


@pytest.mark.parametrize("name", [field.name for field in fields(OrderTerms)])
def test_every_choice_counts_in_the_digest(name: str) -> None:
    changed: OrderTerms = replace(terms(), **{name: OTHER[name]})
    assert changed.sha256 != terms().sha256


def test_digest_of_terms_is_that_of_the_releases_before() -> None:
    """Else a client that repeats an order across a deployment would be told of a conflict."""
    assert terms().sha256 == "af26812da3ef9ec437d297d3ae5c36b3215a7b03a53291496bc6499a38129023"
    sniper = OrderTerms(
        "c1", OrderType.SNIPER, SwapMode.EXACT_IN, "USDC", "WIF", 10_000_000, "USDC", 50, None,
        sniper=Sniper("raydium", 5, 100, 3), time_in_force=TimeInForce.GTC,
    )  # fmt: skip
    assert sniper.sha256 == "47a078c73e63fa491c285d3cf93b881f13f92ff2cb43c2dd31e40e7581be1aaa"


def test_new_mint_has_the_decimals_that_its_order_says_whatever_was_learned() -> None:
    tokens = Tokens([Token("USDC", "usdc", 6, 1, 1), Token("SOL", "sol", 9, 1, 1)], TokenPair("SOL", "USDC"))
    tokens.learn(new_token(MINT, 5))
    sniper = replace(terms(), order_type=OrderType.SNIPER, sniper=Sniper(), output_token=MINT)
    assert sniper.bought_token(tokens).scale == 0
    assert replace(sniper, output_decimals=9).bought_token(tokens).scale == 9
    assert replace(sniper, output_token="USDC").bought_token(tokens).scale == 6
    assert replace(terms(), output_token=MINT).bought_token(tokens).scale == 5


LIMITED: dict[str, Any] = {"limit": OTHER["limit"], "slippage_bps": None}
STOP: dict[str, Any] = {"trigger": OTHER["trigger"]}
PROFIT: dict[str, Any] = {"trigger": replace(OTHER["trigger"], direction=Direction.AT_LEAST)}
BUYS: dict[str, Any] = {"sniper": Sniper()}


@pytest.mark.parametrize(
    ("said", "waits", "waits_at_limit", "is_stop_at_market"),
    [
        ({}, False, False, False),
        (LIMITED, True, True, False),
        (STOP, True, False, True),
        (PROFIT, True, False, False),
        (BUYS, True, False, False),
        (BUYS | LIMITED, True, True, False),
        (STOP | LIMITED, True, True, False),
    ],
)
def test_what_an_order_waits_for_tells_whether_it_rests_and_what_bounds_it(
    said: dict[str, Any], *, waits: bool, waits_at_limit: bool, is_stop_at_market: bool
) -> None:
    for force in TimeInForce:
        made: OrderTerms = replace(terms(), time_in_force=force, **said)
        stays = force is not TimeInForce.IOC
        assert (made.waits, made.may_rest) == (waits, waits and stays)
        assert made.rests_at_limit == (waits_at_limit and stays)
        assert made.is_stop_at_market == is_stop_at_market
        assert made.bound == (Bound(SwapMode.EXACT_IN, 155_000_000) if waits_at_limit else None)
        assert made.named_tokens == (("SOL",) if made.sniper else ("SOL", "USDC"))
        assert made.swap == SwapWish(SwapMode.EXACT_IN, "SOL", "USDC", 10**9, "SOL")
