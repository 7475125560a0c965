"""What every ``Venue`` promises its callers, whether it answers with pools or with firm quotes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard, Faults, VenueFault
from chalicelib.adapters.simulated_market.pool_cache import PoolCache
from chalicelib.adapters.simulated_market.seed import seed
from chalicelib.adapters.simulated_market.settings import MarketSettings
from chalicelib.adapters.simulated_market.venue import LedgerPoolReader, MarketVenue
from chalicelib.adapters.solana.pool_reader import SHARED_FOR_S
from chalicelib.domain.errors import VenueUnavailableError
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.firm_quotes import WantedSwap
from chalicelib.routing.market import Market
from chalicelib.routing.router import best_plan
from chalicelib.routing.swap_order import SwapOrder
from chalicelib.services.ports import Offers, Venue
from tests.fakes.market_maker import FakeMaker
from tests.fakes.orders import NOON
from tests.fakes.ports import FrozenClock
from tests.simulation.chain import SimulatedVenue
from tests.simulation.dice import CALM, Outage
from tests.simulation.scheduler import Group, Scheduler
from tests.simulation.world import World
from tests.support.local_chain import market_on, write_pool_file
from tests.unit.infra.chain.running import running

WANTED = [
    WantedSwap(SwapMode.EXACT_IN, "SOL", "USDC", 10**9),
    WantedSwap(SwapMode.EXACT_OUT, "SOL", "USDC", 10**8),
    WantedSwap(SwapMode.EXACT_IN, "SOL", "a token of another world", 10**9),
]


@dataclass(frozen=True, slots=True)
class VenueOnTrial:
    """An implementation, and the means to silence it."""

    venue: Venue
    silence: Callable[[], None]


@contextmanager
def _market(make_database: Callable[[], str]) -> Iterator[VenueOnTrial]:
    engine = make_engine(make_database())
    seed(engine, load_market())
    board = FaultBoard(engine)
    settings = MarketSettings(quote_latency_ms=0)
    venue = MarketVenue("raydium", LedgerPoolReader(engine, PoolCache()), board, FrozenClock(), settings)
    yield VenueOnTrial(venue, lambda: board.set(Faults(venues={"raydium": VenueFault(is_down=True)})))
    engine.dispose()


class InSimulatedTime:
    """A venue of the simulation, asked by a task that waits for the answer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.scheduler = Scheduler()
        self.world = World(self.scheduler, Random(1), CALM)
        self._venue = SimulatedVenue(name, self.world)

    def offers(self, wanted: Sequence[WantedSwap]) -> Offers:
        answers: list[Offers | VenueUnavailableError] = []

        def ask() -> None:
            try:
                answers.append(self._venue.offers(wanted))
            except VenueUnavailableError as error:
                answers.append(error)

        self.scheduler.spawn(Group("asking"), ask)
        self.scheduler.run_until(self.scheduler.now_s + 10)
        (answer,) = answers
        if isinstance(answer, VenueUnavailableError):
            raise answer
        return answer

    def silence(self) -> None:
        self.world.weather = replace(CALM, outages=(Outage("venue", 0, 1_000),))


@contextmanager
def _simulation(_make_database: Callable[[], str]) -> Iterator[VenueOnTrial]:
    venue = InSimulatedTime("raydium")
    yield VenueOnTrial(venue, venue.silence)


@contextmanager
def _solana(_make_database: Callable[[], str], home: Path) -> Iterator[VenueOnTrial]:
    with running(home / "chain", "--seed", "--block-ms", "50") as process:
        url = f"http://127.0.0.1:{process.port}"
        pools_file = write_pool_file(home / "pools.toml", url, process.call("chain_status"))
        market = market_on(url, pools_file, seed="a seed")

        def silence() -> None:
            process.call("chain_setFaults", {"unavailable_percent": 100}, None)
            time.sleep(SHARED_FOR_S)  # what was read just before is still told

        yield VenueOnTrial(market.venues[0], silence)
        market.nodes.close()


@contextmanager
def _maker(_make_database: Callable[[], str], amount_in_max: int | None = None) -> Iterator[VenueOnTrial]:
    maker = FakeMaker({("SOL", "USDC"): Fraction(3, 20)}, amount_in_max=amount_in_max)
    yield VenueOnTrial(maker, lambda: setattr(maker, "is_down", True))


@contextmanager
def _maker_for_any_size(make_database: Callable[[], str]) -> Iterator[VenueOnTrial]:
    with _maker(make_database, amount_in_max=10**12) as made:
        yield made


@pytest.fixture(
    scope="module",
    params=[_market, _simulation, _solana, _maker, _maker_for_any_size],
    ids=["market", "simulation", "solana", "maker", "maker for any size"],
)
def on_trial(
    request: pytest.FixtureRequest,
    make_database: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[VenueOnTrial]:
    home = [tmp_path_factory.mktemp("solana")] if request.param is _solana else []
    with request.param(make_database, *home) as made:
        yield made


@pytest.fixture
def venue(on_trial: VenueOnTrial) -> Venue:
    return on_trial.venue


def test_venue_offers_something_under_its_own_name_and_ids(venue: Venue) -> None:
    offers = venue.offers(WANTED)
    venues = [pool.venue for pool in offers.pools] + [quote.venue for quote in offers.firm_quotes]
    assert set(venues) == {venue.name}
    ids = [pool.pool_id for pool in offers.pools] + [quote.quote_id for quote in offers.firm_quotes]
    assert len(set(ids)) == len(ids) > 0


def test_pools_can_be_traded_with_as_they_are_and_do_not_depend_on_what_is_wanted(venue: Venue) -> None:
    pools = venue.offers(WANTED).pools
    for pool in pools:
        one, other = pool.tokens
        assert one != other
        market = Market([pool], int(NOON.timestamp()))
        plan = best_plan(market, SwapOrder(SwapMode.EXACT_IN, one, other, 10**6, leg_cost=0))
        assert plan.amount_out > 0
    assert {pool.pool_id for pool in venue.offers([]).pools} == {pool.pool_id for pool in pools}


def test_firm_quotes_fill_what_was_wanted_whole_and_hold_for_a_while(venue: Venue) -> None:
    quotes = venue.offers(WANTED).firm_quotes
    for quote in quotes:
        assert quote.valid_until.tzinfo is not None
        assert quote.valid_until > NOON
        fills = [
            (wanted, amounts)
            for wanted in WANTED
            if (amounts := quote.filling(SwapOrder(*wanted, leg_cost=0))) is not None
        ]
        assert fills
        for wanted, amounts in fills:
            named = amounts.amount_in if wanted.mode is SwapMode.EXACT_IN else amounts.amount_out
            assert named == wanted.amount


def test_nothing_wanted_is_nothing_promised_and_each_answer_has_quotes_of_its_own(venue: Venue) -> None:
    assert not venue.offers([]).firm_quotes
    first, second = venue.offers(WANTED).firm_quotes, venue.offers(WANTED).firm_quotes
    assert not {quote.quote_id for quote in first} & {quote.quote_id for quote in second}


def test_venue_that_does_not_answer_says_so(on_trial: VenueOnTrial) -> None:
    on_trial.silence()
    with pytest.raises(VenueUnavailableError):
        on_trial.venue.offers(WANTED)
