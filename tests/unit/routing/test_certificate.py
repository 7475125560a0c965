"""The bound holds at every price, not only at good ones."""

from random import Random

import pytest

from chalicelib.amm.pools import swap
from chalicelib.amm.swaps import Exact, Swap, SwapRefusedError
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.certificate import hop_roots, objective_bound
from chalicelib.routing.market import Market
from chalicelib.routing.network import Network, network_of
from chalicelib.routing.plan import RoutablePool
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable

ROOTS = [0.3, 0.7, 0.9, 0.97, 1.0, 1.03, 1.1, 1.5, 3.0]


def a_network(pools: list[RoutablePool], mode: SwapMode, amount: int) -> Network:
    return network_of(Market(pools, NOW_S), mode=mode, input_token="A", output_token="B", amount=amount)


def three_pools(random: Random) -> list[RoutablePool]:
    """Return a direct pool and both hops of a two-hop path, all small."""
    pairs = (("A", "B"), ("A", "M"), ("M", "B"))
    return [
        a_routable(str(index), a_cpmm(random.randint(500, 5_000), random.randint(500, 5_000)), pair)
        for index, pair in enumerate(pairs)
    ]


@pytest.mark.parametrize("leg_cost", [0, 5])
@pytest.mark.parametrize("seed", range(10))
def test_no_exact_in_plan_beats_the_bound_at_any_price(seed: int, leg_cost: int) -> None:
    pools, amount = three_pools(Random(seed)), 200
    best = max(
        _paid(pools[0], part) + _paid(pools[2], between) - leg_cost * ((part > 0) + 2 * (part < amount))
        for part in range(amount + 1)
        if (between := _paid(pools[1], amount - part)) or part == amount
    )
    network = a_network(pools, SwapMode.EXACT_IN, amount)
    for root in ROOTS:
        bound = objective_bound(network, root, mode=SwapMode.EXACT_IN, amount=amount, leg_cost=leg_cost)
        assert best <= bound


@pytest.mark.parametrize("leg_cost", [0, 5])
@pytest.mark.parametrize("seed", range(10))
def test_no_exact_out_plan_needs_less_than_the_bound_at_any_price(seed: int, leg_cost: int) -> None:
    pools, amount = three_pools(Random(seed)), 100
    costs = []
    for part in range(amount + 1):
        direct, second = _needed(pools[0], part), _needed(pools[2], amount - part)
        first = None if second is None else _needed(pools[1], second)
        if direct is not None and first is not None:
            costs.append(direct + first + leg_cost * ((part > 0) + 2 * (part < amount)))
    network = a_network(pools, SwapMode.EXACT_OUT, amount)
    for root in ROOTS:
        bound = objective_bound(network, root, mode=SwapMode.EXACT_OUT, amount=amount, leg_cost=leg_cost)
        assert bound <= min(costs)


@pytest.mark.parametrize("seed", range(10))
def test_hop_prices_multiply_to_the_price_of_the_whole(seed: int) -> None:
    network = a_network(three_pools(Random(seed)), SwapMode.EXACT_IN, 200)
    (two_hop_path,) = network.two_hop_paths
    for root in ROOTS:
        found = hop_roots(two_hop_path, root)
        assert bool(found) == (two_hop_path.curve[0].start > root)
        assert [roots.first * roots.second for roots in found] == pytest.approx([root] * len(found))


def _paid(pool: RoutablePool, amount: int) -> int:
    try:
        return swap(pool.state, Swap(Exact.IN, amount, 0, NOW_S))[0].amount_out if amount else 0
    except SwapRefusedError:
        return 0


def _needed(pool: RoutablePool, amount: int) -> int | None:
    try:
        return swap(pool.state, Swap(Exact.OUT, amount, 0, NOW_S))[0].amount_in if amount else 0
    except SwapRefusedError:
        return None
