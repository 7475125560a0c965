"""Pools side by side and in series, each again one curve."""

from collections.abc import Sequence
from math import inf
from operator import itemgetter
from typing import Final

from chalicelib.routing.ranges import Curve, Range

_ROOT: Final = itemgetter(0)


def side_by_side(curves: Sequence[Curve], *, stop_in: float = inf, stop_out: float = inf) -> Curve:
    """Return the best that several pools of one pair do together: their books, merged.

    At each price the liquidity of the ranges that are open there adds up. The result goes at least
    up to one of the two amounts, if the pools do.
    """
    if len(curves) == 1:
        return curves[0]
    merged: list[Range] = []
    liquidity, open_ranges, previous = 0.0, 0, inf
    for root, change, flat in _events(curves):
        added = []
        if open_ranges and root < previous:
            moved = previous - root
            added = [
                Range(previous, root, liquidity, liquidity * moved / (previous * root), liquidity * moved)
            ]
        previous = root
        if flat is not None:
            added.append(flat)
        else:
            open_ranges += 1 if change > 0 else -1
            # Differences of large numbers leave dust, which must not pass for liquidity.
            liquidity = liquidity + change if open_ranges else 0.0
        for part in added:
            merged.append(part)
            stop_in -= part.amount_in
            stop_out -= part.amount_out
        if stop_in < 0.0 or stop_out < 0.0:
            break
    return merged


def _events(curves: Sequence[Curve]) -> list[tuple[float, float, Range | None]]:
    """Return where liquidity appears (+), ends (-) or sits at one price, best price first."""
    events: list[tuple[float, float, Range | None]] = []
    for curve in curves:
        for part in curve:
            if part.start == part.end:
                events.append((part.start, 0.0, part))
            else:
                events.append((part.start, part.liquidity, None))
                events.append((part.end, -part.liquidity, None))
    events.sort(key=_ROOT, reverse=True)
    return events


def in_series(first: Curve, second: Curve) -> Curve:
    """Return the curve of trading the output of ``first`` on ``second``.

    Two constant products in series are one again, with 1/L = 1/(L1 root2) + root1/L2.
    """
    composed: list[Range] = []
    left, right = list(reversed(first)), list(reversed(second))
    while left and right:
        a, b = left.pop(), right.pop()
        start = a.start * b.start
        drag = 1.0 / (a.liquidity * b.start) + a.start / b.liquidity
        liquidity = 1.0 / drag if drag else inf
        if a.amount_out <= b.amount_in:
            amount_in, amount_out = a.amount_in, b.out_for_in(a.amount_out)
            rest = _rest(b, taken=a.amount_out, paid=amount_out)
            end = a.end * (rest.start if rest else b.end)
            if rest:
                right.append(rest)
        else:
            amount_in, amount_out = a.in_for_out(b.amount_in), b.amount_out
            rest = _rest(a, taken=amount_in, paid=b.amount_in)
            end = (rest.start if rest else a.end) * b.end
            if rest:
                left.append(rest)
        composed.append(Range(start, end if drag else start, liquidity, amount_in, amount_out))
    return composed


def _rest(part: Range, *, taken: float, paid: float) -> Range | None:
    """Return what is left of a range, or None once it is used up."""
    if taken >= part.amount_in or paid >= part.amount_out:
        return None
    root = part.root_after_in(taken)
    return Range(root, part.end, part.liquidity, part.amount_in - taken, part.amount_out - paid)
