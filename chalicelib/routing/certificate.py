"""How good a plan can be at most: weak duality.

Put a price on every token: ``nu`` output units per input unit and ``mu`` per unit of each
intermediate token. Whatever a plan does, it trades D in, and on each pool it gains at most that
pool's best profit at these prices, less the leg's cost if it uses the pool at all. So for any
prices (Diamandis et al., arXiv 2302.04938, with a fixed cost per leg)::

    out - costs <= nu D + sum over pools of max(0, surplus(pool) - leg cost)

No concavity is needed and no pool is counted twice; what a first hop pays and a second hop takes
of an intermediate token cancels at its price. Read for the input, the same line bounds an
exact-out order from below. Good prices make it tight: those at which the optimum trades.

The curves bound the programs' integer arithmetic from above. The floats in which surplus is
computed are good to about 1e-15 of the amounts an order can move; ``MODEL_ERROR`` is a thousand
times that, and is added to the bound.
"""

from math import ceil, floor
from typing import Final, NamedTuple

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.network import Hop, Network, Profits, TwoHopPath
from chalicelib.routing.ranges import after_in, in_to, surplus, total_out

MODEL_ERROR: Final = 2.0**-40


class HopRoots(NamedTuple):
    """Square roots of a two-hop path's marginal prices; their product is the root of ``nu``."""

    first: float
    second: float


def objective_bound(network: Network, root: float, *, mode: SwapMode, amount: int, leg_cost: int) -> int:
    """Return the bound at ``nu = root`` squared, in base units, costs included.

    The most an exact-in order can get, rounded down, or the least an exact-out order can pay,
    rounded up: objectives are integers.
    """
    nu = root * root
    cost = leg_cost if mode is SwapMode.EXACT_IN else leg_cost * nu
    return bound_of(nu, beyond(surpluses(network, root, cost), cost), mode=mode, amount=amount)


def bound_of(nu: float, gain: float, *, mode: SwapMode, amount: int) -> int:
    """Return the bound at price ``nu``, given what all pools together can gain there."""
    if mode is SwapMode.EXACT_IN:
        return floor((nu * amount + gain) * (1.0 + MODEL_ERROR))
    # The error counts on the whole amount: the difference may be far smaller than its terms.
    return max(0, ceil((amount * (1.0 - MODEL_ERROR) - gain * (1.0 + MODEL_ERROR)) / nu))


def surpluses(network: Network, root: float, cost: float) -> Profits:
    """Return each pool's profit at the prices, in output units, where there is any."""
    found: Profits = {}
    if network.direct.start > root:
        _add_hop(found, network.direct, root, 1.0)
    if network.two_hop_start <= root:
        return found
    for two_hop_path in network.two_hop_paths:
        if two_hop_path.start > root:
            candidates = two_hop_path.profits.get(root)
            if candidates is None:
                candidates = two_hop_path.profits[root] = [
                    _of_two_hop_path(two_hop_path, at) for at in hop_roots(two_hop_path, root)
                ]
            if candidates:
                tightest = min(candidates, key=lambda profits: beyond(profits, cost))
                found.update(tightest)
    return found


def beyond(profits: Profits, cost: float) -> float:
    """Return what the profits add up to beyond their legs' costs."""
    return sum([found - cost for found in profits.values() if found > cost])


def hop_roots(two_hop_path: TwoHopPath, root: float) -> tuple[HopRoots, ...]:
    """Return how the price ``root`` squared may divide over a two-hop path's hops; nothing if it is unused.

    Any division is valid, and the one with the least gain is the tightest. Where one hop sits at a
    jump of its prices (between two bins), the other hop's price is the right one: so there are two.
    """
    curve = two_hop_path.curve
    if curve[0].start <= root:
        return ()
    first_book, second_book = (hop.book for hop in two_hop_path.hops)
    through = in_to(two_hop_path.curve_down_to(root), root)
    first, between = after_in(first_book, through) or (first_book[-1].end, total_out(first_book))
    second, _ = after_in(second_book, between) or (second_book[-1].end, 0.0)
    return HopRoots(first, root / first), HopRoots(root / second, second)


def _of_two_hop_path(two_hop_path: TwoHopPath, roots: HopRoots) -> Profits:
    found: Profits = {}
    first, second = two_hop_path.hops
    _add_hop(found, first, roots.first, roots.second * roots.second)
    _add_hop(found, second, roots.second, 1.0)
    return found


def _add_hop(found: Profits, hop: Hop, root: float, unit_value: float) -> None:
    """Add profits in output units, of which one unit that the hop pays is worth ``unit_value``."""
    for pool in hop.pools:
        # Most pools are too dear, and recognised by their first range.
        if pool.curve[0].start > root and (profit := surplus(pool.curve, root)) > 0.0:
            found[pool.pool.pool_id] = profit * unit_value
