"""From a continuous allocation to exact swaps: whole amounts, rounded by the pools alone.

Nothing is left over between legs. Exact-in: the order's amount is divided to the last unit over
the paths, and all that a first hop really paid over the second. Exact-out: the amount wanted is
divided over the paths, and what the second hop needs is exactly what the first is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

from chalicelib.amm.pools import Pool, swap
from chalicelib.amm.swaps import Swap, SwapMode, SwapRefusedError, SwapResult
from chalicelib.routing.allocation import Allocation, DetourFill
from chalicelib.routing.network import Hop, PoolCurve
from chalicelib.routing.ranges import Curve, total_in, total_out

CAPACITY_SLACK = 1e-12
"""A pool is filled to this short of the capacity its curve promises, which is rounded."""


class LegRefusedError(Exception):
    """A pool refuses its part (too small to pay a unit, for one): plan without it."""

    def __init__(self, pool_id: str) -> None:
        super().__init__(pool_id)
        self.pool_id = pool_id


@dataclass(frozen=True, slots=True)
class ExecutedLeg:
    pool: PoolCurve
    result: SwapResult
    state_after: Pool


@dataclass(frozen=True, slots=True)
class ExecutedPath:
    """The legs of a direct path (``second`` is empty) or of both hops of a detour."""

    between: str | None
    first: tuple[ExecutedLeg, ...]
    second: tuple[ExecutedLeg, ...] = ()

    @property
    def amount_in(self) -> int:
        return sum(leg.result.amount_in for leg in self.first)

    @property
    def amount_out(self) -> int:
        return sum(leg.result.amount_out for leg in self.second or self.first)


def execute(
    allocation: Allocation, *, mode: SwapMode, amount: int, now_s: int
) -> tuple[ExecutedPath, ...] | None:
    """Run the allocation on the pools' states and return its paths, direct ones first.

    None means that the whole amounts do not fit into the pools.

    Raises:
        LegRefusedError: A pool refuses its part.
    """
    direct = allocation.network.direct
    count = len(direct.pools)
    fills = [*allocation.direct, *(filled.amount for filled in allocation.detours)]
    capacities = [
        *(_capacity(pool.curve, mode) for pool in direct.pools),
        *(_capacity(filled.detour.curve, mode) for filled in allocation.detours),
    ]
    whole = whole_amounts(fills, capacities, amount)
    if whole is None:
        return None
    paths = [
        ExecutedPath(None, (execute_leg(pool, mode, part, now_s),))
        for pool, part in zip(direct.pools, whole[:count], strict=True)
        if part
    ]
    for filled, part in zip(allocation.detours, whole[count:], strict=True):
        if part:
            path = _execute_detour(filled, mode, part, now_s)
            if path is None:
                return None
            paths.append(path)
    return tuple(paths)


def execute_leg(pool: PoolCurve, mode: SwapMode, amount: int, now_s: int) -> ExecutedLeg:
    """Swap on the pool's state.

    Raises:
        LegRefusedError: The pool refuses.
    """
    try:
        result, after = swap(pool.pool.state, Swap(mode, amount, pool.token_in, now_s))
    except SwapRefusedError as e:
        raise LegRefusedError(pool.pool.pool_id) from e
    return ExecutedLeg(pool, result, after)


def whole_amounts(fills: Sequence[float], capacities: Sequence[float], total: int) -> list[int] | None:
    """Round parts down to whole units and give what is left to the one with the most room.

    Returns:
        Parts that add up to ``total``, none above its capacity; None if they cannot.
    """
    limits = [floor(capacity * (1.0 - CAPACITY_SLACK)) for capacity in capacities]
    whole = [min(floor(fill), limit) for fill, limit in zip(fills, limits, strict=True)]
    left = total - sum(whole)
    if left < 0:  # floats beyond 2^53 may round up
        largest = max(range(len(whole)), key=whole.__getitem__)
        whole[largest] += left
        return whole if whole[largest] >= 0 else None
    used = [index for index, part in enumerate(whole) if part] or range(len(whole))
    roomiest = max(used, key=lambda index: limits[index] - whole[index])
    whole[roomiest] += left
    return whole if whole[roomiest] <= limits[roomiest] else None


def _execute_detour(filled: DetourFill, mode: SwapMode, amount: int, now_s: int) -> ExecutedPath | None:
    if mode is SwapMode.EXACT_IN:
        first = _execute_hop(filled.detour.first, filled.first.amounts, mode, amount, now_s)
        between = sum(leg.result.amount_out for leg in first or ())
        second = _execute_hop(filled.detour.second, filled.second.amounts, mode, between, now_s)
    else:
        second = _execute_hop(filled.detour.second, filled.second.amounts, mode, amount, now_s)
        between = sum(leg.result.amount_in for leg in second or ())
        first = _execute_hop(filled.detour.first, filled.first.amounts, mode, between, now_s)
    if not first or not second:
        return None
    return ExecutedPath(filled.detour.token, first, second)


def _execute_hop(
    hop: Hop, fills: tuple[float, ...], mode: SwapMode, amount: int, now_s: int
) -> tuple[ExecutedLeg, ...] | None:
    # The other hop was rounded, so the amount differs a little from what was planned.
    scale = amount / sum(fills)
    capacities = [_capacity(pool.curve, mode) for pool in hop.pools]
    whole = whole_amounts([fill * scale for fill in fills], capacities, amount)
    if whole is None:
        return None
    return tuple(
        execute_leg(pool, mode, part, now_s) for pool, part in zip(hop.pools, whole, strict=True) if part
    )


def _capacity(curve: Curve, mode: SwapMode) -> float:
    return total_in(curve) if mode is SwapMode.EXACT_IN else total_out(curve)
