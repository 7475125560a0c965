"""Dividing an amount so that all that is used ends at one price."""

import pytest

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.allocation import Allocation, allocate
from chalicelib.routing.market import Market
from chalicelib.routing.network import network_of
from chalicelib.routing.plan import RoutablePool
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable

HOPS = (
    a_routable("first", a_cpmm(10**12, 10**12), ("A", "M")),
    a_routable("second", a_cpmm(10**12, 10**12), ("M", "B")),
)


def allocated(mode: SwapMode, amount: int, *pools: RoutablePool) -> Allocation | None:
    network = network_of(Market(pools, NOW_S), mode=mode, input_token="A", output_token="B", amount=amount)
    return allocate(network, mode, float(amount))


def given(allocation: Allocation) -> float:
    return sum(allocation.direct) + sum(filled.amount for filled in allocation.two_hop_paths)


@pytest.mark.parametrize("mode", SwapMode)
def test_pools_of_one_price_share_by_their_depth(mode: SwapMode) -> None:
    pools = [a_routable(name, a_cpmm(depth, depth)) for name, depth in (("a", 10**12), ("b", 3 * 10**12))]
    allocation = allocated(mode, 10**9, *pools)
    assert allocation is not None
    assert allocation.direct == pytest.approx([25 * 10**7, 75 * 10**7], rel=1e-6)


@pytest.mark.parametrize("mode", SwapMode)
def test_all_of_the_amount_is_divided(mode: SwapMode) -> None:
    direct = a_routable("direct", a_cpmm(10**12, 10**12))
    allocation = allocated(mode, 10**11, direct, *HOPS)
    assert allocation is not None
    assert given(allocation) == pytest.approx(10**11, rel=1e-9)
    assert allocation.direct[0] > allocation.two_hop_paths[0].amount > 0


@pytest.mark.parametrize("mode", SwapMode)
def test_worse_pool_is_not_used_before_the_better_ones_price_has_fallen_to_its_own(mode: SwapMode) -> None:
    better = a_routable("better", a_cpmm(10**12, 2 * 10**12))
    worse = a_routable("worse", a_cpmm(10**12, 10**12))
    small, large = allocated(mode, 10**6, better, worse), allocated(mode, 10**12, better, worse)
    assert small is not None
    assert large is not None
    assert (small.direct[1], large.direct[1] > 0) == (0.0, True)


def test_amount_that_the_pools_do_not_hold_is_not_allocated() -> None:
    assert allocated(SwapMode.EXACT_OUT, 10**13, *HOPS) is None
