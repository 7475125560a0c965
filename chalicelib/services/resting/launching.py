"""From pools and their openings to the launches that sniper orders judge: pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Final

from chalicelib.amm import pools
from chalicelib.amm.pools import Pool
from chalicelib.amm.swaps import SwapRefusedError, TokenIndex
from chalicelib.domain.launches import Launch, SeenOpenings
from chalicelib.domain.tokens import NEW_MINT, is_mint
from chalicelib.domain.triggers import Direction
from chalicelib.domain.watches import BY_LAUNCH, DirectedPair, SeenPrice, moment_rate
from chalicelib.routing.marginal import is_open
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.ports import ChainTime
from chalicelib.services.resting.ports import Openings
from chalicelib.services.resting.prices import Prices

FEE_PRECISION: Final = 1_000_000_000
FEE_HORIZON_S: Final = 86_400
"""How far ahead a fee schedule is followed."""


class NoOpenings:
    """``Openings`` of a market in which no pool opens."""

    def seen(self, pairs: Collection[DirectedPair]) -> SeenOpenings:
        del pairs
        return SeenOpenings(0, {})


NO_OPENINGS: Final[Openings] = NoOpenings()


def fee_rate(pool: Pool, token_in: TokenIndex, at: ChainTime) -> int:
    """Return what a first unit in pays at a moment, in parts per 10^9, rounded to the nearest.

    It is what the pool's marginal rate lacks of its price, so that every fee of every kind is in it.
    """
    out, paid = pools.marginal_out_per_in(pool, token_in, at.unix_s, at.slot)
    price = Fraction(*pools.spot_price(pool))
    gross = price if token_in == 0 else 1 / price
    return max(0, round((1 - Fraction(out, paid) / gross) * FEE_PRECISION))


def seconds_until_fee(pool: Pool, token_in: TokenIndex, wanted: int, now: ChainTime) -> int | None:
    """Return after how many seconds a fee is down to what is wanted if there are no trades.

    None if not within a day.

    Schedules and volatility only fall meanwhile, so the first such second is found by halving.
    """

    def is_low_after(seconds: int) -> bool:
        at = ChainTime(now.unix_s + seconds, now.slot + int(seconds / now.block_s) if now.slot else 0)
        try:
            return fee_rate(pool, token_in, at) <= wanted
        except SwapRefusedError:
            return False

    low, high = 0, FEE_HORIZON_S
    if not is_low_after(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_low_after(middle) else (middle, high)
    return high


def launches_of(
    market: Mapping[str, RoutablePool],
    pair: DirectedPair,
    seen: SeenOpenings,
    now: ChainTime,
    *,
    since: datetime,
) -> Sequence[Launch]:
    """Return the pools of a pair that open after a moment, the oldest first.

    Also those that have yet to open.
    """
    found = []
    for pool_id, opening in sorted(seen.by_pool.items(), key=lambda each: (each[1].at, each[0])):
        pool = market.get(pool_id)
        if pool is None or opening.at <= since or set(pool.tokens) != set(pair):
            continue
        trades = opening.height <= seen.height and is_open(pool.state, now.unix_s, now.slot)
        token_in = index_of(pool, pair.input_token)
        try:
            fee = fee_rate(pool.state, token_in, now) if trades else 0
        except (SwapRefusedError, ZeroDivisionError):
            continue  # as only a broken node shows it: a pool without a price
        held = pools.reserves(pool.state)[token_in]
        found.append(Launch(pool_id, pool.venue, opening.height, seen.height, held, fee, trades))
    return found


def index_of(pool: RoutablePool, token: str) -> TokenIndex:
    return 0 if pool.tokens[0] == token else 1


def seen_launches(prices: Prices, pairs: Iterable[DirectedPair], seen: SeenOpenings) -> Sequence[SeenPrice]:
    """Return for each pair when the newest of its open pools was noticed, and so whose orders it may meet.

    One that has yet to open does not count: whatever moment a stranger has it open at, it hides none that
    opens before.
    """
    newest: dict[frozenset[str], datetime] = {}
    for pool in prices.pools:
        opening = seen.by_pool.get(pool.pool_id)
        if opening is not None and opening.height <= seen.height:
            tokens, noticed_at = frozenset(pool.tokens), opening.noticed_at
            newest[tokens] = max(newest.get(tokens, noticed_at), noticed_at)
            for mint in filter(is_mint, pool.tokens):
                for_any = tokens - {mint} | {NEW_MINT}
                newest[for_any] = max(newest.get(for_any, noticed_at), noticed_at)
    return [
        SeenPrice(pair, Direction.AT_LEAST, BY_LAUNCH, moment_rate(at), seen.height, seen.height)
        for pair in pairs
        if (at := newest.get(frozenset(pair))) is not None
    ]
