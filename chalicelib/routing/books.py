"""Pools in parallel and in series, each again one curve."""

from collections.abc import Sequence
from math import inf
from operator import itemgetter
from typing import Final

from chalicelib.routing.ranges import Curve, Range

_ROOT: Final = itemgetter(0)
_Fields = tuple[float, float, float, float, float]
"""Those of a ``Range``, or of what is left of one."""


def in_parallel(curves: Sequence[Curve], *, stop_in: float = inf, stop_out: float = inf) -> Curve:
    """Return the best that several pools of one pair do together: their books, merged.

    At each price the liquidity of the ranges that are open there adds up. The result goes at least
    up to one of the two amounts, if the pools do.
    """
    if len(curves) == 1:
        return curves[0]
    merged: list[Range] = []
    liquidity, open_ranges, previous = 0.0, 0, inf
    for root, change, flat in _events(curves):
        if liquidity > 0.0 and root < previous:
            moved = previous - root
            taken, paid = liquidity * moved / (previous * root), liquidity * moved
            merged.append(Range(previous, root, liquidity, taken, paid))
            stop_in -= taken
            stop_out -= paid
        previous = root
        if flat is not None:
            merged.append(flat)
            stop_in -= flat.amount_in
            stop_out -= flat.amount_out
        else:
            open_ranges += 1 if change > 0 else -1
            # Differences of large numbers leave dust, which must not pass for liquidity; and what is dust
            # beside a large number is lost in the sum, and leaves nothing, or less, when that ends.
            liquidity = liquidity + change if open_ranges else 0.0
        if stop_in < 0.0 or stop_out < 0.0:
            break
    return merged


def _events(curves: Sequence[Curve]) -> list[tuple[float, float, Range | None]]:
    """Return where liquidity appears (+), ends (-) or sits at one price, best price first."""
    events: list[tuple[float, float, Range | None]] = []
    for curve in curves:
        for part in curve:
            start, end, liquidity, _, _ = part
            if start == end:
                events.append((start, 0.0, part))
            else:
                events.append((start, liquidity, None))
                events.append((end, -liquidity, None))
    events.sort(key=_ROOT, reverse=True)
    return events


def in_series(first: Curve, second: Curve, *, stop_in: float = inf, stop_out: float = inf) -> Curve:
    """Return the curve of trading the output of ``first`` on ``second``, at least up to one of two amounts.

    Two constant products in series are one again, with 1/L = 1/(L1 root2) + root1/L2.
    """
    composed: list[Range] = []
    ones, others = iter(first), iter(second)
    one: _Fields | None = next(ones, None)
    other: _Fields | None = next(others, None)
    # Nothing but arithmetic, without a call: books have a hundred ranges and more.
    while one and other and stop_in >= 0.0 and stop_out >= 0.0:
        start_1, end_1, liquidity_1, in_1, out_1 = one
        start_2, end_2, liquidity_2, in_2, out_2 = other
        start = start_1 * start_2
        drag = 1.0 / (liquidity_1 * start_2) + start_1 / liquidity_2
        if out_1 <= in_2:
            slope = 1.0 + out_1 * start_2 / liquidity_2
            amount_in, amount_out = in_1, start_2**2 * out_1 / slope
            one = next(ones, None)
            if out_1 >= in_2 or amount_out >= out_2:
                end, other = end_1 * end_2, next(others, None)
            else:
                root = start_2 / slope
                end, other = end_1 * root, (root, end_2, liquidity_2, in_2 - out_1, out_2 - amount_out)
        else:
            # Nothing left: to the last bit, all that the first range pays (see ``Range``).
            left = 1.0 - in_2 / (liquidity_1 * start_1)
            amount_in, amount_out = in_2 / start_1**2 / left if left > 0.0 else in_1, out_2
            other = next(others, None)
            if amount_in >= in_1 or in_2 >= out_1:
                end, one = end_1 * end_2, next(ones, None)
            else:
                root = start_1 / (1.0 + amount_in * start_1 / liquidity_1)
                end, one = root * end_2, (root, end_1, liquidity_1, in_1 - amount_in, out_1 - in_2)
        stop_in -= amount_in
        stop_out -= amount_out
        composed.append(
            Range(start, end if drag else start, 1.0 / drag if drag else inf, amount_in, amount_out)
        )
    return composed
