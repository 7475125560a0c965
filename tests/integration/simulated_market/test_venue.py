"""What the simulated venues add to the contract of a ``Venue``: all of the market, latency and faults."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard, Faults, VenueFault
from chalicelib.adapters.simulated_market.pool_cache import PoolCache
from chalicelib.adapters.simulated_market.seed import seed
from chalicelib.adapters.simulated_market.settings import MarketSettings
from chalicelib.adapters.simulated_market.venue import LedgerPoolReader, MarketVenue
from chalicelib.domain.errors import VenueUnavailableError

NAMES = ("raydium", "meteora")


class SleeplessClock:
    """Remembers how long it was told to sleep."""

    def __init__(self) -> None:
        self.slept_s: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def elapsed_s(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)


@pytest.fixture(scope="module")
def engine(make_database: Callable[[], str]) -> Iterator[Engine]:
    engine = make_engine(make_database())
    seed(engine, load_market())
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> SleeplessClock:
    return SleeplessClock()


@pytest.fixture
def board(engine: Engine) -> Iterator[FaultBoard]:
    board = FaultBoard(engine)
    yield board
    board.set(Faults())


def a_venue(
    name: str, engine: Engine, board: FaultBoard, clock: SleeplessClock, latency_ms: int = 0
) -> MarketVenue:
    settings = MarketSettings(quote_latency_ms=latency_ms)
    return MarketVenue(name, LedgerPoolReader(engine, PoolCache()), board, clock, settings)


@pytest.mark.parametrize("name", NAMES)
def test_venue_answers_for_its_own_pools_and_all_of_them(
    name: str, engine: Engine, board: FaultBoard, clock: SleeplessClock
) -> None:
    venue = a_venue(name, engine, board, clock)
    assert venue.name == name
    found = venue.offers([]).pools
    assert {pool.venue for pool in found} == {name}
    assert {pool.pool_id for pool in found} == {
        pool.pool_id for pool in load_market().pools if pool.venue == name
    }
    assert clock.slept_s == []


def test_answer_takes_its_latency_give_or_take_thirty_per_cent(
    engine: Engine, board: FaultBoard, clock: SleeplessClock
) -> None:
    venue = a_venue("raydium", engine, board, clock, latency_ms=100)
    for _ in range(20):
        venue.offers([])
    assert all(0.07 <= slept <= 0.13 for slept in clock.slept_s)
    assert len(set(clock.slept_s)) == 20


def test_slow_venue_takes_longer_and_the_other_does_not(
    engine: Engine, board: FaultBoard, clock: SleeplessClock
) -> None:
    board.set(Faults(venues={"raydium": VenueFault(extra_latency_ms=5_000)}))
    a_venue("meteora", engine, board, clock, latency_ms=100).offers([])
    a_venue("raydium", engine, board, clock, latency_ms=100).offers([])
    fast, slow = clock.slept_s
    assert fast < 1
    assert slow > 5


@pytest.mark.parametrize("fault", [VenueFault(is_down=True), VenueFault(error_rate=1)])
def test_venue_that_is_down_or_errs_says_so_and_the_other_answers(
    fault: VenueFault, engine: Engine, board: FaultBoard, clock: SleeplessClock
) -> None:
    board.set(Faults(venues={"meteora": fault}))
    with pytest.raises(VenueUnavailableError):
        a_venue("meteora", engine, board, clock).offers([])
    assert a_venue("raydium", engine, board, clock).offers([]).pools


def test_venue_whose_database_does_not_answer_is_unavailable(clock: SleeplessClock) -> None:
    nowhere = make_engine("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(VenueUnavailableError):
        a_venue("raydium", nowhere, FaultBoard(nowhere), clock).offers([])


def test_venues_asked_side_by_side_share_one_read(
    engine: Engine, board: FaultBoard, clock: SleeplessClock
) -> None:
    reader = LedgerPoolReader(engine, PoolCache(), shared_for_s=60)
    venues = [MarketVenue(name, reader, board, clock, MarketSettings(quote_latency_ms=0)) for name in NAMES]
    assert venues[0].offers([]).pools
    seen = reader.read()
    with engine.begin() as connection:
        connection.execute(text("UPDATE market.pools SET version = version + 1"))
    assert venues[1].offers([]).pools
    assert reader.read() is seen
    assert LedgerPoolReader(engine, PoolCache(), shared_for_s=0).read().pools != seen.pools
