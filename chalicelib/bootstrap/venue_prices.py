"""Prices of any market, through the ports that orders are executed with."""

from collections.abc import Callable

from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.services.resting.prices import Prices


class VenuePrices:
    """``PriceReader`` that asks the venues for their pools and the chain for its height.

    Raises ``RetryableError``.
    """

    def __init__(self, quote_collector: QuoteCollector, height: Callable[[], int]) -> None:
        self._quote_collector = quote_collector
        self._height = height

    def read(self) -> Prices:
        request = self._quote_collector.begin()
        # Before the answers: the pools are of this block or of a later one.
        height = self._height()
        answers = request.answers()
        now = answers.time
        return Prices(answers.pools, now.unix_s, now.slot, height, answers.room)
