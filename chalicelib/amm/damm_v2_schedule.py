"""Rates of a DAMM v2 pool that fall period by period, and amounts with and without a fee.

Follows MeteoraAg/damm-v2@a3d3827 ``programs/cp-amm/src``: ``base_fee/fee_time_scheduler.rs`` and
``math/fee_math.rs``. Rates are parts per 10^9.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chalicelib.amm import q64
from chalicelib.amm.swaps import U64_MAX, Refusal, SwapRefusedError

FEE_DENOMINATOR: Final = 10**9
BASIS_POINTS: Final = 10_000


class SchedulerMode(StrEnum):
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


def scheduled(cliff_fee_numerator: int, reduction_factor: int, period: int, mode: SchedulerMode) -> int:
    """Return the rate in a period: ``get_fee_in_period`` if it falls exponentially.

    Args:
        reduction_factor: Per period: parts per 10^9 (linear) or basis points (exponential).
    """
    if mode is SchedulerMode.LINEAR:
        return cliff_fee_numerator - reduction_factor * period
    kept = q64.ONE - (reduction_factor << 64) // BASIS_POINTS
    return cliff_fee_numerator * q64.power(kept, period) >> 64


@dataclass(frozen=True, slots=True)
class BaseFee:
    """A fee that starts at a cliff and falls in periods; a frequency of 0 makes it constant.

    Attributes:
        period_frequency: Length of a period, in what the pool's activation point counts.
        reduction_factor: Per period: parts per 10^9 (linear) or basis points (exponential).
    """

    cliff_fee_numerator: int
    number_of_period: int = 0
    period_frequency: int = 0
    reduction_factor: int = 0
    mode: SchedulerMode = SchedulerMode.LINEAR

    def numerator_at(self, point: int, activation_point: int, trade: object = None) -> int:
        """Return the rate at a time or a slot, whatever the trade: ``get_base_fee_numerator``."""
        del trade
        if self.period_frequency == 0:
            return self.cliff_fee_numerator
        passed = (point - activation_point) // self.period_frequency
        # Before activation only a launch vault trades, at the final fee.
        period = self.number_of_period if passed < 0 else min(passed, self.number_of_period)
        return scheduled(self.cliff_fee_numerator, self.reduction_factor, period, self.mode)


def fee_within(amount: int, rate: int) -> int:
    """Return the fee contained in an amount, rounded up: ``get_fee_on_amount``."""
    return -(-amount * rate // FEE_DENOMINATOR)


def with_fee(amount: int, rate: int) -> int:
    """Return the amount that leaves ``amount`` after its fee: ``get_included_fee_amount``.

    Raises:
        SwapRefusedError: It exceeds a u64.
    """
    included = -(-amount * FEE_DENOMINATOR // (FEE_DENOMINATOR - rate))
    if included > U64_MAX:
        raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
    return included
