"""The best that one pool alone does: what a split has to beat, and often the answer."""

from typing import Final, NamedTuple

from chalicelib.amm.swaps import SwapMode
from chalicelib.routing.execution import ExecutedLeg, Execution, LegRefusedError
from chalicelib.routing.network import Hop, PoolCurve
from chalicelib.routing.ranges import in_for_out, out_for_in

ESTIMATE_ERROR: Final = 1e-12
"""A pool does no better than its curve says, to well within this, relative."""


class Singles(NamedTuple):
    """Exact best swaps of the whole amount on one direct pool, overall and per venue."""

    best: ExecutedLeg | None
    by_venue: dict[str, ExecutedLeg]


def best_singles(direct: Hop, execution: Execution, amount: int) -> Singles:
    """Swap the whole amount on each pool that may be its venue's best; ties go by pool id."""
    mode = execution.mode
    ranked = sorted(
        ((_cost_estimate(pool, mode, amount), pool) for pool in direct.pools),
        key=lambda entry: (entry[0] is None, entry[0], entry[1].pool.pool_id),
    )
    by_venue: dict[str, ExecutedLeg] = {}
    for estimate, pool in ranked:
        if estimate is None:
            break
        venue = pool.pool.venue
        found = by_venue.get(venue)
        if found is not None and estimate - abs(estimate) * ESTIMATE_ERROR > _cost(found, mode):
            continue  # even its estimate, which flatters, is worse
        try:
            leg = execution.leg(pool, amount)
        except LegRefusedError:
            continue
        if found is None or _rank(leg, mode) < _rank(found, mode):
            by_venue[venue] = leg
    best = min(by_venue.values(), key=lambda leg: _rank(leg, mode), default=None)
    return Singles(best, by_venue)


def _cost_estimate(pool: PoolCurve, mode: SwapMode, amount: int) -> float | None:
    """Return the input it would need, or minus the output it would pay; None if it cannot fill."""
    if mode is SwapMode.EXACT_OUT:
        return in_for_out(pool.curve, float(amount))
    paid = out_for_in(pool.curve, float(amount))
    return None if paid is None else -paid


def _cost(leg: ExecutedLeg, mode: SwapMode) -> int:
    return leg.result.amount_in if mode is SwapMode.EXACT_OUT else -leg.result.amount_out


def _rank(leg: ExecutedLeg, mode: SwapMode) -> tuple[int, str]:
    return _cost(leg, mode), leg.pool.pool.pool_id
