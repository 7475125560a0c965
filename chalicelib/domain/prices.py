"""Ratios that are shown and never computed with: price impact and slippage, in basis points."""

from collections.abc import Iterable
from typing import NamedTuple

from chalicelib.amm.swaps import SwapResult, TokenIndex
from chalicelib.domain.amounts import BPS_PER_UNIT


def bps_text(numerator: int, denominator: int) -> str:
    """Return a ratio in basis points, to two decimals (half to even)."""
    return _hundredths_text(numerator * BPS_PER_UNIT * 100, denominator)


def _hundredths_text(numerator: int, denominator: int) -> str:
    """Return a ratio of hundredths as a decimal with two places, rounded half to even."""
    hundredths, left = divmod(abs(numerator), denominator)
    # To an even one where it is just a half: of an odd number that is rounded up as well.
    if 2 * left > denominator - hundredths % 2:
        hundredths += 1
    sign = "-" if numerator < 0 else ""
    return f"{sign}{hundredths // 100}.{hundredths % 100:02d}"


def price_impact_bps(spot: tuple[int, int], token_in: TokenIndex, swap: SwapResult) -> str:
    """Return how much worse than the spot price a swap trades because of its own size, fees aside.

    ``spot`` is token 1 per token 0 as numerator and denominator, before the swap.
    """
    net_in, gross_out = swap.amount_in - swap.transfer_fee_in, swap.amount_out + swap.transfer_fee_out
    if swap.fee_token == token_in:
        net_in -= swap.trade_fee
    else:
        gross_out += swap.trade_fee
    creator_fee = swap.creator_fee
    if creator_fee and swap.creator_fee_token == token_in:
        net_in -= creator_fee
    elif creator_fee:
        gross_out += creator_fee
    numerator, denominator = spot if token_in == 0 else (spot[1], spot[0])
    ideal, real = net_in * numerator, gross_out * denominator
    # Rounding may favour a tiny trade by a unit: that is not a negative impact.
    return _hundredths_text((ideal - real) * (BPS_PER_UNIT * 100), ideal) if ideal > real else "0.00"


class LegImpact(NamedTuple):
    """A leg's own price impact, and the part of the order that flows through it."""

    impact_bps: str
    part: int
    whole: int


def route_impact_bps(legs: Iterable[LegImpact]) -> str:
    """Return a route's price impact: its legs' impacts, weighted by the part of the order in each.

    The hops of a path add up, the parts of a split average.
    """
    legs = list(legs)
    if len(legs) == 1 and legs[0].part == legs[0].whole:
        return legs[0].impact_bps
    numerator, denominator = 0, 1
    for impact_bps, part, whole in legs:
        hundredths = int(impact_bps.replace(".", ""))
        numerator = numerator * whole + hundredths * part * denominator
        denominator *= whole
    return _hundredths_text(numerator, denominator)


def slippage_bps_text(quoted: int, executed: int, *, is_output: bool) -> str:
    """Return how much worse the execution was than the quote; negative if it was better."""
    worse = quoted - executed if is_output else executed - quoted
    return bps_text(worse, quoted)
