"""Moving the simulated market's prices, by trades of a wallet whose money counts like all other."""

import csv
import math
import random
import secrets
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import Engine

from chalicelib.adapters.simulated_market.chain import MarketChain
from chalicelib.adapters.simulated_market.definition import MarketDefinition, PoolDefinition
from chalicelib.adapters.simulated_market.fault_injection import NoFaults
from chalicelib.adapters.simulated_market.pool_cache import PoolCache
from chalicelib.adapters.simulated_market.pool_rows import MarketPool
from chalicelib.adapters.simulated_market.settings import MarketSettings
from chalicelib.adapters.simulated_market.venue import LedgerPoolReader
from chalicelib.amm import pools
from chalicelib.amm.swaps import U64_MAX, Exact, Refusal, Swap, SwapRefusedError, TokenIndex
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import InstructedLeg, InstructedPath, SwapInstruction

PriceStep = Mapping[str, Fraction]
"""What each token is worth, relative to where the path starts; 1 for those absent."""

PRECISION: Final = 1_000
"""A trade size is found to one part in so many."""

# A reader of this could sign for the market maker, in a market of play money.
_WALLET_SEED: Final = b"orderflow market maker"
_TIME_COLUMN: Final = "time"
_NONCE_BITS: Final = 31
_PULL: Final = 0.03  # back to the start per step, so that no pool is left behind for long


def random_walk(
    tokens: Sequence[str], *, steps: int, volatility_bps: float, seed: int
) -> Iterator[PriceStep]:
    """Yield a path on which each token moves by about so much per step; the same for the same seed."""
    dice = random.Random(seed)  # noqa: S311  # prices of play money
    logs = dict.fromkeys(tokens, 0.0)
    for _ in range(steps):
        for token, log in logs.items():
            logs[token] = log * (1 - _PULL) + dice.gauss(0, volatility_bps / 10_000)
        yield {token: Fraction(math.exp(log)) for token, log in logs.items()}


def read_path(file: Path) -> list[PriceStep]:
    """Return the path in a CSV file: a column per token, named by its symbol, and a row of prices per step.

    Raises:
        ValueError: There is no row, or something in one is not a price.
    """
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = [
                # Of a row that is too short or too long, what is read is no number's text.
                {token: Fraction(str(price)) for token, price in row.items() if token != _TIME_COLUMN}
                for row in csv.DictReader(lines)
            ]
    except (ZeroDivisionError, csv.Error) as error:
        raise ValueError(str(error)) from error
    if not rows or not all(price > 0 for row in rows for price in row.values()):
        raise ValueError("a price path has rows, and every price is above 0")
    return [{token: price / rows[0][token] for token, price in row.items()} for row in rows]


class MarketMaker:
    """Trades every pool to where a price path says it should be."""

    def __init__(self, engine: Engine, market: MarketDefinition) -> None:
        at_once = MarketSettings(quote_latency_ms=0, settlement_latency_ms=0)
        self._cache = PoolCache()
        self._reader = LedgerPoolReader(engine, self._cache)
        self._chain = MarketChain(
            engine, lambda: _WALLET_SEED, market.tokens, at_once, faults=NoFaults(engine), cache=self._cache
        )
        self._definitions = {pool.pool_id: pool for pool in market.pools}

    def move_to(self, step: PriceStep, now_s: int) -> int:
        """Trade the pools to their opening prices times the step's; return how many needed a trade."""
        targets = {
            pool_id: _opening_price(definition)
            * ratio(step, (definition.base.symbol, definition.quote.symbol))
            for pool_id, definition in self._definitions.items()
        }
        return len(self.trade_to(targets, now_s))

    def prices(self) -> Mapping[str, tuple[tuple[str, str], Fraction]]:
        """Return of each pool its tokens, base first, and its price now: quote per base, in base units."""
        return {
            pool.pool_id: (pool.tokens, Fraction(*pools.spot_price(pool.state)))
            for pool in self._reader.read().pools.values()
        }

    def trade_to(self, targets: Mapping[str, Fraction], now_s: int) -> Sequence[str]:
        """Trade pools to prices, as far as their liquidity goes; return the ids of those traded with."""
        trades = {
            pool.pool_id: trade
            for pool in self._reader.read().pools.values()
            if pool.pool_id in targets and (trade := _trade(pool, targets[pool.pool_id], now_s)) is not None
        }
        self._chain.send(self._chain.sign(list(trades.values())))
        return list(trades)


def ratio(step: PriceStep, tokens: tuple[str, str]) -> Fraction:
    """Return what a step does to the price of a pair: base first, then quote."""
    base, quote = tokens
    return step.get(base, Fraction(1)) / step.get(quote, Fraction(1))


def _trade(pool: MarketPool, target: Fraction, now_s: int) -> SwapInstruction | None:
    token_in: TokenIndex = 0 if target < Fraction(*pools.spot_price(pool.state)) else 1
    amount = amount_to_reach(pool.state, target, token_in, now_s)
    if amount == 0:
        return None
    base, quote = pool.tokens
    tokens = (base, quote) if token_in == 0 else (quote, base)
    return SwapInstruction(
        account_id="market-maker",
        order_id=UUID(int=0),
        # Equal trades within one block would otherwise be one transaction, and execute once.
        attempt=secrets.randbits(_NONCE_BITS),
        swap_mode=SwapMode.EXACT_IN,
        input_token=tokens[0],
        output_token=tokens[1],
        paths=(InstructedPath(tokens, ((InstructedLeg(pool.pool_id, amount),),)),),
        threshold_units=1,
    )


def amount_to_reach(state: pools.Pool, target: Fraction, token_in: TokenIndex, now_s: int) -> int:
    """Return the most that can go in without the spot price passing the target, about; 0 if nothing can."""
    enough = 1
    while enough <= U64_MAX and _falls_short(state, target, token_in, enough, now_s):
        enough *= 2
    short = enough // 2
    while enough - short > max(1, short // PRECISION):
        middle = (short + enough) // 2
        if _falls_short(state, target, token_in, middle, now_s):
            short = middle
        else:
            enough = middle
    # Next to the target, all that does not pass it may be too little to buy a single unit.
    return short if short and _price_after(state, token_in, short, now_s) else 0


def _falls_short(state: pools.Pool, target: Fraction, token_in: TokenIndex, amount: int, now_s: int) -> bool:
    try:
        price = _price_after(state, token_in, amount, now_s)
    except SwapRefusedError:
        return False  # more than the pool can take
    if price is None:
        return True
    return price >= target if token_in == 0 else price <= target


def _price_after(state: pools.Pool, token_in: TokenIndex, amount: int, now_s: int) -> Fraction | None:
    """Return the spot price that a swap leaves; None if it is too small to be one.

    Raises:
        SwapRefusedError: It is too large.
    """
    try:
        _, after = pools.swap(state, Swap(Exact.IN, amount, token_in, now_s))
    except SwapRefusedError as refused:
        if refused.refusal is Refusal.ZERO_OUTPUT:
            return None
        raise
    return Fraction(*pools.spot_price(after))


def _opening_price(pool: PoolDefinition) -> Fraction:
    return Fraction(pool.price.scaleb(pool.quote.scale - pool.base.scale))
