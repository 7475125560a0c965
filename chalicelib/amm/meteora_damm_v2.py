"""Meteora DAMM v2: one curve per pool, with scheduled and dynamic fees.

Follows MeteoraAg/damm-v2@a3d3827 ``programs/cp-amm/src/state/pool.rs``
(``get_swap_result_from_exact_input``, ``get_swap_result_from_exact_output``,
``apply_swap_result``). The program pays nothing out if the trader asks for no minimum;
here as on any sane route the minimum is one unit, so such a swap is refused.

Books: fees leave the tradable reserves. The protocol part and the LP part
(``lp_fee_outside``) are due from the vaults; in a compounding pool the compounding share
of the LP fee stays in the reserve of B and is in neither. A ledger that keeps the vaults needs only
the result::

    vault_in  += amount_in - (fees outside, if on the input)
    vault_out -= amount_out + (fees outside, if on the output)

where fees outside are ``protocol_fee + lp_fee_outside``. A concentrated curve rounds in the
pool's favour, so a vault that once held ``reserves`` never runs dry.
"""

from dataclasses import dataclass

from chalicelib.amm.activation import ActivationType
from chalicelib.amm.damm_v2_base_fee import MarketCapFee, Trade
from chalicelib.amm.damm_v2_curve import CompoundingCurve, ConcentratedCurve
from chalicelib.amm.damm_v2_fee import (
    BASIS_POINTS,
    FEE_DENOMINATOR,
    BaseFee,
    DammV2Fees,
    DynamicFee,
    fee_within,
    with_fee,
)
from chalicelib.amm.swaps import Exact, Refusal, Swap, SwapRefusedError, SwapResult, TokenIndex


@dataclass(frozen=True, slots=True)
class DammV2Pool:
    """A pool's curve and fees.

    Attributes:
        dynamic_fee: ``None`` if the pool has none.
        activation_point: Where trading opens and the fee schedule starts.
        activation_type: What that point, and the periods of the schedule, count.
    """

    curve: ConcentratedCurve | CompoundingCurve
    fees: DammV2Fees
    dynamic_fee: DynamicFee | None = None
    activation_point: int = 0
    activation_type: ActivationType = ActivationType.TIMESTAMP

    def is_open_at(self, timestamp_s: int, slot: int) -> bool:
        """Return whether trading has opened."""
        return self.activation_type.point_at(timestamp_s, slot) >= self.activation_point

    def fee_numerator_at(self, timestamp_s: int, slot: int, token_in: TokenIndex) -> int:
        """Return the total rate of a first unit, capped, in parts per 10^9."""
        return self.numerator_at_point(self.activation_type.point_at(timestamp_s, slot), token_in)

    def numerator_at_point(
        self, point: int, token_in: TokenIndex, amount: int = 0, *, is_net: bool = False
    ) -> int:
        """Return the same at a point.

        Args:
            amount: Of the token that pays the fee, fee included unless ``is_net``; 0 stands for a first unit.
        """
        fees = self.fees
        if isinstance(fees.base, BaseFee):  # which looks at no trade
            return fees.numerator_at(point, self.activation_point, self.dynamic_fee)
        sqrt_price = self.curve.sqrt_price if isinstance(fees.base, MarketCapFee) else 0
        trade = Trade(token_in, amount, is_net, sqrt_price)
        return fees.numerator_at(point, self.activation_point, self.dynamic_fee, trade)


def swap(pool: DammV2Pool, request: Swap) -> tuple[SwapResult, DammV2Pool]:
    """Return what the swap moves and the pool after it.

    Raises:
        SwapRefusedError: Nothing would be paid out, the price would leave its range, an
            amount exceeds a u64, or the pool has not opened.
    """
    point = request.slot if pool.activation_type is ActivationType.SLOT else request.timestamp_s
    if point < pool.activation_point:
        raise SwapRefusedError(Refusal.NOT_OPEN)
    token_in, fees = request.token_in, pool.fees
    on_input = fees.is_on_input(token_in)
    curve: ConcentratedCurve | CompoundingCurve
    if request.mode is Exact.IN:
        amount_in = request.amount
        rate = pool.numerator_at_point(point, token_in, amount_in)
        fee = fee_within(amount_in, rate) if on_input else 0
        amount_out, curve = pool.curve.take_in(amount_in - fee, token_in)
        if not on_input:
            fee = fee_within(amount_out, rate)
            amount_out -= fee
        if amount_out == 0:
            raise SwapRefusedError(Refusal.ZERO_OUTPUT)
    else:
        amount_out = request.amount
        gross_out = amount_out
        if not on_input:
            gross_out = with_fee(
                amount_out, pool.numerator_at_point(point, token_in, amount_out, is_net=True)
            )
        net_in, curve = pool.curve.give_out(gross_out, token_in)
        amount_in = net_in
        if on_input:
            amount_in = with_fee(net_in, pool.numerator_at_point(point, token_in, net_in, is_net=True))
        fee = amount_in - net_in if on_input else gross_out - amount_out
    protocol_fee = fee * fees.protocol_fee_percent // 100
    compounding_fee = 0
    if isinstance(curve, CompoundingCurve):
        compounding_fee = (fee - protocol_fee) * fees.compounding_fee_bps // BASIS_POINTS
        curve = curve.compounded(compounding_fee)

    dynamic_fee = pool.dynamic_fee
    if dynamic_fee is not None:
        dynamic_fee = dynamic_fee.after_swap(pool.curve.sqrt_price, curve.sqrt_price, request.timestamp_s)
    token_out: TokenIndex = 1 if token_in == 0 else 0
    result = SwapResult(
        amount_in,
        amount_out,
        fee,
        protocol_fee,
        token_in if on_input else token_out,
        lp_fee_outside=fee - protocol_fee - compounding_fee,
    )
    # Named one by one: ``replace`` takes half as long as the whole swap.
    after = DammV2Pool(curve, fees, dynamic_fee, pool.activation_point, pool.activation_type)
    return result, after


def reserves(pool: DammV2Pool) -> tuple[int, int]:
    """Return the most of A and of B that the curve can still pay, rounded down."""
    return pool.curve.reserves()


def spot_price(pool: DammV2Pool) -> tuple[int, int]:
    """Return B per A before fees, exactly, as (numerator, denominator)."""
    return pool.curve.price()


def marginal_out_per_in(
    pool: DammV2Pool, token_in: TokenIndex, timestamp_s: int, slot: int = 0
) -> tuple[int, int]:
    """Return the price after fees of an infinitely small swap, exactly, as (out, in); (0, 1) if none."""
    if not pool.curve.can_pay_for(token_in):
        return 0, 1
    b, a = pool.curve.price()
    kept = FEE_DENOMINATOR - pool.fee_numerator_at(timestamp_s, slot, token_in)
    return (b * kept, a * FEE_DENOMINATOR) if token_in == 0 else (a * kept, b * FEE_DENOMINATOR)
