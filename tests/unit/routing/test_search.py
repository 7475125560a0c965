"""Which legs are worth their cost."""

from collections.abc import Sequence
from itertools import combinations
from math import inf
from random import Random

import pytest

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.allocation import Allocation, allocate
from chalicelib.routing.errors import NoRouteError
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


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("tokens", [("A", "M"), ("M", "B")])
def test_leg_beside_another_in_its_hop_leaves_alone_also_where_the_path_is_not_worth_its_legs(
    mode: SwapMode, tokens: tuple[str, str]
) -> None:
    beside = a_routable("beside", a_cpmm(10**10, 10**10), tokens)
    assert used(mode, 0, *HOPS, beside) == {"first", "second", "beside"}
    for cost in (10**5, 10**6, 10**7):
        assert used(mode, cost, *HOPS, beside) == {"first", "second"}


def gained(mode: SwapMode, amount: int, leg_cost: int, pools: Sequence[RoutablePool]) -> float:
    """Return what an order gets with these pools, or minus what it needs, less the costs of their legs."""
    try:
        network = network_of(
            Market(pools, NOW_S), mode=mode, input_token="A", output_token="B", amount=amount
        )
    except NoRouteError:
        return -inf
    allocation = allocate(network, mode, float(amount))
    return -inf if allocation is None else net(allocation, mode, leg_cost)


def net(allocation: Allocation, mode: SwapMode, leg_cost: int) -> float:
    legs = sum(moved >= 1.0 for moved in allocation.by_pool().values())
    return (allocation.other if mode is SwapMode.EXACT_IN else -allocation.other) - leg_cost * legs


def some_pools(random: Random, tokens: tuple[str, str], count: int) -> list[RoutablePool]:
    sizes = [int(10 ** random.uniform(10, 12.5)) for _ in range(count)]
    return [
        a_routable(f"{tokens} {number}", a_cpmm(size, int(size * random.uniform(0.998, 1.002))), tokens)
        for number, size in enumerate(sizes)
    ]


@pytest.mark.parametrize("mode", SwapMode)
def test_search_comes_close_to_the_best_of_all_sets_of_pools(mode: SwapMode) -> None:
    for seed in range(60):
        random = Random(seed)
        pools = some_pools(random, ("A", "M"), random.randint(1, 3))
        pools += some_pools(random, ("M", "B"), random.randint(1, 3))
        pools += some_pools(random, ("A", "B"), random.randint(0, 2) if seed % 2 else 0)
        amount, leg_cost = int(10 ** random.uniform(6, 10)), int(10 ** random.uniform(2, 6.5))
        sets = (each for count in range(1, len(pools) + 1) for each in combinations(pools, count))
        best = max(gained(mode, amount, leg_cost, each) for each in sets)
        searched = found(mode, amount, leg_cost, *pools)
        assert searched is not None
        # Which set is best of all is more than a search can find out; a leg and a half too many is the most.
        assert net(searched.allocation, mode, leg_cost) >= best - 1.5 * leg_cost - 10, seed


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
