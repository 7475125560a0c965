"""The market's definition file, read and checked.

Cheap to import, since the accept path needs the tokens: no SQL, no pool maths.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from chalicelib.domain.amounts import BPS_PER_UNIT, parse_units
from chalicelib.domain.tokens import Token, TokenPair, Tokens

DEFINITION_FILE: Final = Path(__file__).parents[2] / "market.toml"


@dataclass(frozen=True, slots=True)
class PoolDefinition:
    """A pool as a person describes it.

    Attributes:
        price: Quote per base, in token units.
        depth: What each side is worth, in tokens of the quote.
        parameters: What only this kind has.
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


@dataclass(frozen=True, slots=True)
class MarketDefinition:
    tokens: Tokens
    pools: tuple[PoolDefinition, ...]


@cache
def load_tokens(path: Path = DEFINITION_FILE) -> Tokens:
    """Return the tokens of a definition file; it is read once per process."""
    return _tokens(tomllib.loads(path.read_text(encoding="utf-8")))


@cache
def load_market(path: Path = DEFINITION_FILE) -> MarketDefinition:
    """Return a definition file's tokens and pools; it is read once per process.

    Raises:
        ValueError: Two pools have the same id.
        KeyError: Something is missing; the key says what.
    """
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    tokens = _tokens(document)
    usd = {symbol: Decimal(entry["usd"]) for symbol, entry in document["tokens"].items()}
    pools: dict[str, PoolDefinition] = {}
    for pair, entries in document["pools"].items():
        base, quote = pair.split("/")
        for entry in entries:
            pool = _pool(entry, tokens[base], tokens[quote], usd[base] / usd[quote])
            if pool.pool_id in pools:
                raise ValueError(f"two pools are called {pool.pool_id}: give one an id of its own")
            pools[pool.pool_id] = pool
    return MarketDefinition(tokens, tuple(pools.values()))


def _tokens(document: Mapping[str, Any]) -> Tokens:
    base, quote = document["default_pair"].split("/")
    leg_cost_usd = Decimal(document["leg_cost_usd"])
    entries: Mapping[str, Mapping[str, Any]] = document["tokens"]
    return Tokens(
        (_token(symbol, entry, leg_cost_usd) for symbol, entry in entries.items()), TokenPair(base, quote)
    )


def _token(symbol: str, entry: Mapping[str, Any], leg_cost_usd: Decimal) -> Token:
    scale: int = entry["scale"]
    leg_cost = (leg_cost_usd / Decimal(entry["usd"])).scaleb(scale)
    return Token(
        symbol,
        entry["mint"],
        scale,
        max_order_units=parse_units(entry["max_order"], scale, field=f"{symbol}.max_order"),
        leg_cost_units=int(leg_cost.to_integral_value(ROUND_CEILING)),
    )


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
