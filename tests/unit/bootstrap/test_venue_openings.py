"""When a pool opened, by its own word: in seconds or in slots, or not at all."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime

from chalicelib.amm.activation import ActivationType
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.bootstrap.venue_openings import VenueOpenings, age_s
from chalicelib.domain.watches import DirectedPair
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.services.ports import ChainTime, Offers
from tests.fakes.inline import InOneThread
from tests.fakes.market import FakeChain, FakeVenue, a_pool
from tests.fakes.ports import FrozenClock
from tests.unit.services.resting.test_launching import OPENS_S, a_launch


def test_age_is_counted_as_the_program_counts_it() -> None:
    pool = a_launch("dlmm").state
    assert isinstance(pool, DlmmPool)
    assert age_s(pool, ChainTime(OPENS_S + 7, 500)) == 7
    by_slot = replace(pool, activation_point=400, activation_type=ActivationType.SLOT)
    assert age_s(by_slot, ChainTime(OPENS_S, 500)) == 40
    assert age_s(a_pool().state, ChainTime(OPENS_S, 500)) is None


def test_openings_of_the_pairs_alone_are_told_with_heights_and_moments() -> None:
    venue, clock, chain = FakeVenue("meteora"), FrozenClock(), FakeChain()
    launched = a_launch("cpmm")
    other = launched._replace(pool_id="other", tokens=("WIF", "USDC"))
    venue.offered = Offers([launched, other, a_pool("old")], chain_time=ChainTime(OPENS_S + 4, 0))
    collector = QuoteCollector([venue], InOneThread(), clock, time_limit_ms=0, valid_ms=1)
    seen = VenueOpenings(collector, lambda: chain.height).seen([DirectedPair("USDC", "SOL")])
    (opening,) = seen.by_pool.values()
    assert (seen.height, opening.height) == (chain.height, chain.height - 10)
    assert opening.at == datetime.fromtimestamp(OPENS_S + 1, UTC)


def test_pools_that_nobody_listed_are_searched_for_before_the_venues_are_asked() -> None:
    venue, clock, asked = FakeVenue("meteora"), FrozenClock(), list[DirectedPair]()
    pair = DirectedPair("USDC", "SOL")

    def search(pairs: Collection[DirectedPair]) -> None:
        asked.extend(pairs)
        venue.offered = Offers([a_launch("cpmm")], chain_time=ChainTime(OPENS_S + 4, 0))

    collector = QuoteCollector([venue], InOneThread(), clock, time_limit_ms=0, valid_ms=1)
    assert VenueOpenings(collector, lambda: 100, search).seen([pair]).by_pool
    assert asked == [pair]
