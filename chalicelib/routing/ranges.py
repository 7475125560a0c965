"""A pool seen as an order book: ranges of liquidity, best price first.

Every pool kind is, in one direction and with its fees folded in, a sequence of ranges in
which it trades either along a constant product or at one constant price. With ``root`` the
square root of the marginal price (output per input, after fees) and ``liquidity`` the L of
concentrated liquidity, moving a range from ``start`` down to ``end`` takes and gives::

    amount_in = L (1/end - 1/start)        amount_out = L (start - end)

(Uniswap v3 white paper, 6.2). A constant price is the limit ``L = inf``, ``end = start``.
Such sequences are closed under addition (pools side by side) and composition (pools in
series), which is what makes the split a walk down one sorted book instead of a search.

This model is the programs' arithmetic without its rounding, and rounding never favours the
trader: what it promises is an upper bound on what a pool pays. It is in floats, good to about
1e-15, and only ever proposes and bounds: amounts that move come from exact swaps.
"""

from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple


class Range(NamedTuple):
    """One stretch of liquidity. Amounts are the capacity, in base units.

    A range whose end is many orders of magnitude below its start pays out L·start as far as floats can tell:
    the last bit of what it pays then decides between its end and a price of nothing, and its end it is.
    """

    start: float
    end: float
    liquidity: float
    amount_in: float
    amount_out: float


Curve = Sequence[Range]
"""Ranges from best to worst price: a concave function from input to output."""


def product_range(*, root: float, liquidity: float, end: float) -> Range:
    """Return the constant-product range between two roots."""
    moved = root - end
    return Range(root, end, liquidity, liquidity * moved / (root * end), liquidity * moved)


def flat_range(*, amount_in: float, amount_out: float) -> Range:
    """Return the range that pays ``amount_out`` for ``amount_in`` at one price."""
    root = (amount_out / amount_in) ** 0.5
    return Range(root, root, inf, amount_in, amount_out)


def total_in(curve: Curve) -> float:
    return sum([part.amount_in for part in curve])


def total_out(curve: Curve) -> float:
    return sum([part.amount_out for part in curve])


# The following run over every range of every pool at every price tried, hence no call for each.


def in_to(curve: Curve, root: float) -> float:
    """Return the input taken while the marginal price is better than ``root`` squared."""
    total = 0.0
    for start, end, liquidity, amount_in, _ in curve:
        if start <= root:
            break
        total += amount_in if root <= end else liquidity * (start - root) / (start * root)
    return total


def out_to(curve: Curve, root: float) -> float:
    """Return the output given while the marginal price is better than ``root`` squared."""
    total = 0.0
    for start, end, liquidity, _, amount_out in curve:
        if start <= root:
            break
        total += amount_out if root <= end else liquidity * (start - root)
    return total


def surplus(curve: Curve, root: float) -> float:
    """Return the profit at that price, max over d of (output for d) - root² d, in output units."""
    total = 0.0
    for start, end, liquidity, amount_in, amount_out in curve:
        if start <= root:
            break
        if root <= end:
            total += max(0.0, amount_out - root * root * amount_in)
        else:
            total += liquidity * (start - root) ** 2 / start
    return total


def out_for_in(curve: Curve, amount_in: float) -> float | None:
    """Return what the curve pays for ``amount_in``, or None if it cannot take that much."""
    paid = 0.0
    for start, _, liquidity, capacity, amount_out in curve:
        if amount_in <= capacity:
            return paid + start**2 * amount_in / (1.0 + amount_in * start / liquidity)
        amount_in -= capacity
        paid += amount_out
    return None


def in_for_out(curve: Curve, amount_out: float) -> float | None:
    """Return what the curve takes for ``amount_out``, or None if it cannot pay that much."""
    taken = 0.0
    for start, _, liquidity, amount_in, capacity in curve:
        if amount_out < capacity:
            left = 1.0 - amount_out / (liquidity * start)
            return taken + (amount_out / start**2 / left if left > 0.0 else amount_in)
        amount_out -= capacity
        taken += amount_in
    return taken if amount_out == 0 else None


def after_in(curve: Curve, amount_in: float) -> tuple[float, float] | None:
    """Return the marginal root once ``amount_in`` is taken and what is paid for it,
    or None if it cannot be.
    """
    paid = 0.0
    for start, _, liquidity, capacity, amount_out in curve:
        if amount_in <= capacity:
            moved = 1.0 + amount_in * start / liquidity
            return start / moved, paid + start**2 * amount_in / moved
        amount_in -= capacity
        paid += amount_out
    return None


def after_out(curve: Curve, amount_out: float) -> tuple[float, float] | None:
    """Return the marginal root once ``amount_out`` is paid and what is taken for it,
    or None if it cannot be.
    """
    taken = 0.0
    for start, end, liquidity, amount_in, capacity in curve:
        if amount_out < capacity:
            left = 1.0 - amount_out / (liquidity * start)
            cost = amount_out / start**2 / left if left > 0.0 else amount_in
            return max(end, start - amount_out / liquidity), taken + cost
        amount_out -= capacity
        taken += amount_in
    return None


def concave_hull(parts: Iterable[Range]) -> list[Range]:
    """Return the least concave curve above constant-price ranges, pooling those that rise.

    A DLMM's fee falls while the price returns to its volatility reference, so a later bin may
    be better than an earlier one. The hull is what the bound needs (both have the same surplus
    at every price); what a part of a pooled range really pays is less.
    """
    hull: list[Range] = []
    for part in parts:
        pooled = part
        while hull and pooled.start > hull[-1].start:
            last = hull.pop()
            pooled = flat_range(
                amount_in=last.amount_in + pooled.amount_in, amount_out=last.amount_out + pooled.amount_out
            )
        hull.append(pooled)
    return hull


def down_to_out(curve: Curve, amount_out: float) -> Curve:
    """Return what a curve of constant prices offers up to an amount that it pays."""
    kept: list[Range] = []
    for part in curve:
        if amount_out <= 0.0:
            break
        share = min(1.0, amount_out / part.amount_out)
        kept.append(part._replace(amount_in=part.amount_in * share, amount_out=part.amount_out * share))
        amount_out -= part.amount_out
    return kept
