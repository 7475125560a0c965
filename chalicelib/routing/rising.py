"""A second look at a leg on a pool whose price improves on the way.

A DLMM's fee falls while the price returns to its volatility reference. Its curve here is the hull,
which promises for part of such a stretch what only the whole stretch pays, so an allocation that
ends inside one is not optimal. What the pool alone does is cheap to know exactly, and what all
others do with the rest is one walk down their book: that leaves one amount to search for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.allocation import allocate
from chalicelib.routing.network import Network
from chalicelib.routing.path_execution import ExecutedLeg, ExecutedPath, Execution, LegRefusedError
from chalicelib.routing.ranges import Range, out_for_in, total_out

SHORTFALL: Final = 1e-8
ROUNDING_UNITS: Final = 100
"""A leg that pays less than its curve by more than these, relative and in units, lost it otherwise."""

GRID: Final = 12
GOLDEN_STEPS: Final = 18
GOLDEN: Final = 0.6180339887498949


def most_rising_leg(paths: Sequence[ExecutedPath]) -> ExecutedLeg | None:
    """Return the leg that falls furthest short of its pool's hull, if any does."""
    legs = [leg for path in paths for leg in (*path.first, *path.second)]
    worst = max(legs, key=_shortfall, default=None)
    return worst if worst is not None and _shortfall(worst) > 0.0 else None


def _shortfall(leg: ExecutedLeg) -> float:
    """Return how much less than the curve the leg pays, relatively; 0 if rounding explains it."""
    promised = out_for_in(leg.pool.curve, float(leg.result.amount_in))
    if promised is None:  # it took more than the curve, read so far, takes for all that it pays
        promised = total_out(leg.pool.curve)
    missing = promised - leg.result.amount_out
    return missing / promised if missing > ROUNDING_UNITS + SHORTFALL * promised else 0.0


@dataclass(frozen=True, slots=True)
class Reconsideration:
    """The search for the amount of one leg; amounts are of the side that the mode fixes."""

    network: Network
    leg: ExecutedLeg
    execution: Execution
    amount: int

    def best(self) -> Network:
        """Return the network in which the pool trades the best amount found, or nothing."""
        low, high = self._stretch()
        points = [low + (high - low) * index / GRID for index in range(GRID + 1)]
        values = [self._cost(point) for point in points]
        best = min(range(len(points)), key=values.__getitem__)
        found = _golden(self._cost, points[max(0, best - 1)], points[min(GRID, best + 1)])
        return self._fixed(min(found, points[best], key=self._cost))

    def _stretch(self) -> tuple[float, float]:
        """Return between which amounts the pool's price improves where the leg ended."""
        is_exact_in = self.execution.mode is SwapMode.EXACT_IN
        moved = self.leg.result.amount_in if is_exact_in else self.leg.result.amount_out
        low = high = 0.0
        for part in self.leg.pool.curve:
            low, high = high, high + (part.amount_in if is_exact_in else part.amount_out)
            if moved <= high:
                break
        return low, high

    def _cost(self, amount: float) -> float:
        """Return what the plan needs, or minus what it pays, with this amount on the pool."""
        allocation = allocate(self._fixed(amount), self.execution.mode, float(self.amount))
        if allocation is None:
            return inf
        if allocation.by_pool().get(self.leg.pool.pool.pool_id, amount) < amount * (1.0 - SHORTFALL):
            return inf  # more than the plan can use: the one swap is all or nothing
        return -allocation.other if self.execution.mode is SwapMode.EXACT_IN else allocation.other

    def _fixed(self, amount: float) -> Network:
        """Return the network in which the pool offers one swap of the amount, ahead of all others."""
        pool_id = self.leg.pool.pool.pool_id
        try:
            result = self.execution.leg(self.leg.pool, int(amount)).result if amount >= 1.0 else None
        except LegRefusedError:
            result = None
        if result is None:
            return self.network.without({pool_id})
        first = 2.0 * self.leg.pool.curve[0].start  # only its rank matters, not its price
        fixed = Range(first, first, inf, float(result.amount_in), float(result.amount_out))
        return self.network.with_curve(pool_id, (fixed,))


def _golden(cost: Callable[[float], float], low: float, high: float) -> float:
    """Return about where the cost is least, by golden-section search."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    cost_left, cost_right = cost(left), cost(right)
    for _ in range(GOLDEN_STEPS):
        if cost_left < cost_right:
            high, right, cost_right = right, left, cost_left
            left = high - GOLDEN * (high - low)
            cost_left = cost(left)
        else:
            low, left, cost_left = left, right, cost_right
            right = low + GOLDEN * (high - low)
            cost_right = cost(right)
    return (low + high) / 2
