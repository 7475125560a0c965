"""Prices through the ports: the venues' pools, at the chain's height."""

from chalicelib.bootstrap.venue_prices import VenuePrices
from chalicelib.services.planning.venues import QuoteCollector
from tests.fakes.inline import InOneThread
from tests.fakes.market import FakeChain, FakeVenue
from tests.fakes.ports import FrozenClock


def test_venue_that_answers_shows_its_pools_in_the_chains_block() -> None:
    chain, clock = FakeChain(), FrozenClock()
    collector = QuoteCollector([FakeVenue()], InOneThread(), clock, time_limit_ms=0, valid_ms=2_000)
    prices = VenuePrices(collector, chain).read()
    assert [pool.pool_id for pool in prices.pools] == ["raydium-pool"]
    assert (prices.height, prices.now_s) == (chain.height, int(clock.now().timestamp()))
