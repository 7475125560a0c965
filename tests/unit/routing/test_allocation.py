"""Dividing an amount so that all that is used ends at one price."""

from math import floor, inf

import pytest

from chalicelib.amm.dlmm_fee import DlmmParameters, DlmmVolatility
from chalicelib.amm.meteora_dlmm import Bin, DlmmPool
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.allocation import Allocation, allocate
from chalicelib.routing.market import Market
from chalicelib.routing.network import network_of
from chalicelib.routing.plan import RoutablePool
from chalicelib.routing.ranges import total_in, total_out
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


def a_pool_of_bins(*amounts: int) -> DlmmPool:
    """A pool that pays so much in its first bin, and in each next one at a tenth of a per cent less."""
    parameters = DlmmParameters(10, 10_000, 30, 600, 5_000, 0, 350_000, 500)
    bins = [Bin(100 - place, 0, amount) for place, amount in enumerate(amounts)]
    return DlmmPool(parameters, 100, tuple(sorted(bins)), DlmmVolatility())


def held(mode: SwapMode, pool: RoutablePool) -> list[float]:
    """Return what each of a pool's bins holds, of the side that is fixed."""
    curve = Market([pool], NOW_S).pair("A", "B").sides[0].read(inf, inf).curve
    return [part.amount_in if mode is SwapMode.EXACT_IN else part.amount_out for part in curve]


@pytest.mark.parametrize("mode", SwapMode)
def test_bins_of_the_price_at_which_an_order_ends_share_what_is_left_by_their_size(mode: SwapMode) -> None:
    better = a_routable("better", a_pool_of_bins(10**9, 10**9, 10**9))
    first = a_routable("first", a_pool_of_bins(0, 2 * 10**9, 10**9))
    second = a_routable("second", a_pool_of_bins(0, 3 * 10**9, 10**9))
    worse = a_routable("worse", a_pool_of_bins(0, 0, 10**9))
    taken = [held(mode, pool) for pool in (better, first, second)]
    half = (taken[0][1] + taken[1][0] + taken[2][0]) / 2
    amount = round(taken[0][0] + half)
    allocation = allocated(mode, amount, better, first, second, worse)
    assert allocation is not None
    pools = [pool.pool.pool_id for pool in allocation.network.direct.pools]
    shares = dict(zip(pools, allocation.direct, strict=True))
    assert shares == pytest.approx(
        {
            "better": taken[0][0] + taken[0][1] / 2,
            "first": taken[1][0] / 2,
            "second": taken[2][0] / 2,
            "worse": 0.0,
        },
        rel=1e-6,
        abs=1.0,
    )
    assert sum(allocation.direct) == pytest.approx(amount, rel=1e-12)


@pytest.mark.parametrize("mode", SwapMode)
def test_all_that_the_bins_hold_can_be_asked_for_and_no_more(mode: SwapMode) -> None:
    pool = a_routable("pool", a_pool_of_bins(10**9, 10**9))
    curve = Market([pool], NOW_S).pair("A", "B").sides[0].read(inf, inf).curve
    other = total_out(curve) if mode is SwapMode.EXACT_IN else total_in(curve)
    most = floor(sum(held(mode, pool)))
    whole = allocated(mode, most, pool)
    assert whole is not None
    assert whole.root == curve[-1].end
    assert whole.other == pytest.approx(other, rel=1e-6)
    assert allocated(mode, most + 10, pool) is None


def test_amount_of_each_pool_is_told_by_its_name_in_either_hop() -> None:
    direct = a_routable("direct", a_cpmm(10**12, 10**12))
    allocation = allocated(SwapMode.EXACT_IN, 10**11, direct, *HOPS)
    assert allocation is not None
    (through,) = allocation.two_hop_paths
    assert allocation.by_pool() == {
        "direct": allocation.direct[0],
        "first": pytest.approx(through.amount),
        "second": pytest.approx(through.first.other),
    }


def test_amount_that_the_pools_do_not_hold_is_not_allocated() -> None:
    assert allocated(SwapMode.EXACT_OUT, 10**13, *HOPS) is None
