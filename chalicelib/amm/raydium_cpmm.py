"""Raydium CPMM: constant product with a trade fee on the input and an optional creator fee.

Follows raydium-io/raydium-cp-swap@609780f, ``programs/cp-swap/src``: ``curve/calculator.rs``
(order of steps), ``curve/fees.rs`` (fees), ``curve/constant_product.rs`` (curve) and
``states/pool.rs`` (side of the creator fee).

Books: the LP part of the trade fee stays in the reserves, so the product grows. The
protocol, fund and creator parts leave the tradable reserves for accumulators of the pool::

    reserve_in  += amount_in - protocol_fee - fund_fee - (creator_fee, if on the input)
    reserve_out -= amount_out + (creator_fee, if on the output)
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chalicelib.amm.swaps import U64_MAX, Exact, Refusal, Swap, SwapRefusedError, SwapResult, TokenIndex

FEE_RATE_DENOMINATOR: Final = 10**6


class CreatorFeeOn(StrEnum):
    """Which token the creator fee is taken in (``states/pool.rs``, ``CreatorFeeOn``)."""

    BOTH = "both_tokens"  # whichever token comes in
    ONLY_0 = "only_token_0"
    ONLY_1 = "only_token_1"


@dataclass(frozen=True, slots=True)
class CpmmFees:
    """Rates of a pool, all in parts per 10^6.

    Attributes:
        trade_fee_rate: Of the amount in.
        protocol_fee_rate: Of the trade fee.
        fund_fee_rate: Of the trade fee.
        creator_fee_rate: Of the amount in or out; 0 unless the pool enables it.
    """

    trade_fee_rate: int
    protocol_fee_rate: int
    fund_fee_rate: int
    creator_fee_rate: int = 0
    creator_fee_on: CreatorFeeOn = CreatorFeeOn.BOTH

    def is_creator_fee_on_input(self, token_in: TokenIndex) -> bool:
        if self.creator_fee_on is CreatorFeeOn.BOTH:
            return True
        return (self.creator_fee_on is CreatorFeeOn.ONLY_0) == (token_in == 0)


@dataclass(frozen=True, slots=True)
class CpmmPool:
    """A pool's curve reserves, that is its vaults less the fees accumulated in them."""

    reserve_0: int
    reserve_1: int
    fees: CpmmFees
    open_time_s: int = 0


def swap(pool: CpmmPool, request: Swap) -> tuple[SwapResult, CpmmPool]:
    """Return what the swap moves and the pool after it.

    Raises:
        SwapRefusedError: Nothing would be paid out, a reserve would run dry or exceed a
            u64, or the pool has not opened.
    """
    if request.timestamp_s < pool.open_time_s:
        raise SwapRefusedError(Refusal.NOT_OPEN)
    token_in = request.token_in
    if token_in == 0:
        reserve_in, reserve_out = pool.reserve_0, pool.reserve_1
    else:
        reserve_in, reserve_out = pool.reserve_1, pool.reserve_0
    fees = pool.fees
    on_input = fees.is_creator_fee_on_input(token_in)
    if on_input and fees.trade_fee_rate + fees.creator_fee_rate == 0:
        # `split_creator_fee` divides by the sum of the rates: ZeroTradingTokens.
        raise SwapRefusedError(Refusal.ZERO_OUTPUT)
    if request.mode is Exact.IN:
        amount_in = request.amount
        amount_out, trade_fee, creator_fee = _exact_in(reserve_in, reserve_out, amount_in, fees, on_input)
    else:
        amount_out = request.amount
        amount_in, trade_fee, creator_fee = _exact_out(reserve_in, reserve_out, amount_out, fees, on_input)
    # The vaults are SPL token accounts, whose balances are u64.
    if reserve_in + amount_in > U64_MAX:
        raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)

    token_out: TokenIndex = 1 if token_in == 0 else 0
    result = SwapResult(
        amount_in,
        amount_out,
        trade_fee,
        trade_fee * fees.protocol_fee_rate // FEE_RATE_DENOMINATOR,
        token_in,
        trade_fee * fees.fund_fee_rate // FEE_RATE_DENOMINATOR,
        creator_fee,
        token_in if on_input else token_out,
    )
    return result, _pool_after(pool, token_in, result)


def reserves(pool: CpmmPool) -> tuple[int, int]:
    """Return the tradable amounts of token 0 and token 1."""
    return pool.reserve_0, pool.reserve_1


