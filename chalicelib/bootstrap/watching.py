"""The watcher of prices, made of what it reads and what it tells."""

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
