"""The best that one pool alone does, overall and for each venue."""

import pytest

from chalicelib.amm.pools import swap
from chalicelib.amm.swaps import Exact, Swap
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.market import Market
from chalicelib.routing.network import network_of
from chalicelib.routing.path_execution import Execution
from chalicelib.routing.plan import RoutablePool
from chalicelib.routing.singles import Singles, best_singles
from tests.unit.routing.markets import NOW_S, a_cpmm

AMOUNT = 10**6


def singles(mode: SwapMode, *pools: RoutablePool, amount: int = AMOUNT) -> Singles:
    network = network_of(Market(pools, NOW_S), mode=mode, input_token="A", output_token="B", amount=amount)
    return best_singles(network.direct, Execution(mode, NOW_S), amount)


def a_pool(pool_id: str, venue: str, depth: int, *, fee_rate: int = 2_500) -> RoutablePool:
    return RoutablePool(pool_id, venue, ("A", "B"), a_cpmm(depth, depth, fee_rate=fee_rate))


POOLS = (
    a_pool("1", "x", 10**8),
    a_pool("2", "x", 10**9),
    a_pool("3", "y", 10**10),
    a_pool("4", "y", 10**10, fee_rate=10_000),
)


@pytest.mark.parametrize("mode", SwapMode)
def test_each_venue_is_quoted_by_its_best_pool_and_the_best_of_all_is_the_best(mode: SwapMode) -> None:
    found = singles(mode, *POOLS)
    assert {venue: leg.pool.pool.pool_id for venue, leg in found.by_venue.items()} == {"x": "2", "y": "3"}
    assert found.best is found.by_venue["y"]


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize(("units_0", "units_1"), [(1, 100), (100, 1)])
def test_best_pool_is_found_where_a_unit_of_one_token_is_worth_many_of_the_other(
    mode: SwapMode, units_0: int, units_1: int
) -> None:
    pools = [
        RoutablePool(pool_id, "x", ("A", "B"), a_cpmm(units_0 * depth, units_1 * depth))
        for pool_id, depth in (("shallow", 10**9), ("deep", 10**10), ("shallower", 10**8))
    ]
    found = singles(mode, *pools)
    assert found.best is found.by_venue["x"]
    assert found.best.pool.pool.pool_id == "deep"


@pytest.mark.parametrize(("mode", "exact"), [(SwapMode.EXACT_IN, Exact.IN), (SwapMode.EXACT_OUT, Exact.OUT)])
def test_quote_is_the_swap_that_the_pool_makes(mode: SwapMode, exact: Exact) -> None:
    best = singles(mode, *POOLS).best
    assert best is not None
    assert (best.result, best.state_after) == swap(POOLS[2].state, Swap(exact, AMOUNT, 0, NOW_S))


def test_pools_that_do_the_same_are_ranked_by_their_ids() -> None:
    best = singles(SwapMode.EXACT_IN, a_pool("b", "y", 10**9), a_pool("a", "z", 10**9)).best
    assert best is not None
    assert best.pool.pool.pool_id == "a"


@pytest.mark.parametrize("mode", SwapMode)
def test_pools_of_one_venue_that_do_the_same_are_ranked_by_their_ids_whatever_their_curves_say(
    mode: SwapMode,
) -> None:
    """Of three units both give one; by its curve, the one with the greater id is a little better."""
    found = singles(mode, a_pool("a", "x", 10**9), a_pool("b", "x", 10**9 + 10**3), amount=3)
    assert found.best is found.by_venue["x"]
    assert found.best.pool.pool.pool_id == "a"


def test_venue_whose_pools_cannot_fill_it_alone_is_absent() -> None:
    found = singles(SwapMode.EXACT_OUT, a_pool("1", "x", 10**5), a_pool("2", "y", 10**9))
    assert found.by_venue.keys() == {"y"}


def test_without_a_pool_that_can_there_is_no_best() -> None:
    found = singles(SwapMode.EXACT_OUT, a_pool("1", "x", 10**5))
    assert (found.best, found.by_venue) == (None, {})
