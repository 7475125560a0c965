"""Fees of a DAMM v2 pool: a base fee, and one that grows with volatility.

Follows MeteoraAg/damm-v2@a3d3827 ``programs/cp-amm/src/state/fee.rs``. Rates are parts per 10^9. Referral
and partner shares are not modelled: they would come out of the protocol's part.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chalicelib.amm import q64
from chalicelib.amm.damm_v2_base_fee import NO_TRADE, MarketCapFee, RateLimiterFee, Trade
from chalicelib.amm.damm_v2_schedule import (
    BASIS_POINTS,
    FEE_DENOMINATOR,
    BaseFee,
    SchedulerMode,
    fee_within,
    with_fee,
)
from chalicelib.amm.swaps import U128_MAX, Refusal, SwapRefusedError, TokenIndex

__all__ = [
    "BASIS_POINTS",
    "FEE_DENOMINATOR",
    "MAX_FEE_NUMERATOR_V0",
    "MAX_FEE_NUMERATOR_V1",
    "BaseFee",
    "DammCollectFeeMode",
    "DammV2Fees",
    "DynamicFee",
    "DynamicFeeParameters",
    "SchedulerMode",
    "fee_within",
    "with_fee",
]

VARIABLE_FEE_SCALE: Final = 10**11
MAX_FEE_NUMERATOR_V0: Final = 500_000_000
MAX_FEE_NUMERATOR_V1: Final = 990_000_000


class DammCollectFeeMode(StrEnum):
    BOTH = "both"  # always in the token that goes out
    ONLY_B = "only_b"
    COMPOUNDING = "compounding"  # in B, and a share of it joins the reserves


@dataclass(frozen=True, slots=True)
class DynamicFeeParameters:
    """What never changes in a swap; periods in seconds, the reduction in basis points."""

    bin_step: int
    bin_step_q64: int
    variable_fee_control: int
    max_volatility_accumulator: int
    filter_period: int
    decay_period: int
    reduction_factor: int


@dataclass(frozen=True, slots=True)
class DynamicFee:
    """A fee that grows with recent volatility, and what it remembers (``DynamicFeeStruct``)."""

    parameters: DynamicFeeParameters
    volatility_accumulator: int
    volatility_reference: int
    sqrt_price_reference: int
    last_update_timestamp: int

    def variable_fee_numerator(self) -> int:
        """Return the rate, from the volatility before this swap: ``get_variable_fee``."""
        moved = self.volatility_accumulator * self.parameters.bin_step
        return -(-self.parameters.variable_fee_control * moved * moved // VARIABLE_FEE_SCALE)

    def after_swap(self, sqrt_price_before: int, sqrt_price_after: int, timestamp_s: int) -> "DynamicFee":
        """Return the memory after a swap: ``update_pre_swap`` and ``update_post_swap``."""
        parameters = self.parameters
        reference, volatility_reference = self.sqrt_price_reference, self.volatility_reference
        # On chain time never runs backwards; a clock that does counts as no time passed.
        elapsed = timestamp_s - self.last_update_timestamp
        if elapsed >= parameters.filter_period:
            reference = sqrt_price_before
            volatility_reference = (
                self.volatility_accumulator * parameters.reduction_factor // BASIS_POINTS
                if elapsed < parameters.decay_period
                else 0
            )
        step = parameters.bin_step_q64
        moved = volatility_reference + _bins_between(reference, sqrt_price_after, step) * BASIS_POINTS
        is_bin_crossed = _bins_between(sqrt_price_before, sqrt_price_after, step) > 0
        return DynamicFee(
            parameters,
            min(moved, parameters.max_volatility_accumulator),
            volatility_reference,
            reference,
            timestamp_s if is_bin_crossed else self.last_update_timestamp,
        )


@dataclass(frozen=True, slots=True)
class DammV2Fees:
    """Rates of a pool; the protocol's part in per cent, the compounding share in basis points."""

    base: BaseFee | RateLimiterFee | MarketCapFee
    collect_fee_mode: DammCollectFeeMode
    protocol_fee_percent: int = 20
    max_fee_numerator: int = MAX_FEE_NUMERATOR_V1
    compounding_fee_bps: int = 0

    def is_on_input(self, token_in: TokenIndex) -> bool:
        """Return whether the fee is taken from the input: ``FeeMode::get_fee_mode``."""
        return token_in == 1 and self.collect_fee_mode is not DammCollectFeeMode.BOTH

    def numerator_at(
        self, point: int, activation_point: int, dynamic: DynamicFee | None, trade: Trade = NO_TRADE
    ) -> int:
        """Return the total rate, capped: ``get_total_trading_fee``."""
        rate = self.base.numerator_at(point, activation_point, trade)
        if dynamic is not None:
            rate += dynamic.variable_fee_numerator()
        return min(rate, self.max_fee_numerator)


def _bins_between(sqrt_price_a: int, sqrt_price_b: int, bin_step_q64: int) -> int:
    """Return the distance of two prices in bins, (1 + s)^n taken as 1 + s·n: ``get_delta_bin_id``."""
    upper, lower = (
        (sqrt_price_a, sqrt_price_b) if sqrt_price_a > sqrt_price_b else (sqrt_price_b, sqrt_price_a)
    )
    ratio = (upper << 64) // lower
    if ratio > U128_MAX:
        raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
    # A bin step counts in price, and price is the square of what is compared: hence twice.
    return (ratio - q64.ONE) // bin_step_q64 * 2
