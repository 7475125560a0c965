"""Which legs are worth their cost: the optimum of all pools, less what does not pay.

A leg's surplus at the final prices is the least that dropping it would lose, so a leg whose
surplus is above its cost stays. The others leave a quarter at a time, worst first, and each time
the rest is optimised anew; the best of these allocations wins. This is the usual descent for a
problem with fixed costs, which is combinatorial; the certificate says what it can have missed.
"""

from typing import NamedTuple

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.allocation import Allocation, allocate
from chalicelib.routing.certificate import surpluses
from chalicelib.routing.network import Hop, Network


class _Removal(NamedTuple):
    """Legs that can only leave together, and what they bring beyond their cost."""

    worth: float
    pool_ids: tuple[str, ...]


class _Used(NamedTuple):
    """The pools that an allocation gives anything to, by hop."""

    direct: list[str]
    two_hop_paths: list[tuple[list[str], list[str]]]
    legs: int

    @property
    def is_single_path(self) -> bool:
        """Whether this is one direct leg, or one two-hop path with no more than a leg per hop."""
        if not self.two_hop_paths:
            return len(self.direct) == 1
        firsts, seconds = self.two_hop_paths[0]
        return len(self.two_hop_paths) == 1 and not self.direct and max(len(firsts), len(seconds)) <= 1


class Found(NamedTuple):
    """The best allocation, and the final roots of all that were tried, its own first."""

    allocation: Allocation
    roots: tuple[float, ...]


def best_allocation(network: Network, *, mode: SwapMode, amount: int, leg_cost: int) -> Found | None:
    """Return the allocation with the best objective found, or None if the amount cannot be filled."""
    best: tuple[float, Allocation] | None = None
    roots: list[float] = []
    remaining = network
    while (allocation := allocate(remaining, mode, float(amount))) is not None:
        roots.append(allocation.root)
        cost = cost_of_leg(allocation.root, mode, leg_cost)
        used = _used(allocation)
        objective = _objective(allocation, mode, cost * used.legs)
        if best is None or objective > best[0]:
            best = objective, allocation
        if used.is_single_path:
            break  # without it there is nothing
        losing = sorted([each for each in _removals(allocation, used, cost) if each.worth < 0.0])
        if not losing:
            break
        leaving = losing[: max(1, len(losing) // 4)]
        remaining = allocation.network.without(
            {pool_id for removal in leaving for pool_id in removal.pool_ids}
        )
    return Found(best[1], (best[1].root, *roots)) if best else None


def cost_of_leg(root: float, mode: SwapMode, leg_cost: int) -> float:
    """Return what a leg costs in output units, with the half unit per side that rounding takes."""
    nu = root * root
    return (leg_cost if mode is SwapMode.EXACT_IN else leg_cost * nu) + (1.0 + nu) / 2


def _objective(allocation: Allocation, mode: SwapMode, costs: float) -> float:
    if mode is SwapMode.EXACT_IN:
        return allocation.other - costs
    return -allocation.other - costs / allocation.root**2


def _used(allocation: Allocation) -> _Used:
    direct = _used_of_hop(allocation.network.direct, allocation.direct)
    two_hop_paths = []
    for filled in allocation.two_hop_paths:
        first, second = filled.two_hop_path.hops
        two_hop_paths.append(
            (_used_of_hop(first, filled.first.amounts), _used_of_hop(second, filled.second.amounts))
        )
    return _Used(
        direct,
        two_hop_paths,
        len(direct) + sum([len(first) + len(second) for first, second in two_hop_paths]),
    )


def _used_of_hop(hop: Hop, amounts: tuple[float, ...]) -> list[str]:
    return [pool.pool.pool_id for pool, amount in zip(hop.pools, amounts, strict=True) if amount >= 1.0]


def _removals(allocation: Allocation, used: _Used, cost: float) -> list[_Removal]:
    """Return every direct leg, every two-hop path, and every leg that has company in its hop.

    An only two-hop path stays, whatever its legs cost: what is left to find out is which of them.
    """
    is_only_path = not used.direct and len(used.two_hop_paths) == 1
    found = surpluses(allocation.network, allocation.root, cost)

    def removal(*pool_ids: str) -> _Removal:
        return _Removal(sum([found.get(pool_id, 0.0) - cost for pool_id in pool_ids]), pool_ids)

    removals = [removal(pool_id) for pool_id in used.direct]
    for firsts, seconds in used.two_hop_paths:
        for hop in (firsts, seconds):
            if len(hop) > 1:
                removals += map(removal, hop)
        if not is_only_path:
            removals.append(removal(*firsts, *seconds))
    return removals
