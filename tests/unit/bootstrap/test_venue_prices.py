"""Prices through the ports: the venues' pools, at the chain's height."""

from dataclasses import replace

from chalicelib.bootstrap.venue_prices import VenuePrices
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.services.ports import ChainTime
from tests.fakes.inline import InOneThread
from tests.fakes.market import FakeChain, FakeVenue
from tests.fakes.ports import FrozenClock


def test_venue_that_answers_shows_its_pools_in_the_chains_block() -> None:
    chain, clock = FakeChain(), FrozenClock()
    collector = QuoteCollector([FakeVenue()], InOneThread(), clock, time_limit_ms=0, valid_ms=2_000)
    prices = VenuePrices(collector, lambda: chain.height).read()
    assert [pool.pool_id for pool in prices.pools] == ["raydium-pool"]
    assert (prices.height, prices.now_s) == (chain.height, int(clock.now().timestamp()))


def test_pools_of_a_chain_with_a_time_of_its_own_go_by_that() -> None:
    venue = FakeVenue()
    venue.offered = replace(venue.offered, chain_time=ChainTime(1_000, 52))
    collector = QuoteCollector([venue], InOneThread(), FrozenClock(), time_limit_ms=0, valid_ms=2_000)
    prices = VenuePrices(collector, lambda: 1).read()
    assert (prices.now_s, prices.slot) == (1_000, 52)
