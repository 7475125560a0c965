"""Opening one more pool in a market that exists, at a height of its chain."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from typing import Final

from sqlalchemy import Engine, text

from chalicelib.adapters.simulated_market.definition import MarketDefinition, PoolDefinition
from chalicelib.adapters.simulated_market.seed import seed
from chalicelib.amm.damm_v2_schedule import BaseFee, SchedulerMode
from chalicelib.domain.amounts import BPS_PER_UNIT
from chalicelib.domain.launches import Opening
from chalicelib.domain.tokens import Token, Tokens

_PPB_PER_BPS: Final = 100_000
_UNITS_MAX: Final = 2**64 - 1

_CHAIN: Final = text("""
    SELECT market.height_at(market.now()) AS height, market.now() AS now,
        extract(epoch FROM genesis_at)::float8 AS genesis_s, slot_ms
    FROM market.chain
""")


_NOTE: Final = text("""
    INSERT INTO market.tokens AS old (mint, scale) VALUES (:mint, :scale)
    ON CONFLICT (mint) DO UPDATE SET scale = old.scale RETURNING scale
""")

_NAME_LENGTH: Final = 8  # of a symbol, or of the beginning of a mint


@dataclass(frozen=True, slots=True)
class LaunchedPool:
    """A pool that is there, and opens at a height."""

    pool_id: str
    height: int
    opens_at_s: int


def falling_fee(
    from_bps: int, to_bps: Decimal, *, periods: int, period_s: int, mode: SchedulerMode
) -> BaseFee:
    """Return a fee that begins at one rate and falls to another, period by period.

    The last period's rate is never below ``to_bps``: what falls per period is rounded down.

    Raises:
        ValueError: It does not fall.
    """
    if not to_bps < from_bps <= BPS_PER_UNIT // 2:
        raise ValueError(f"a fee falls from at most {BPS_PER_UNIT // 2} bps to less than it begins with")
    cliff, floor = from_bps * _PPB_PER_BPS, int(to_bps * _PPB_PER_BPS)
    if mode is SchedulerMode.LINEAR:
        reduction = (cliff - floor) // periods
    else:
        kept = (Decimal(floor) / cliff) ** (Decimal(1) / periods)
        reduction = int((1 - kept) * BPS_PER_UNIT)
    if reduction == 0:
        raise ValueError("so many periods leave nothing to fall in each")
    return BaseFee(cliff, periods, period_s, reduction, mode)


def launch(
    engine: Engine, tokens: Tokens, pool: PoolDefinition, *, height: int | None = None, in_blocks: int = 0
) -> LaunchedPool:
    """Open a pool with what it holds newly issued, as when the market was opened; it trades from a height on.

    A chain's time counts in whole seconds for a pool, and a second has two blocks and a half: it opens with
    the first second that begins at that height or after it, so never before.

    Args:
        pool: Without an id, it gets one of what it is and when it opens.
        height: Where it opens; None for ``in_blocks`` from now.

    Raises:
        ValueError: There is such a pool already, the height is past, the token has other decimals, the fee
            takes all, or the depth is none as ``check_depth`` has it.
    """
    if pool.fee_bps >= BPS_PER_UNIT:
        raise ValueError(f"a fee is below {BPS_PER_UNIT} bps")
    check_depth(pool)
    with engine.connect() as connection:
        chain = connection.execute(_CHAIN).one()
    opens = chain.height + in_blocks if height is None else height
    if opens < chain.height:
        raise ValueError(f"the chain is at height {chain.height}, beyond {opens}")
    opens_at_s = ceil(chain.genesis_s + opens * chain.slot_ms / 1000)
    if opens == chain.height:
        # It trades at once, and so does a fee begin to fall that has begun.
        opens_at_s = 0 if pool.base_fee is None else opens_at_s - 1
    if pool.base.symbol not in tokens:
        _note(engine, pool.base)
    default_id = f"{pool.venue}-{pool.kind}-{pool.base.symbol[:_NAME_LENGTH]}-{pool.quote.symbol}-at-{opens}"
    opening = Opening(opens, chain.now)
    if opens > chain.height:
        second = datetime.fromtimestamp(opens_at_s, UTC)
        opening = Opening(ceil((opens_at_s - chain.genesis_s) * 1000 / chain.slot_ms), second)
    named = replace(pool, pool_id=pool.pool_id or default_id, opens_at_s=opens_at_s, opening=opening)
    if not seed(engine, MarketDefinition(tokens, (named,))):
        raise ValueError(f"there is a pool {named.pool_id} already: give this one an id of its own")
    return LaunchedPool(named.pool_id, opening.height, opens_at_s)


def check_depth(pool: PoolDefinition) -> None:
    """Return if a pool can hold what it is to open with.

    Raises:
        ValueError: It is less than a base unit of either token, or more than a token account can hold.
    """
    sides = (pool.base, pool.depth / pool.price), (pool.quote, pool.depth)
    for token, held in sides:
        units = held * 10**token.scale
        if units < 1:
            raise ValueError(f"such a depth is less than one base unit of {token.symbol}")
        if units > _UNITS_MAX:
            raise ValueError(f"such a depth is more than an account can hold of {token.symbol}")


def _note(engine: Engine, token: Token) -> None:
    """Note the decimals of a token that is not listed."""
    with engine.begin() as connection:
        scale = connection.execute(_NOTE, {"mint": token.mint, "scale": token.scale}).scalar_one()
        if scale != token.scale:
            raise ValueError(f"{token.mint} has {scale} decimals")
