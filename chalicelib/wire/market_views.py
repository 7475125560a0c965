"""Markets as REST lists them: prices in token units, quote per base."""

from chalicelib.domain.amounts import price_text
from chalicelib.domain.market_prices import MarketPrices, PairPrices
from chalicelib.domain.rates import Rate
from chalicelib.domain.tokens import Tokens
from chalicelib.wire.json_text import JsonObject
from chalicelib.wire.moments import rfc3339


def markets_view(prices: MarketPrices, tokens: Tokens) -> JsonObject:
    """Return each pair with its mark and best rates, and the venues that are left out."""
    return {
        "markets": [_pair(each, prices, tokens) for each in prices.pairs],
        "problems": [{"venue": venue, "error": problem} for venue, problem in prices.problems.items()],
    }


def _pair(found: PairPrices, prices: MarketPrices, tokens: Tokens) -> JsonObject:
    base, quote = tokens[found.pair.base], tokens[found.pair.quote]

    def price(rate: Rate | None) -> str | None:
        if rate is None:
            return None
        return price_text(rate.output_units, quote.scale, rate.input_units, base.scale)

    return {
        "pair": f"{base.symbol}/{quote.symbol}",
        "baseAsset": base.symbol,
        "quoteAsset": quote.symbol,
        "mark": price(found.mark),
        "bestRates": {"sell": price(found.sell), "buy": price(found.buy)},
        "pools": found.pools,
        "at": rfc3339(prices.at),
        "ageMs": prices.age_ms,
        "height": prices.height,
    }
