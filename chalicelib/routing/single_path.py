"""An order that takes a single two-hop path: through one pool and then another, and nothing beside it.

Most orders are small for the pools they meet. If the best two-hop path still pays more at its end than any
other pool pays at its start, the optimum is that two-hop path alone, and the prices at which it ends prove
it: no books have to be merged, and nothing is to be allocated. (An order that one direct pool fills is
recognised even sooner, see ``singles``.)
"""

from collections.abc import Iterable, Sequence
from math import inf
from typing import Final, NamedTuple

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.assembly import Filling, filled_by
from chalicelib.routing.certificate import beyond, bound_of
from chalicelib.routing.market import Pair, PoolCurve, PoolSide
from chalicelib.routing.network import REACH, Network, Profits, TwoHopPath
from chalicelib.routing.path_execution import ExecutedLeg, ExecutedPath, Execution, LegRefusedError
from chalicelib.routing.ranges import (
    after_in,
    after_out,
    in_for_out,
    in_to,
    out_for_in,
    out_to,
    surplus,
)
from chalicelib.routing.search import cost_of_leg
from chalicelib.routing.swap_order import SwapOrder

DUST: Final = 1e-6
"""Less than this part of an amount moves no price that matters."""


class _Passed(NamedTuple):
    """What moving an amount through one pool of a hop comes to.

    Attributes:
        root: Square root of the marginal price at its end.
        other: What it pays (exact-in) or takes (exact-out).
        beside: The hop's other pools that start better than the root, and hold next to nothing down to it.
    """

    pool: PoolCurve
    root: float
    other: float
    beside: tuple[PoolCurve, ...] = ()


def single_two_hop_path(
    network: Network, order: SwapOrder, execution: Execution
) -> tuple[Filling, int] | None:
    """Return the two-hop path of a leg a hop that fills the order, and its bound,
    if no other pool can add to it.
    """
    start, mode = network.two_hop_start, order.mode
    is_exact_in, least = mode is SwapMode.EXACT_IN, max(1.0, order.amount * DUST)
    floor = 0.0
    for curve in network.direct.curves:
        top = curve[0]
        if top.start > floor and (top.amount_in if is_exact_in else top.amount_out) >= least:
            floor = top.start
            if start <= floor:
                return None
    if not start:
        return None
    best, *others = sorted(network.two_hop_paths, key=_start, reverse=True)
    floor = max(floor, others[0].start) if others else floor
    hops = _passed(best, order, floor) if start > floor else None
    if hops is None:
        return None
    first, second = hops
    direct = _beside(network.direct.pools, first.root * second.root, float(order.amount), mode)
    if direct is None or not _drops_dust(first, second, direct, order):
        return None
    try:
        path = _executed(best.token, first.pool, second.pool, order, execution)
    except LegRefusedError:
        return None
    return filled_by(order, (path,)), _bound(first, second, direct, order)


def is_alone(network: Network, leg: ExecutedLeg, root: float, order: SwapOrder) -> bool:
    """Return whether no other pool can add to a direct pool that fills the order down to a price."""
    if network.two_hop_start >= root:
        return False
    others = [pool for pool in network.direct.pools if pool is not leg.pool]
    capacity = out_for_in if order.mode is SwapMode.EXACT_IN else in_for_out
    return (
        _beside(others, root, 0.0, order.mode) is not None
        and capacity(leg.pool.curve, order.amount * REACH) is not None
    )


def _start(two_hop_path: TwoHopPath) -> float:
    return two_hop_path.start


def _passed(two_hop_path: TwoHopPath, order: SwapOrder, floor: float) -> tuple[_Passed, _Passed] | None:
    """Follow the amount through both hops, from the side that is fixed,
    as long as it stays above the floor.
    """
    _, one, other, _ = two_hop_path.pairs
    if order.mode is SwapMode.EXACT_IN:
        first = _hop(one, float(order.amount), order.mode, floor / other.start)
        second = _hop(other, first.other, order.mode, floor / first.root) if first else None
    else:
        second = _hop(other, float(order.amount), order.mode, floor / one.start)
        first = _hop(one, second.other, order.mode, floor / second.root) if second else None
    return (first, second) if first and second else None


def _hop(pair: Pair, amount: float, mode: SwapMode, floor: float) -> _Passed | None:
    """Return the pool that alone does best,
    if it ends above the floor and the others leave everything to it.
    """
    best: _Passed | None = None
    for side in sorted(pair.sides, key=_side_start, reverse=True):
        if best is not None and side.start < best.root:
            break
        found = _through(side, amount, mode, floor)
        if found is not None and (best is None or _is_better(found, best, mode)):
            best = found
    if best is None:
        return None
    root = best.root
    rivals = [side for side in pair.sides if side.start >= root and side.pool is not best.pool.pool]
    if not rivals:
        return best
    beside = _beside([_read(side, amount * REACH, mode) for side in rivals], root, amount, mode)
    return None if beside is None else best._replace(beside=beside)


