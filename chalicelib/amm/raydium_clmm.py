"""Raydium CLMM: liquidity that changes from tick to tick, with a static fee on the input.

Follows raydium-io/raydium-clmm@03b44b7 ``programs/amm/src/instructions/swap.rs``. The dynamic
fee, fee-on-token modes and limit orders of its 2026 versions are not modelled.

Books: fees leave the tradable reserves. The protocol, fund and LP parts
(``lp_fee_outside``) are due from the vault of the input. A ledger that keeps the vaults needs only
the result::

    vault_in  += amount_in - protocol_fee - fund_fee - lp_fee_outside
    vault_out -= amount_out

Every step rounds in the pool's favour, so a vault that once held ``reserves`` plus one unit
per initialized tick never runs dry.
"""

from bisect import bisect_right
from operator import itemgetter
from typing import Final, NamedTuple

from chalicelib.amm.clmm_step import FEE_RATE_DENOMINATOR, amount_0, step_in, step_out
from chalicelib.amm.clmm_tick import SQRT_PRICE_MAX, SQRT_PRICE_MIN, sqrt_price_at, tick_near
from chalicelib.amm.swaps import (
    U64_MAX,
    U128_MAX,
    Exact,
    Refusal,
    Swap,
    SwapRefusedError,
    SwapResult,
    TokenIndex,
)
from chalicelib.values import value


class Tick(NamedTuple):
    """An initialized tick; ``liquidity_net`` is added when the price rises across it."""

    tick: int
    liquidity_net: int


_TICK: Final = itemgetter(0)


@value
class ClmmFees:
    """Rates in parts per 10^6: of the amount in, and of the trade fee."""

    trade_fee_rate: int
    protocol_fee_rate: int
    fund_fee_rate: int


@value
class ClmmPool:
    """A pool's price, its liquidity there, and all initialized ticks in ascending order.

    A swap crosses ticks without changing them, so all states of a pool share one tuple.

    Attributes:
        tick_current: After falling onto a tick this is one below it, as in the program.
    """

    sqrt_price: int
    tick_current: int
    liquidity: int
    ticks: tuple[Tick, ...]
    fees: ClmmFees
    open_time_s: int = 0


def swap(pool: ClmmPool, request: Swap) -> tuple[SwapResult, ClmmPool]:
    """Return what the swap moves and the pool after it; the cost grows with the ticks crossed.

    Raises:
        SwapRefusedError: Nothing would be paid out, the ticks run out, an amount exceeds a
            u64, or the pool has not opened.
    """
    # The program wants the time to be after the opening, not at it.
    if pool.open_time_s and request.timestamp_s <= pool.open_time_s:
        raise SwapRefusedError(Refusal.NOT_OPEN)
    result, after = _walked(pool, request)
    if result.amount_out == 0 or after.sqrt_price == pool.sqrt_price:
        raise SwapRefusedError(Refusal.ZERO_OUTPUT)
    if result.amount_in > U64_MAX:
        raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
    return result, after


def reserves(pool: ClmmPool) -> tuple[int, int]:
    """Return the most of token 0 and token 1 that all ranges can still pay, rounded down each."""
    above = bisect_right(pool.ticks, pool.tick_current, key=_TICK)
    total_0 = total_1 = 0
    price, liquidity = pool.sqrt_price, pool.liquidity
    for tick in pool.ticks[above:]:
        next_price = sqrt_price_at(tick.tick)
        numerator, denominator = amount_0(price, next_price, liquidity)
        total_0 += numerator // denominator
        price, liquidity = next_price, liquidity + tick.liquidity_net
    price, liquidity = pool.sqrt_price, pool.liquidity
    for tick in reversed(pool.ticks[:above]):
        next_price = sqrt_price_at(tick.tick)
        total_1 += liquidity * (price - next_price) >> 64
        price, liquidity = next_price, liquidity - tick.liquidity_net
    return total_0, total_1


def spot_price(pool: ClmmPool) -> tuple[int, int]:
    """Return token 1 per token 0 before fees, exactly, as (numerator, denominator)."""
    return pool.sqrt_price * pool.sqrt_price, 1 << 128


def marginal_out_per_in(pool: ClmmPool, token_in: TokenIndex, timestamp_s: int) -> tuple[int, int]:
    """Return the price after fees of an infinitely small swap, as (out, in); (0, 1) if none.

    Where the current range has no liquidity, the price is that of the next range that has.
    """
    del timestamp_s  # the rate of this kind does not change with time
    falls = token_in == 0
    index = _next_index(pool, falls=falls)
    price, liquidity = pool.sqrt_price, pool.liquidity
    while 0 <= index < len(pool.ticks):
        next_tick = pool.ticks[index]
        next_price = sqrt_price_at(next_tick.tick)
        if liquidity and next_price != price:
            kept = FEE_RATE_DENOMINATOR - pool.fees.trade_fee_rate
            squared, one = price * price, 1 << 128
            return (
                (squared * kept, one * FEE_RATE_DENOMINATOR)
                if falls
                else (one * kept, squared * FEE_RATE_DENOMINATOR)
            )
        price = next_price
        liquidity += -next_tick.liquidity_net if falls else next_tick.liquidity_net
        index += -1 if falls else 1
    return 0, 1


def _walked(pool: ClmmPool, request: Swap) -> tuple[SwapResult, ClmmPool]:
    """Step from tick to tick until the request is filled: ``swap_internal``."""
    fees, ticks = pool.fees, pool.ticks
    fee_rate, token_in = fees.trade_fee_rate, request.token_in
    falls = token_in == 0
    is_exact_in = request.mode is Exact.IN
    compute_step = step_in if is_exact_in else step_out
    limit = SQRT_PRICE_MIN + 1 if falls else SQRT_PRICE_MAX - 1
    index = _next_index(pool, falls=falls)
    price, tick, liquidity = pool.sqrt_price, pool.tick_current, pool.liquidity
    taken = paid = fee = protocol_fee = fund_fee = 0
    remaining = request.amount
    while remaining:
        if not 0 <= index < len(ticks) or price == limit:
            raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
        next_tick, net = ticks[index]
        next_price = sqrt_price_at(next_tick)
        target = max(next_price, limit) if falls else min(next_price, limit)
        before = price
        price, step_taken, step_paid, step_fee = compute_step(before, target, liquidity, remaining, fee_rate)
        remaining -= step_taken + step_fee if is_exact_in else step_paid
        taken += step_taken + step_fee
        paid += step_paid
        fee += step_fee
        protocol_fee += step_fee * fees.protocol_fee_rate // FEE_RATE_DENOMINATOR
        fund_fee += step_fee * fees.fund_fee_rate // FEE_RATE_DENOMINATOR
        if price == next_price:
            liquidity += -net if falls else net
            if not 0 <= liquidity <= U128_MAX:
                raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
            tick = next_tick - 1 if falls else next_tick
            index += -1 if falls else 1
        elif price != before:
            tick = tick_near(price, tick)
    result = SwapResult(
        taken,
        paid,
        fee,
        protocol_fee,
        token_in,
        fund_fee,
        lp_fee_outside=fee - protocol_fee - fund_fee,
    )
    return result, ClmmPool(price, tick, liquidity, ticks, fees, pool.open_time_s)


def _next_index(pool: ClmmPool, *, falls: bool) -> int:
    """Return the index of the next tick: at or below the current one, or above it."""
    return bisect_right(pool.ticks, pool.tick_current, key=_TICK) - (1 if falls else 0)
