"""Which legs are worth their cost."""

import pytest

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.market import Market
from chalicelib.routing.network import network_of
from chalicelib.routing.plan import RoutablePool
from chalicelib.routing.search import Found, best_allocation, cost_of_leg
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable

LARGE, SMALL = a_routable("large", a_cpmm(10**12, 10**12)), a_routable("small", a_cpmm(10**10, 10**10))
HOPS = (
    a_routable("first", a_cpmm(10**12, 10**12), ("A", "M")),
    a_routable("second", a_cpmm(10**12, 10**12), ("M", "B")),
)


def found(mode: SwapMode, amount: int, leg_cost: int, *pools: RoutablePool) -> Found | None:
    network = network_of(Market(pools, NOW_S), mode=mode, input_token="A", output_token="B", amount=amount)
    return best_allocation(network, mode=mode, amount=amount, leg_cost=leg_cost)


def used(mode: SwapMode, leg_cost: int, *pools: RoutablePool, amount: int = 10**9) -> set[str]:
    best = found(mode, amount, leg_cost, *pools)
    assert best is not None
    allocation = best.allocation
    ids = {
        pool.pool.pool_id
        for pool, part in zip(allocation.network.direct.pools, allocation.direct, strict=True)
        if part >= 1.0
    }
    for filled in allocation.two_hop_paths:
        if filled.amount >= 1.0:
            ids |= {pool.pool.pool_id for hop in filled.two_hop_path.hops for pool in hop.pools}
    return ids


@pytest.mark.parametrize("mode", SwapMode)
def test_leg_that_costs_nothing_is_used_and_one_that_costs_more_than_it_brings_is_not(mode: SwapMode) -> None:
    assert used(mode, 0, LARGE, SMALL) == {"large", "small"}
    assert used(mode, 10**6, LARGE, SMALL) == {"large"}


@pytest.mark.parametrize("mode", SwapMode)
def test_two_hops_leave_together_or_stay_together(mode: SwapMode) -> None:
    amount = 10**11
    assert used(mode, 0, LARGE, *HOPS, amount=amount) == {"large", "first", "second"}
    assert used(mode, 10**11, LARGE, *HOPS, amount=amount) == {"large"}


def test_only_path_is_taken_whatever_it_costs() -> None:
    assert used(SwapMode.EXACT_IN, 10**15, *HOPS) == {"first", "second"}


def test_amount_beyond_all_pools_has_no_allocation() -> None:
    assert found(SwapMode.EXACT_OUT, 10**13, 0, LARGE, SMALL) is None


def test_prices_of_all_that_was_tried_are_told_the_best_one_first() -> None:
    best = found(SwapMode.EXACT_IN, 10**9, 10**6, LARGE, SMALL)
    assert best is not None
    assert best.roots[0] == best.allocation.root
    assert len(set(best.roots)) == 2


def test_cost_of_a_leg_is_in_output_units_with_what_rounding_takes() -> None:
    # At a root of 2 an input unit is worth four of the output.
    assert cost_of_leg(2.0, SwapMode.EXACT_IN, 10) == 12.5
    assert cost_of_leg(2.0, SwapMode.EXACT_OUT, 10) == 42.5
