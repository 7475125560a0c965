"""The watcher of prices: for the functions, and for commands that move the simulated market."""

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
from chalicelib.domain.tokens import Tokens
from chalicelib.services.ports import Clock, OrderQueue
from chalicelib.services.resting.matcher import Matcher
from chalicelib.services.resting.ports import Openings, PriceReader, Watches
from chalicelib.services.resting.size_rates import SizeRates
from chalicelib.services.resting.watcher import PriceWatcher, fired_message


def watcher(
    prices: PriceReader,
    openings: Openings,
    watches: Watches,
    queue: OrderQueue,
    clock: Clock,
    tokens: Tokens,
) -> PriceWatcher:
    """Return what looks at some prices and openings, and tells the consumers what fired."""
    matcher = Matcher(watches, queue, fired_message, openings=openings, sizes=SizeRates(tokens))
    return PriceWatcher(prices, matcher, watches, queue, clock)


def market_watcher(engine: Engine, queue: OrderQueue) -> PriceWatcher:
    """Return the watcher of the simulated market in a database; a command that changes pools calls its
    ``market_changed`` with their ids, or ``look`` after it has moved prices.
    """
    prices = LedgerPrices(LedgerPoolReader(engine, PoolCache()), FaultBoard(engine), VENUES)
    tokens = load_tokens()
    openings = MarketOpenings(engine)
    return watcher(prices, openings, PostgresWatches(engine), queue, SystemClock(), tokens)