def _side_start(side: PoolSide) -> float:
    return side.start


def _is_better(one: _Passed, other: _Passed, mode: SwapMode) -> bool:
    return one.other > other.other if mode is SwapMode.EXACT_IN else one.other < other.other


def _read(side: PoolSide, reach: float, mode: SwapMode) -> PoolCurve:
    return side.read(reach, inf) if mode is SwapMode.EXACT_IN else side.read(inf, reach)


def _through(side: PoolSide, amount: float, mode: SwapMode, floor: float) -> _Passed | None:
    """Return what moving the amount comes to, or None if that ends at the floor,
    or the pool hardly holds it.
    """
    reach, top = amount * REACH, side.top
    size = top.amount_in if mode is SwapMode.EXACT_IN else top.amount_out
    if size < amount and top.end <= floor:
        return None
    pool = _read(side, reach, mode)
    # What would empty a pool it may refuse, for rounding: that is left to the search.
    if mode is SwapMode.EXACT_IN:
        reached = after_in(pool.curve, amount) if out_for_in(pool.curve, reach) is not None else None
    else:
        reached = after_out(pool.curve, amount) if in_for_out(pool.curve, reach) is not None else None
    return _Passed(pool, *reached) if reached and reached[0] > floor else None


def _beside(
    pools: Iterable[PoolCurve], root: float, amount: float, mode: SwapMode
) -> tuple[PoolCurve, ...] | None:
    """Return the pools that start at the root or better, or None
    if any of them could take a part of an amount.

    A DLMM's bin that was bought up to rounding holds a few units, at a price that is gone.
    """
    found = tuple([pool for pool in pools if pool.curve[0].start >= root])
    most = max(1.0, amount * DUST)
    for pool in found:
        if _held(pool, root, mode) >= most or any(part.start == root for part in pool.curve):
            return None
    return found


def _held(pool: PoolCurve, root: float, mode: SwapMode) -> float:
    """Return what a pool holds down to a price, of the side that is fixed."""
    return in_to(pool.curve, root) if mode is SwapMode.EXACT_IN else out_to(pool.curve, root)


def _drops_dust(first: _Passed, second: _Passed, direct: Sequence[PoolCurve], order: SwapOrder) -> bool:
    """Return whether a search would leave out the pools beside,
    which are worth less than a leg, and nothing else.

    It drops what does not pay for its leg, worst first (see ``search``). So the legs that stay have to be
    worth theirs, alone where they have company and together; twice over, since all this is in floats.
    """
    mode, root = order.mode, first.root * second.root
    cost = cost_of_leg(root, mode, order.leg_cost)
    dust = [(pool, root, 1.0) for pool in direct if _held(pool, root, mode) >= 1.0]
    worth = 0.0
    for hop, value in ((first, second.root * second.root), (second, 1.0)):
        kept = surplus(hop.pool.curve, hop.root) * value
        worth += kept
        beside = [(pool, hop.root, value) for pool in hop.beside if _held(pool, hop.root, mode) >= 1.0]
        if beside and kept < 2.0 * cost:
            return False
        dust += beside
    if any(surplus(pool.curve, at) * value > cost / 2.0 for pool, at, value in dust):
        return False
    return not dust or worth >= 2.0 * cost * (2 + len(dust))


def _executed(
    token: str, first: PoolCurve, second: PoolCurve, order: SwapOrder, execution: Execution
) -> ExecutedPath:
    """Swap on both pools, starting where the amount is fixed.

    Raises:
        LegRefusedError: A pool refuses.
    """
    if order.mode is SwapMode.EXACT_IN:
        given = execution.leg(first, order.amount)
        got = execution.leg(second, given.result.amount_out)
    else:
        got = execution.leg(second, order.amount)
        given = execution.leg(first, got.result.amount_in)
    return ExecutedPath(token, (given,), (got,), given.result.amount_in, got.result.amount_out)


def _bound(first: _Passed, second: _Passed, direct: Iterable[PoolCurve], order: SwapOrder) -> int:
    """Return the certificate's bound at the roots reached;
    all pools that are not named are too dear to count.
    """
    value = second.root * second.root
    nu = first.root * first.root * value
    cost = order.leg_cost if order.mode is SwapMode.EXACT_IN else order.leg_cost * nu
    profits: Profits = {}
    for hop, root, unit_value in ((first, first.root, value), (second, second.root, 1.0)):
        for pool in (hop.pool, *hop.beside):
            profits[pool.pool.pool_id] = surplus(pool.curve, root) * unit_value
    for pool in direct:
        profits[pool.pool.pool_id] = surplus(pool.curve, first.root * second.root)
    return bound_of(nu, beyond(profits, cost), mode=order.mode, amount=order.amount)
