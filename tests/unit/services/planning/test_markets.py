"""Markets: what is shown of each pair."""

from dataclasses import replace

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.errors import VenueUnavailableError
from chalicelib.domain.tokens import Tokens
from chalicelib.services.mints import NO_MINTS
from chalicelib.services.planning.markets import ReadMarkets
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.services.ports import ChainTime, Mints
from chalicelib.wire.market_views import markets_view
from chalicelib.wire.rest_answers import MarketBody, Markets
from chalicelib.wire.server_frames import json_text
from tests.fakes.inline import InOneThread
from tests.fakes.market import FakeVenue, a_pool, a_pool_that_opens_at
from tests.fakes.ports import FrozenClock
from tests.unit.services.test_mints import SomeMints

TOKENS = load_tokens()


def shown(*venues: FakeVenue, tokens: Tokens = TOKENS, mints: Mints = NO_MINTS) -> Markets:
    clock = FrozenClock()
    collector = QuoteCollector(venues, InOneThread(), clock, time_limit_ms=0, valid_ms=2_000)

    def height() -> int:
        clock.sleep(0.25)
        return 77

    prices = ReadMarkets(collector, height, tokens, clock, mints=mints).read()
    return Markets.model_validate_json(json_text(markets_view(prices, tokens)))


def by_pair(markets: Markets) -> dict[str, MarketBody]:
    return {each.pair: each for each in markets.markets}


def test_pair_shows_its_mark_between_what_a_unit_gets_and_costs() -> None:
    (pair,) = shown(FakeVenue("raydium"), FakeVenue("meteora")).markets
    assert (pair.pair, pair.base_asset, pair.quote_asset, pair.pools) == ("SOL/USDC", "SOL", "USDC", 2)
    assert (pair.mark, pair.best_rates.sell, pair.best_rates.buy) == ("200", "199.5", "200.501253133")
    assert (pair.age_ms, pair.height) == (250, 77)


@pytest.mark.parametrize(("slot", "mark", "sell"), [(6, None, None), (7, "200", "199.5")])
def test_pool_that_opens_at_a_slot_is_shown_by_the_chains_own_time(
    slot: int, mark: str | None, sell: str | None
) -> None:
    venue = FakeVenue("meteora", [a_pool_that_opens_at(7)])
    venue.offered = replace(venue.offered, chain_time=ChainTime(1_000, slot))
    (pair,) = shown(venue).markets
    assert (pair.mark, pair.best_rates.sell) == (mark, sell)


def test_pair_is_quoted_as_its_pools_have_it_and_the_default_pair_as_it_is_set() -> None:
    pools = [a_pool("a", tokens=("USDC", "SOL")), a_pool("b", tokens=("JUP", "SOL"))]
    assert by_pair(shown(FakeVenue("raydium", pools))).keys() == {"SOL/USDC", "JUP/SOL"}


def test_best_rate_may_lead_over_a_third_token() -> None:
    pools = [
        a_pool("direct", reserves=(10**15, 10**14)),
        a_pool("one", tokens=("SOL", "USDT"), reserves=(10**15, 2 * 10**14)),
        a_pool("two", tokens=("USDT", "USDC"), reserves=(10**14, 10**14)),
    ]
    pair = by_pair(shown(FakeVenue("raydium", pools)))["SOL/USDC"]
    assert (pair.mark, pair.best_rates.sell) == ("100", "199.00125")


def test_pools_of_tokens_that_are_not_listed_are_left_out() -> None:
    assert shown(FakeVenue("raydium", [a_pool(tokens=("SOL", "DOGE"))])).markets == []


def test_pair_of_a_mint_is_shown_once_its_decimals_are_known_and_makes_no_price_but_its_own() -> None:
    mint, other = "BxQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFi", "CxQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFi"
    pools = [
        a_pool(),
        a_pool("mint", tokens=(mint, "USDC"), reserves=(10**15, 2 * 10**15)),
        a_pool("mint-sol", tokens=(mint, "SOL"), reserves=(10**15, 10**15)),
        a_pool("unread", tokens=(other, "USDC")),
    ]
    tokens = Tokens(TOKENS, TOKENS.default_pair)
    found = by_pair(shown(FakeVenue("raydium", pools), tokens=tokens, mints=SomeMints(**{mint: 5})))
    assert found.keys() == {"SOL/USDC", f"{mint}/USDC", f"{mint}/SOL"}
    assert found[f"{mint}/USDC"].mark == "0.2"
    alone = shown(FakeVenue("raydium", pools[:1])).markets[0]
    assert found["SOL/USDC"].best_rates == alone.best_rates


def test_venue_that_does_not_answer_is_named() -> None:
    down = FakeVenue("meteora")
    down.fault = VenueUnavailableError("no answer")
    found = shown(FakeVenue("raydium"), down)
    assert [(each.venue, each.error) for each in found.problems] == [("meteora", "no answer")]
    assert len(found.markets) == 1
