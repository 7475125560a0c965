"""A watcher of the simulated market's prices, as another process has it: it knows nothing yet."""

from sqlalchemy import Engine

from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.postgres.watches import PostgresWatches
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard
from chalicelib.adapters.simulated_market.launches import MarketOpenings
from chalicelib.adapters.simulated_market.pool_cache import PoolCache
from chalicelib.adapters.simulated_market.prices import LedgerPrices
from chalicelib.adapters.simulated_market.venue import LedgerPoolReader
from chalicelib.adapters.token_list import load_tokens
from chalicelib.bootstrap.simulated_market import VENUES
from chalicelib.bootstrap.watching import watcher
from chalicelib.services.ports import OrderQueue
from chalicelib.services.resting.watcher import PriceWatcher


def market_watcher(engine: Engine, queue: OrderQueue) -> PriceWatcher:
    """Return a watcher of the market in a database, which tells a queue what fired."""
    prices = LedgerPrices(LedgerPoolReader(engine, PoolCache()), FaultBoard(engine), VENUES)
    openings, watches = MarketOpenings(engine), PostgresWatches(engine)
    return watcher(prices, openings, watches, queue, SystemClock(), load_tokens())
