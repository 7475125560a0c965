"""Purchases of a DAMM v2 pool's A under a rate limiter: ranges per step of the fee, ever dearer ones.

The limiter's rate is an average, rounded up. For an exact input it is that of the whole input, and the cap is
on its sum with the dynamic fee: charging each step by itself is never more. For an exact output the program
looks up the rate of the input that would do without a dynamic fee, which is a smaller one, and so charges
less. With G that input, n what it leaves and v the dynamic rate, the trader gives I = n / (n/G - v). That is
convex, so its tangents where a step begins and ends lie below it; at the cap it grows with n alone.
"""

from collections.abc import Iterator
from math import inf, sqrt
from typing import NamedTuple

from chalicelib.amm import damm_v2_fee
from chalicelib.amm.damm_v2_base_fee import RateLimiterFee
from chalicelib.amm.damm_v2_curve import ConcentratedCurve
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.q64 import ONE
from chalicelib.routing.ranges import Curve, Range, product_range


class _Stretch(NamedTuple):
    """So much reaches the curve, and this part of what is given for it does."""

    net_in: float
    kept: float


def rate_limited(pool: DammV2Pool, limiter: RateLimiterFee, stop_in: float, stop_out: float) -> Curve:
    """Return what the pool offers for B, at least up to one of the two amounts; for exact outputs if the
    first is endless.
    """
    curve = pool.curve
    if not isinstance(curve, ConcentratedCurve) or not curve.liquidity:
        return ()
    variable = 0 if pool.dynamic_fee is None else pool.dynamic_fee.variable_fee_numerator()
    rates = variable / damm_v2_fee.FEE_DENOMINATOR, pool.fees.max_fee_numerator / damm_v2_fee.FEE_DENOMINATOR
    liquidity, top = curve.liquidity / ONE, curve.sqrt_max_price / ONE
    price = curve.sqrt_price / ONE
    room = (top - price) * liquidity
    parts: list[Range] = []
    taken = paid = 0.0
    stretches = _of_exact_in if stop_in < inf or not variable else _of_exact_out
    for net_in, kept in stretches(limiter, room, *rates):
        after = min(top, price + net_in / liquidity)
        if not kept or price >= top:
            break
        if after <= price:
            continue  # too little for a float to tell
        turn = sqrt(kept)
        parts.append(product_range(root=turn / price, end=turn / after, liquidity=liquidity / turn))
        taken += parts[-1].amount_in
        paid += parts[-1].amount_out
        price = after
        if taken > stop_in or paid > stop_out:
            break
    return parts


def _steps(limiter: RateLimiterFee) -> Iterator[float]:
    """Yield what each step leaves without a dynamic fee; the last has no end."""
    for step in range(limiter.steps + 1):
        yield 1.0 - (limiter.cliff_fee_numerator + limiter.increment * step) / damm_v2_fee.FEE_DENOMINATOR
    yield 1.0 - limiter.max_numerator / damm_v2_fee.FEE_DENOMINATOR


def _of_exact_in(limiter: RateLimiterFee, room: float, variable: float, cap: float) -> Iterator[_Stretch]:
    for step, left in enumerate(_steps(limiter)):
        kept = max(1.0 - cap, left - variable)
        yield _Stretch(room if step > limiter.steps else limiter.reference_amount * kept, kept)


def _of_exact_out(limiter: RateLimiterFee, room: float, variable: float, cap: float) -> Iterator[_Stretch]:
    least = 1.0 - cap
    gross = net = 0.0
    for left, width in _widths(limiter, room):
        if left <= 0.0:
            return
        begins = _Tangent.at(gross, net, left, variable)
        gross, net = gross + width / left, net + width
        ends = _Tangent.at(gross, net, left, variable)
        if begins.kept <= least:
            yield _Stretch(width, least)
            continue
        first, last = 1.0 / begins.kept, 1.0 / ends.kept if ends.kept > least else 0.0
        if last <= first:
            yield _Stretch(width, begins.kept)
        else:
            crossing = (begins.given + last * width - ends.given) / (last - first)
            crossing = min(max(crossing, 0.0), width)
            yield _Stretch(crossing, begins.kept)
            yield _Stretch(width - crossing, ends.kept)


def _widths(limiter: RateLimiterFee, room: float) -> Iterator[tuple[float, float]]:
    """Yield what each step leaves, and how much of that there is; the last doubles what came before it until
    there is no more room: floats lose a small difference of large amounts.
    """
    net = 0.0
    for left in _steps(limiter):
        width = limiter.reference_amount * left
        yield left, width
        net += width
    while 0.0 < net < room:
        yield left, net
        net += net


class _Tangent(NamedTuple):
    """What is given for an exact output (I), and what the next unit given leaves of itself."""

    given: float
    kept: float

    @classmethod
    def at(cls, gross: float, net: float, left: float, variable: float) -> "_Tangent":
        """Return the tangent in a step that leaves so much of what it is given, without a dynamic fee."""
        if not net:
            return cls(0.0, left - variable)
        rest = net - variable * gross
        if rest <= 0.0:
            return cls(inf, 0.0)  # both rates together would reach everything: the cap is below that
        return cls(net * gross / rest, rest * rest / (net * net / left - variable * gross * gross))
