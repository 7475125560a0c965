"""What there is to know about the simulated market's pools, in plain figures."""

from collections import defaultdict
from typing import Any, Final

from sqlalchemy import Engine, text

from chalicelib.adapters.simulated_market.pool_cache import PoolCache
from chalicelib.adapters.simulated_market.pool_rows import MarketPool, kind_of
from chalicelib.adapters.simulated_market.venue import LedgerPoolReader
from chalicelib.adapters.token_list import load_tokens
from chalicelib.amm import pools
from chalicelib.domain.amounts import BPS_PER_UNIT, format_units, price_text
from chalicelib.domain.tokens import Tokens, new_token

_NEW_TOKENS: Final = text("SELECT mint, scale FROM market.tokens")


def market_facts(engine: Engine) -> list[dict[str, Any]]:
    """Return every pair with its pools: price, what they hold, and the spread between the extremes."""
    tokens = load_tokens()
    with engine.connect() as connection:
        for mint, scale in connection.execute(_NEW_TOKENS):
            tokens.learn(new_token(mint, scale))
    by_pair: dict[str, list[MarketPool]] = defaultdict(list)
    for pool in LedgerPoolReader(engine, PoolCache()).read().pools.values():
        by_pair["/".join(pool.tokens)].append(pool)
    return [
        {
            "pair": pair,
            "spreadBps": _spread_bps(found),
            "pools": [
                _pool_facts(pool, tokens)
                for pool in sorted(found, key=lambda pool: (pool.venue, pool.pool_id))
            ],
        }
        for pair, found in sorted(by_pair.items())
    ]


def _pool_facts(pool: MarketPool, tokens: Tokens) -> dict[str, Any]:
    base, quote = (tokens[symbol] for symbol in pool.tokens)
    quote_units, base_units = pools.spot_price(pool.state)
    held = pools.reserves(pool.state)
    return {
        "poolId": pool.pool_id,
        "venue": pool.venue,
        "kind": kind_of(pool.state),
        "price": price_text(quote_units, quote.scale, base_units, base.scale),
        "base": format_units(held[0], base.scale),
        "quote": format_units(held[1], quote.scale),
    }


def _spread_bps(found: list[MarketPool]) -> int:
    """Return how far the highest price is above the lowest, rounded down."""
    prices = [pools.spot_price(pool.state) for pool in found]
    # Cross products compare fractions exactly, however many digits they have.
    return max((a * d - c * b) * BPS_PER_UNIT // (b * c) for a, b in prices for c, d in prices)
