"""Every pair with its prices: what triggers look at, and what a first unit gets either way."""

from collections.abc import Callable, Sequence

from chalicelib.domain.market_prices import MarketPrices, PairPrices
from chalicelib.domain.tokens import TokenPair, Tokens
from chalicelib.routing.marginal import MarginalRates
from chalicelib.routing.marks import canonical, mark_of
from chalicelib.routing.open_to import makes_price
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.mints import LearnMints
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.services.ports import ChainTime, Clock, Mints


class ReadMarkets:
    """Asks the venues and the chain; nothing is planned."""

    def __init__(
        self,
        quote_collector: QuoteCollector,
        height: Callable[[], int],
        tokens: Tokens,
        clock: Clock,
        *,
        mints: Mints,
    ) -> None:
        self._quote_collector = quote_collector
        self._height = height
        self._tokens = tokens
        self._clock = clock
        self._mints = LearnMints(tokens, mints)

    def read(self) -> MarketPrices:
        """Return each pair's prices. Raises ``RetryableError`` if the chain does not answer."""
        answers = self._quote_collector.ask()
        height = self._height()
        self._mints.learn_if_possible({token for pool in answers.pools for token in pool.tokens})
        # A pool of a token of which no decimals are known can be neither shown nor traded.
        pools = [
            pool
            for pool in answers.pools
            if makes_price(pool, pool.tokens) and None not in map(self._tokens.find, pool.tokens)
        ]
        found = _prices(pools, answers.time, self._tokens.default_pair)
        age_ms = round((self._clock.now() - answers.asked_at).total_seconds() * 1000)
        return MarketPrices(found, answers.asked_at, max(0, age_ms), height, answers.problems)


def _prices(pools: Sequence[RoutablePool], now: ChainTime, default: TokenPair) -> Sequence[PairPrices]:
    by_pair: dict[tuple[str, str], list[RoutablePool]] = {}
    for pool in sorted(pools, key=lambda pool: pool.pool_id):
        by_pair.setdefault(canonical(*pool.tokens), []).append(pool)
    rates = MarginalRates(pools, now.unix_s, now.slot)
    found = []
    for of_pair in by_pair.values():
        pair = _as_traded(of_pair[0].tokens, default)
        buy = rates.best(pair.quote, pair.base)
        found.append(
            PairPrices(
                pair,
                len(of_pair),
                mark_of(of_pair, (pair.base, pair.quote), now.unix_s, now.slot),
                rates.best(pair.base, pair.quote),
                None if buy is None else buy.inverse(),
            )
        )
    return sorted(found, key=lambda each: (each.pair.base, each.pair.quote))


def _as_traded(tokens: tuple[str, str], default: TokenPair) -> TokenPair:
    """Return base and quote as a pool has them, but for the default pair, whose order is set."""
    if set(tokens) == {default.base, default.quote}:
        return default
    return TokenPair(*tokens)
