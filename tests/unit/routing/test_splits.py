"""Splits over pools that refuse their parts: limit orders of DLMM pools among which an output may not end."""

from contextlib import suppress
from decimal import Decimal

import pytest

from chalicelib.amm.dlmm_fee import DlmmParameters, DlmmVolatility
from chalicelib.amm.dlmm_orders import BinOrders
from chalicelib.amm.meteora_dlmm import Bin, DlmmPool
from chalicelib.amm.pools import swap
from chalicelib.amm.swaps import Exact, Swap, SwapRefusedError
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing import splits
from chalicelib.routing.errors import InsufficientLiquidityError
from chalicelib.routing.network import Network
from chalicelib.routing.plan import Plan
from chalicelib.routing.search import Found, best_allocation
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable
from tests.unit.routing.test_router import plan_for

PARAMETERS = DlmmParameters(10, 10_000, 30, 600, 5_000, 0, 0, 1_000)  # a fee of 0.1 %


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note each search: how many pools it could use."""
    noted: list[int] = []

    def search(network: Network, *, mode: SwapMode, amount: int, leg_cost: int) -> Found | None:
        noted.append(len(network.direct.pools))
        return best_allocation(network, mode=mode, amount=amount, leg_cost=leg_cost)

    monkeypatch.setattr(splits, "best_allocation", search)
    return noted


def with_orders_in_every_bin(number: int) -> DlmmPool:
    """Return a pool whose price is seven out per in, so that the rounding of a layer is some units."""
    bins = tuple(Bin(bin_id, 0, 10**7 + 1_009 * number) for bin_id in range(1_961, 2_001))
    orders = [
        BinOrders(each.bin_id, 10**8 + 7 * number + 3 * each.bin_id, 10**8 + 5 * number, is_ask=False)
        for each in bins
    ]
    return DlmmPool(PARAMETERS, 2_000, bins, DlmmVolatility(), orders=tuple(orders))


def check(plan: Plan, *pools: tuple[str, DlmmPool]) -> None:
    """Hold the legs through some pools against the program's own swaps."""
    states = dict(pools)
    for leg in plan.legs:
        if leg.pool_id in states:
            result, _ = swap(states[leg.pool_id], Swap(Exact.OUT, leg.amount_out, 0, NOW_S))
            assert (result.amount_in, result.amount_out) == (leg.amount_in, leg.amount_out)


@pytest.mark.parametrize("part", [200_000_001, 1_000_000_007, 3_200_000_000, 7_000_000_000])
def test_of_many_pools_that_refuse_their_part_all_are_used_and_few_searches_made(
    part: int, searches: list[int]
) -> None:
    count = 40
    states = [(f"{number:02}", with_orders_in_every_bin(number)) for number in range(count)]
    pools = [a_routable(*each) for each in states]
    pools.append(a_routable("large", a_cpmm(10**12, 6 * 10**12)))
    plan = plan_for(pools, count * part, mode=SwapMode.EXACT_OUT)
    assert plan.amount_out == count * part
    assert plan.gap_bps < 1
    check(plan, *states)
    # Once as it is, for each time that pools are asked for less, and as often before their orders; and the
    # same again where a price rises.
    assert len(searches) <= 2 * (1 + 2 * splits.CUTS_MAX)


def test_a_few_units_that_a_pool_refuses_are_paid_by_another() -> None:
    pool, other = with_orders_in_every_bin(0), a_cpmm(10**12, 6 * 10**12)
    pools = [a_routable("orders", pool), a_routable("other", other)]
    refused = 0
    for amount in range(2_000_000_000, 2_000_000_200, 7):
        plan = plan_for(pools, amount, mode=SwapMode.EXACT_OUT)
        assert plan.gap_bps < Decimal("0.1")
        check(plan, ("orders", pool))
        try:
            swap(pool, Swap(Exact.OUT, amount, 0, NOW_S))
        except SwapRefusedError:
            refused += 1
    assert refused


def test_two_pools_with_orders_pay_together_what_neither_could_alone() -> None:
    states = [("a", with_orders_in_every_bin(0)), ("b", with_orders_in_every_bin(1))]
    pools = [a_routable(*each) for each in states]
    filled = 0
    for amount in range(2_000_000_000, 2_000_000_200, 7):
        with suppress(InsufficientLiquidityError):
            plan = plan_for(pools, amount, mode=SwapMode.EXACT_OUT)
            assert plan.amount_out == amount
            check(plan, *states)
            filled += 1
    assert filled >= 28  # of 29: both may end in bins of one price, where what they pay together is refused


@pytest.mark.parametrize("pair", [("A", "M"), ("M", "B")])
def test_amount_of_a_two_hop_path_is_one_that_its_pool_pays(pair: tuple[str, str]) -> None:
    pool = with_orders_in_every_bin(0)
    pools = [
        a_routable("orders", pool, pair),
        a_routable("deep", a_cpmm(10**15, 10**15), ("M", "B") if pair[0] == "A" else ("A", "M")),
        a_routable("direct", a_cpmm(10**11, 73 * 10**10)),
    ]
    for amount in range(3_000_000_000, 3_000_000_200, 29):
        plan = plan_for(pools, amount, mode=SwapMode.EXACT_OUT)
        assert {leg.pool_id for leg in plan.legs} == {"orders", "deep", "direct"}
        assert plan.gap_bps < 1
        check(plan, ("orders", pool))
