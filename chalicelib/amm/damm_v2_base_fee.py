"""Base fees of a DAMM v2 pool that depend on the swap or the
price: the rate limiter, the market-cap scheduler.

Follows MeteoraAg/damm-v2@a3d3827 ``programs/cp-amm/src/base_fee``: ``fee_rate_limiter.rs`` and
``fee_market_cap_scheduler.rs``. Rates are parts per 10^9.
"""

from dataclasses import dataclass
from math import isqrt
from typing import Final, NamedTuple

from chalicelib.amm.damm_v2_schedule import (
    BASIS_POINTS,
    FEE_DENOMINATOR,
    SchedulerMode,
    fee_within,
    scheduled,
    with_fee,
)
from chalicelib.amm.swaps import U64_MAX, Refusal, SwapRefusedError, TokenIndex

NUMERATOR_PER_BPS: Final = FEE_DENOMINATOR // BASIS_POINTS


class Trade(NamedTuple):
    """What a base fee may look at.

    Attributes:
        amount: Of the token that pays the fee: with the fee in it (exact in), or without it (``is_net``).
        sqrt_price: Before the swap, in Q64.64.
    """

    token_in: TokenIndex
    amount: int
    is_net: bool
    sqrt_price: int


NO_TRADE: Final = Trade(0, 0, is_net=False, sqrt_price=0)


@dataclass(frozen=True, slots=True)
class MarketCapFee:
    """A fee that falls as the price rises above that at which the pool began.

    Attributes:
        sqrt_price_step_bps: A period passes for each such rise of the price's square root.
        expiration_duration: After so long the fee is at its floor, in what the activation point counts.
        reduction_factor: Per period: parts per 10^9 (linear) or basis points (exponential).
    """

    cliff_fee_numerator: int
    number_of_period: int
    sqrt_price_step_bps: int
    expiration_duration: int
    reduction_factor: int
    mode: SchedulerMode
    init_sqrt_price: int

    def numerator_at(self, point: int, activation_point: int, trade: Trade) -> int:
        """Return the rate: ``get_base_fee_numerator``."""
        if not activation_point <= point <= activation_point + self.expiration_duration:
            period = self.number_of_period
        else:
            risen = max(trade.sqrt_price - self.init_sqrt_price, 0) * BASIS_POINTS // self.init_sqrt_price
            period = min(risen // self.sqrt_price_step_bps, self.number_of_period)
        return scheduled(self.cliff_fee_numerator, self.reduction_factor, period, self.mode)


@dataclass(frozen=True, slots=True)
class RateLimiterFee:
    """A fee on purchases of A that grows with their size, for a while after the opening.

    The first ``reference_amount`` of B pays the cliff fee, each further one ``increment_bps`` more than the
    one before, and what comes after the maximum is reached pays that.

    Attributes:
        duration: How long it applies, in what the activation point counts.
    """

    cliff_fee_numerator: int
    increment_bps: int
    duration: int
    max_fee_bps: int
    reference_amount: int

    def applies(self, point: int, activation_point: int, token_in: TokenIndex) -> bool:
        """Return whether a swap pays more than the cliff fee: ``is_rate_limiter_applied``."""
        is_set = any((self.reference_amount, self.duration, self.max_fee_bps, self.increment_bps))
        return is_set and token_in == 1 and activation_point <= point <= activation_point + self.duration

    def numerator_at(self, point: int, activation_point: int, trade: Trade) -> int:
        """Return the rate that the whole amount pays on average."""
        if not self.applies(point, activation_point, trade.token_in):
            return self.cliff_fee_numerator
        return self._of_net(trade.amount) if trade.is_net else self._of_gross(trade.amount)

    @property
    def max_numerator(self) -> int:
        return self.max_fee_bps * NUMERATOR_PER_BPS

    @property
    def increment(self) -> int:
        return self.increment_bps * NUMERATOR_PER_BPS

    @property
    def steps(self) -> int:
        """How many times the rate grows before it is at its maximum: ``get_max_index``."""
        return (self.max_numerator - self.cliff_fee_numerator) // self.increment

    def _of_gross(self, amount: int) -> int:
        """``get_fee_numerator_from_included_fee_amount``."""
        cliff, first = self.cliff_fee_numerator, self.reference_amount
        if amount <= first:
            return cliff
        whole, part = divmod(amount - first, first)
        full, increment = min(whole, self.steps), self.increment
        fees = first * (cliff + cliff * full + increment * full * (full + 1) // 2)
        if whole < self.steps:
            fees += part * (cliff + increment * (whole + 1))
        else:
            fees += ((whole - full) * first + part) * self.max_numerator
        fee = -(-fees // FEE_DENOMINATOR)
        return -(-fee * FEE_DENOMINATOR // amount)

    def _net_of(self, amount: int) -> int:
        return amount - fee_within(amount, self._of_gross(amount))

    def _of_net(self, net: int) -> int:
        """``get_fee_numerator_from_excluded_fee_amount``:
        solves a quadratic equation for the gross amount.
        """
        first = self.reference_amount
        if net <= self._net_of(first):
            return self.cliff_fee_numerator
        checked = min((self.steps + 1) * first, U64_MAX)
        checked_net = self._net_of(checked)
        if net == checked_net:
            return self._of_gross(checked)
        if net < checked_net:
            double = 2 * FEE_DENOMINATOR * first
            y = double + self.increment * first - 2 * self.cliff_fee_numerator * first
            root = isqrt(y * y - 4 * self.increment * double * net)
            gross = (y - root) // (2 * self.increment)
            rate = self.cliff_fee_numerator + self.increment * (gross // first)
            gross += with_fee(net - self._net_of(gross), rate)
        else:
            if checked == U64_MAX:
                raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
            gross = checked + with_fee(net - checked_net, self.max_numerator)
        return -(-(gross - net) * FEE_DENOMINATOR // gross)
