"""The best that one pool alone does, or one after another: what a split has to beat, and often the answer."""

from math import inf
from typing import Final, NamedTuple

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.market import Pair, PoolCurve, TwoHopPairs
from chalicelib.routing.network import REACH, Hop
from chalicelib.routing.path_execution import ExecutedLeg, ExecutedPath, Execution, LegRefusedError
from chalicelib.routing.ranges import in_for_out, out_for_in

ESTIMATE_ERROR: Final = 1e-12
"""A pool does no better than its curve says, to well within this, relative."""


class Singles(NamedTuple):
    """Exact best swaps of the whole amount on one direct pool, overall and per venue."""

    best: ExecutedLeg | None
    by_venue: dict[str, ExecutedLeg]


def best_singles(direct: Hop, execution: Execution, amount: int) -> Singles:
    """Swap the whole amount on each pool that may be its venue's best; ties go by pool id."""
    is_exact_in, size = execution.mode is SwapMode.EXACT_IN, float(amount)
    ranked: list[tuple[float, int, PoolCurve]] = []
    for number, pool in enumerate(direct.pools):  # which are in the order of their ids
        estimate = out_for_in(pool.curve, size) if is_exact_in else in_for_out(pool.curve, size)
        if estimate is not None:
            ranked.append((-estimate if is_exact_in else estimate, number, pool))
    ranked.sort()
    by_venue: dict[str, ExecutedLeg] = {}
    found: dict[str, tuple[int, int]] = {}  # the cost and the pool's number rank a leg
    for estimate, number, pool in ranked:
        venue = pool.pool.venue
        known = found.get(venue)
        if known is not None and estimate - abs(estimate) * ESTIMATE_ERROR > known[0]:
            continue  # even its estimate, which flatters, is worse
        try:
            leg = execution.leg(pool, amount)
        except LegRefusedError:
            continue
        rank = -leg.result.amount_out if is_exact_in else leg.result.amount_in, number
        if known is None or rank < known:
            found[venue], by_venue[venue] = rank, leg
    return Singles(by_venue[min(found, key=found.__getitem__)] if found else None, by_venue)


def best_in_a_row(pairs: TwoHopPairs, execution: Execution, amount: int) -> ExecutedPath | None:
    """Return the best that one pool of each hop does with the whole amount, exactly; None if none can."""
    is_exact_in = execution.mode is SwapMode.EXACT_IN
    one, other = (pairs.first, pairs.second) if is_exact_in else (pairs.second, pairs.first)
    fixed = _best_of(one, execution, amount)
    if fixed is None:
        return None
    following = _best_of(other, execution, fixed.result.amount_out if is_exact_in else fixed.result.amount_in)
    if following is None:
        return None
    first, second = (fixed, following) if is_exact_in else (following, fixed)
    return ExecutedPath(pairs.token, (first,), (second,), first.result.amount_in, second.result.amount_out)


def _best_of(pair: Pair, execution: Execution, amount: int) -> ExecutedLeg | None:
    reach = amount * REACH
    stop_in, stop_out = (reach, inf) if execution.mode is SwapMode.EXACT_IN else (inf, reach)
    return best_singles(Hop([side.read(stop_in, stop_out) for side in pair.sides]), execution, amount).best
