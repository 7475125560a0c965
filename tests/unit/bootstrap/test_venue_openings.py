"""When a pool opened, by its own word: in seconds or in slots, or not at all."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event

import pytest

from chalicelib.amm.activation import ActivationType
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.bootstrap.venue_openings import FORESEEN_S, SearchBeside, VenueOpenings, age_s
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
    assert age_s(by_slot, ChainTime(OPENS_S, 500, 0.2)) == 20
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


def test_height_of_an_opening_is_reckoned_with_the_chains_own_pace() -> None:
    """An order that buys for ten blocks would do so for twenty, where they take half the time."""
    venue, chain = FakeVenue("meteora"), FakeChain()
    venue.offered = Offers([a_launch("cpmm")], chain_time=ChainTime(OPENS_S + 4, 0, 0.2))
    collector = QuoteCollector([venue], InOneThread(), FrozenClock(), time_limit_ms=0, valid_ms=1)
    seen = VenueOpenings(collector, lambda: chain.height).seen([DirectedPair("USDC", "SOL")])
    assert [opening.height for opening in seen.by_pool.values()] == [chain.height - 20]


@pytest.mark.parametrize("opens_at_s", [2**64 - 1, 253_402_300_800, OPENS_S + FORESEEN_S + 1])
def test_pool_that_says_to_open_at_the_end_of_time_hides_no_other(opens_at_s: int) -> None:
    """Anyone can make one: its program takes whatever moment it is told."""
    venue, now = FakeVenue("raydium"), ChainTime(OPENS_S, 0)
    never = a_launch("cpmm", opens_at_s=opens_at_s)._replace(pool_id="never")
    soon = a_launch("cpmm", opens_at_s=OPENS_S + FORESEEN_S)._replace(pool_id="soon")
    venue.offered = Offers([never, soon, a_launch("cpmm")], chain_time=now)
    collector = QuoteCollector([venue], InOneThread(), FrozenClock(), time_limit_ms=0, valid_ms=1)
    seen = VenueOpenings(collector, lambda: 100).seen([DirectedPair("USDC", "SOL")])
    assert seen.by_pool.keys() == {"launch", "soon"}


def test_opening_of_a_pool_that_was_found_is_told_with_when_that_was() -> None:
    venue, found_at = FakeVenue("raydium"), datetime(2026, 1, 1, tzinfo=UTC)
    listed = a_launch("cpmm")._replace(pool_id="listed")
    venue.offered = Offers([listed, a_launch("cpmm")], chain_time=ChainTime(OPENS_S + 4, 0))
    collector = QuoteCollector([venue], InOneThread(), FrozenClock(), time_limit_ms=0, valid_ms=1)
    openings = VenueOpenings(collector, lambda: 100, found_at=lambda: {"launch": found_at})
    by_pool = openings.seen([DirectedPair("USDC", "SOL")]).by_pool
    opened_at = datetime.fromtimestamp(OPENS_S + 1, UTC)
    assert (by_pool["launch"].at, by_pool["launch"].noticed_at) == (opened_at, found_at)
    assert by_pool["listed"].noticed_at == opened_at


def test_pools_that_nobody_listed_are_searched_for_before_the_venues_are_asked() -> None:
    venue, clock, asked = FakeVenue("meteora"), FrozenClock(), list[DirectedPair]()
    pair = DirectedPair("USDC", "SOL")

    def search(pairs: Collection[DirectedPair]) -> None:
        asked.extend(pairs)
        venue.offered = Offers([a_launch("cpmm")], chain_time=ChainTime(OPENS_S + 4, 0))

    collector = QuoteCollector([venue], InOneThread(), clock, time_limit_ms=0, valid_ms=1)
    assert VenueOpenings(collector, lambda: 100, search).seen([pair]).by_pool
    assert asked == [pair]


PAIR = DirectedPair("USDC", "SOL")


class SlowSearch:
    """Takes until it is let go on, and notes what it was asked for."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[Collection[DirectedPair]] = []
        self.goes_on, self.error = Event(), error

    def __call__(self, pairs: Collection[DirectedPair]) -> None:
        self.asked.append(pairs)
        assert self.goes_on.wait(30)
        if self.error is not None:
            raise self.error


def test_prices_wait_for_no_search_and_one_is_begun_at_a_time() -> None:
    """Looks that are too far apart leave a gap in a mark's history: no stop would be confirmed."""
    search = SlowSearch()
    beside = SearchBeside(search)
    for _ in range(3):
        beside([PAIR])
    search.goes_on.set()
    beside.wait()
    assert search.asked == [(PAIR,)]
    beside([PAIR])
    beside.wait()
    assert len(search.asked) == 2


def test_search_that_runs_into_a_defect_is_begun_again(caplog: pytest.LogCaptureFixture) -> None:
    search = SlowSearch(KeyError("planted"))
    search.goes_on.set()
    beside = SearchBeside(search)
    for _ in range(2):
        beside([PAIR])
        beside.wait()
    assert len(search.asked) == 2
    assert [record.message for record in caplog.records] == ["defect", "defect"]
