"""The simulated market's definition file, read and checked."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from chalicelib.adapters.token_list import load_tokens
from chalicelib.amm.damm_v2_schedule import BaseFee
from chalicelib.domain.amounts import BPS_PER_UNIT
from chalicelib.domain.launches import Opening
from chalicelib.domain.tokens import Token, Tokens

DEFINITION_FILE: Final = Path(__file__).parents[2] / "market.toml"

VENUES: Final[Mapping[str, str]] = {
    "cpmm": "raydium",
    "clmm": "raydium",
    "dlmm": "meteora",
    "damm_v2": "meteora",
}
"""Whose pools are of which kind."""

PARAMETERS: Final[Mapping[str, Mapping[str, int]]] = {
    "cpmm": {},
    "clmm": {"width_bps": 2_000, "tick_spacing": 10},
    "dlmm": {"bin_step": 20, "bins": 40},
    "damm_v2": {},
}
"""How a pool of each kind is made, unless it is said."""


@dataclass(frozen=True, slots=True)
class PoolDefinition:
    """A pool as a person describes it.

    Attributes:
        price: Quote per base, in token units.
        depth: What each side is worth, in tokens of the quote.
        parameters: What only this kind has.
        opens_at_s: Unix time from which the pool may be traded with; 0 if it always may.
        opening: When a pool opens that the market does not have yet; None of one as old as the market.
        base_fee: A fee schedule that begins there, instead of ``fee_bps``: of a DAMM v2 pool alone.
    """

    pool_id: str
    venue: str
    kind: str
    base: Token
    quote: Token
    price: Decimal
    depth: Decimal
    fee_bps: Decimal
    parameters: Mapping[str, int]
    opens_at_s: int = 0
    base_fee: BaseFee | None = None
    opening: Opening | None = None


@dataclass(frozen=True, slots=True)
class MarketDefinition:
    tokens: Tokens
    pools: tuple[PoolDefinition, ...]


@cache
def load_market() -> MarketDefinition:
    """Return the tokens and the definition file's pools; it is read once per process.

    Raises:
        ValueError: Two pools have the same id.
        KeyError: Something is missing; the key says what.
    """
    document = tomllib.loads(DEFINITION_FILE.read_text(encoding="utf-8"))
    tokens = load_tokens()
    usd = {symbol: Decimal(price) for symbol, price in document["usd"].items()}
    pools: dict[str, PoolDefinition] = {}
    for pair, entries in document["pools"].items():
        base, quote = pair.split("/")
        for entry in entries:
            pool = _pool(entry, tokens[base], tokens[quote], usd[base] / usd[quote])
            if pool.pool_id in pools:
                raise ValueError(f"two pools are called {pool.pool_id}: give one an id of its own")
            pools[pool.pool_id] = pool
    return MarketDefinition(tokens, tuple(pools.values()))


def _pool(entry: Mapping[str, Any], base: Token, quote: Token, reference: Decimal) -> PoolDefinition:
    own = dict(entry)
    venue, kind, fee_bps = own.pop("venue"), own.pop("kind"), own.pop("fee_bps")
    default_id = f"{venue}-{kind}-{base.symbol}-{quote.symbol}-{fee_bps}"
    return PoolDefinition(
        pool_id=own.pop("id", default_id),
        venue=venue,
        kind=kind,
        base=base,
        quote=quote,
        price=reference * (BPS_PER_UNIT + own.pop("premium_bps", 0)) / BPS_PER_UNIT,
        depth=Decimal(own.pop("depth")),
        fee_bps=Decimal(fee_bps),
        parameters=own,
    )