def spot_price(pool: CpmmPool) -> tuple[int, int]:
    """Return token 1 per token 0 before fees, exactly, as (numerator, denominator)."""
    return pool.reserve_1, pool.reserve_0


def marginal_out_per_in(pool: CpmmPool, token_in: TokenIndex, timestamp_s: int) -> tuple[int, int]:
    """Return the price after fees of an infinitely small swap, exactly, as (out, in)."""
    del timestamp_s  # the rates of this kind do not change with time
    fees = pool.fees
    reserve_in, reserve_out = (
        (pool.reserve_0, pool.reserve_1) if token_in == 0 else (pool.reserve_1, pool.reserve_0)
    )
    unit = FEE_RATE_DENOMINATOR
    if fees.is_creator_fee_on_input(token_in):
        return reserve_out * (unit - fees.trade_fee_rate - fees.creator_fee_rate), reserve_in * unit
    kept = (unit - fees.trade_fee_rate) * (unit - fees.creator_fee_rate)
    return reserve_out * kept, reserve_in * unit * unit


def _exact_in(
    reserve_in: int,
    reserve_out: int,
    amount_in: int,
    fees: CpmmFees,
    on_input: bool,  # noqa: FBT001 - private, and named as in the program
) -> tuple[int, int, int]:
    """Return (amount out, trade fee, creator fee): ``CurveCalculator::swap_base_input``."""
    trade_rate, creator_rate = fees.trade_fee_rate, fees.creator_fee_rate
    creator_fee = 0
    if on_input:
        total_rate = trade_rate + creator_rate
        total_fee = -(-amount_in * total_rate // FEE_RATE_DENOMINATOR)
        creator_fee = total_fee * creator_rate // total_rate
        trade_fee = total_fee - creator_fee
        net_in = amount_in - total_fee
    else:
        trade_fee = -(-amount_in * trade_rate // FEE_RATE_DENOMINATOR)
        net_in = amount_in - trade_fee
    amount_out = net_in * reserve_out // (reserve_in + net_in) if net_in > 0 else 0
    if not on_input:
        creator_fee = -(-amount_out * creator_rate // FEE_RATE_DENOMINATOR)
        amount_out -= creator_fee
    if amount_out == 0:
        raise SwapRefusedError(Refusal.ZERO_OUTPUT)
    return amount_out, trade_fee, creator_fee


def _exact_out(
    reserve_in: int,
    reserve_out: int,
    amount_out: int,
    fees: CpmmFees,
    on_input: bool,  # noqa: FBT001 - private, and named as in the program
) -> tuple[int, int, int]:
    """Return (amount in, trade fee, creator fee): ``CurveCalculator::swap_base_output``."""
    trade_rate, creator_rate = fees.trade_fee_rate, fees.creator_fee_rate
    gross_out = amount_out if on_input else _before_fee(amount_out, creator_rate)
    if gross_out >= reserve_out:
        raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
    net_in = -(-reserve_in * gross_out // (reserve_out - gross_out))
    if not on_input:
        amount_in = _before_fee(net_in, trade_rate)
        return amount_in, amount_in - net_in, gross_out - amount_out
    amount_in = _before_fee(net_in, trade_rate + creator_rate)
    total_fee = amount_in - net_in
    creator_fee = total_fee * creator_rate // (trade_rate + creator_rate)
    return amount_in, total_fee - creator_fee, creator_fee


def _before_fee(amount: int, rate: int) -> int:
    """Return the least amount that leaves ``amount`` after a fee: ``calculate_pre_fee_amount``."""
    return -(-amount * FEE_RATE_DENOMINATOR // (FEE_RATE_DENOMINATOR - rate))


def _pool_after(pool: CpmmPool, token_in: TokenIndex, result: SwapResult) -> CpmmPool:
    added = result.amount_in - result.protocol_fee - result.fund_fee
    removed = result.amount_out
    if result.creator_fee_token == token_in:
        added -= result.creator_fee
    else:
        removed += result.creator_fee
    if token_in == 0:
        return CpmmPool(pool.reserve_0 + added, pool.reserve_1 - removed, pool.fees, pool.open_time_s)
    return CpmmPool(pool.reserve_0 - removed, pool.reserve_1 + added, pool.fees, pool.open_time_s)
