"""Asking the venues: those that answer count, and one that does not is named and holds no order up."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.chosen_route import RefusedPool
from chalicelib.domain.errors import RetryableError, VenueUnavailableError
from chalicelib.routing.firm_quotes import WantedSwap
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.services.ports import ChainTime, Offers
from tests.fakes.inline import InOneThread
from tests.fakes.market import FakeVenue
from tests.fakes.orders import NOON
from tests.fakes.ports import FrozenClock

UNDETERRED_MS = 60_000


class SilentVenue(FakeVenue):
    """Does not answer before it is let go."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.is_over = threading.Event()

    def offers(self, wanted: Sequence[WantedSwap]) -> Offers:
        self.is_over.wait()
        return super().offers(wanted)


@pytest.fixture
def silent() -> Iterator[SilentVenue]:
    venue = SilentVenue("silent")
    yield venue
    venue.is_over.set()


@pytest.fixture
def threads() -> Iterator[Executor]:
    executor = ThreadPoolExecutor(4)
    yield executor
    executor.shutdown(wait=False)


def collector(*venues: FakeVenue, executor: Executor | None = None, time_limit_ms: int = 0) -> QuoteCollector:
    return QuoteCollector(
        venues, executor or InOneThread(), FrozenClock(), time_limit_ms=time_limit_ms, valid_ms=2_000
    )


def test_pools_go_by_the_oldest_time_of_the_chain_that_a_venue_names_and_refused_ones_are_kept() -> None:
    raydium, meteora = FakeVenue("raydium"), FakeVenue("meteora")
    refused = [RefusedPool("old", ("SOL", "USDC"), "swap_disabled")]
    raydium.offered = replace(raydium.offered, refused=refused, chain_time=ChainTime(1_000, 52))
    meteora.offered = replace(meteora.offered, chain_time=ChainTime(999, 50))
    answers = collector(raydium, meteora, FakeVenue("maker")).ask()
    assert answers.chain_time == ChainTime(999, 50)
    assert answers.refused == {"raydium": refused}
    assert collector(FakeVenue("maker")).ask().chain_time is None


def test_answers_have_the_pools_of_every_venue_and_a_time_they_are_good_until() -> None:
    answers = collector(FakeVenue("raydium"), FakeVenue("meteora")).ask()
    assert [pool.venue for pool in answers.pools] == ["raydium", "meteora"]
    assert (answers.venues, answers.problems) == (("raydium", "meteora"), {})
    assert answers.asked_at == NOON
    assert answers.valid_until == NOON + timedelta(seconds=2)


def test_venue_that_says_why_it_cannot_answer_is_left_out_with_its_reason() -> None:
    down = FakeVenue("down")
    down.fault = VenueUnavailableError("closed for lunch")
    answers = collector(down, FakeVenue("raydium")).ask()
    assert [pool.venue for pool in answers.pools] == ["raydium"]
    assert answers.problems == {"down": "closed for lunch"}
    assert answers.venues == ("down", "raydium")


def test_venue_with_a_defect_is_left_out_without_a_word_of_what_it_was() -> None:
    broken = FakeVenue("broken")
    broken.fault = KeyError("secret")
    answers = collector(broken, FakeVenue("raydium")).ask()
    assert answers.problems == {"broken": "its answer could not be used"}
    assert len(answers.pools) == 1


def test_fault_that_is_no_venues_own_is_raised() -> None:
    venue = FakeVenue()
    venue.fault = RetryableError("the database is down")
    with pytest.raises(RetryableError):
        collector(venue, FakeVenue("meteora")).ask()


def test_venue_that_does_not_answer_in_time_is_left_out_and_the_limit_named(
    silent: SilentVenue, threads: Executor
) -> None:
    answers = collector(silent, executor=threads, time_limit_ms=5).ask()
    assert answers.problems == {"silent": "no answer within 5 ms"}
    assert answers.pools == ()


def test_venues_are_asked_side_by_side(silent: SilentVenue, threads: Executor) -> None:
    class Opener(FakeVenue):
        def offers(self, wanted: Sequence[WantedSwap]) -> Offers:
            silent.is_over.set()
            return super().offers(wanted)

    request = collector(silent, Opener("opener"), executor=threads, time_limit_ms=UNDETERRED_MS).begin()
    assert request.answers().problems == {}


def test_time_that_is_left_cuts_the_wait_short(silent: SilentVenue, threads: Executor) -> None:
    hurried = QuoteCollector(
        [silent],
        threads,
        FrozenClock(),
        time_limit_ms=UNDETERRED_MS,
        valid_ms=2_000,
        within=lambda seconds: min(seconds, 0.005),
    )
    assert hurried.ask().problems.keys() == {"silent"}
