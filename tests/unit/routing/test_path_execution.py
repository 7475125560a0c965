"""From shares to swaps: not a unit is lost between legs, and a refusal names its pool."""

import pytest

from chalicelib.amm.swaps import U64_MAX, Refusal
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.allocation import Allocation, allocate
from chalicelib.routing.market import Market
from chalicelib.routing.network import Network, network_of
from chalicelib.routing.path_execution import ExecutedPath, Execution, LegRefusedError, execute
from chalicelib.routing.plan import RoutablePool
from chalicelib.routing.whole import NoRoomError
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable

POOLS = (
    a_routable("a", a_cpmm(10**9, 2 * 10**9)),
    a_routable("b", a_cpmm(3 * 10**9, 6 * 10**9)),
    a_routable("c", a_cpmm(10**9, 10**9), ("A", "M")),
    a_routable("d", a_cpmm(2 * 10**9, 2 * 10**9), ("A", "M")),
    a_routable("e", a_cpmm(10**9, 2 * 10**9), ("M", "B")),
)


def network(mode: SwapMode, amount: int, *pools: RoutablePool) -> Network:
    return network_of(Market(pools, NOW_S), mode=mode, input_token="A", output_token="B", amount=amount)


def allocation(mode: SwapMode, amount: int, *pools: RoutablePool) -> Allocation:
    found = allocate(network(mode, amount, *pools), mode, float(amount))
    assert found is not None
    return found


def executed(mode: SwapMode, amount: int) -> tuple[ExecutedPath, ...]:
    return execute(allocation(mode, amount, *POOLS), mode, amount, NOW_S)


@pytest.mark.parametrize("amount", [10**6, 123_456_789])
def test_exact_input_is_spent_and_exact_output_delivered_to_the_unit(amount: int) -> None:
    assert sum(path.amount_in for path in executed(SwapMode.EXACT_IN, amount)) == amount
    assert sum(path.amount_out for path in executed(SwapMode.EXACT_OUT, amount)) == amount


@pytest.mark.parametrize("mode", SwapMode)
def test_what_the_first_hop_pays_is_what_the_second_takes(mode: SwapMode) -> None:
    *direct, two_hop = executed(mode, 123_456_789)
    assert two_hop.between == "M"
    assert {path.between for path in direct} == {None}
    assert len(two_hop.first) == 2
    paid = sum(leg.result.amount_out for leg in two_hop.first)
    assert paid == sum(leg.result.amount_in for leg in two_hop.second)
    assert two_hop.amount_in == sum(leg.result.amount_in for leg in two_hop.first)


def test_pool_that_would_pay_nothing_refuses_by_its_name() -> None:
    dear = a_routable("dear", a_cpmm(10**12, 10**3))
    (pool,) = network(SwapMode.EXACT_IN, 1, dear).direct.pools
    with pytest.raises(LegRefusedError) as refused:
        Execution(SwapMode.EXACT_IN, NOW_S).leg(pool, 1)
    assert (refused.value.pool, refused.value.amount) == (pool, 1)
    assert refused.value.refusal is Refusal.ZERO_OUTPUT


def test_amount_that_no_instruction_can_carry_is_refused_by_the_pool() -> None:
    (pool,) = network(SwapMode.EXACT_IN, 1, POOLS[0]).direct.pools
    with pytest.raises(LegRefusedError) as refused:
        Execution(SwapMode.EXACT_IN, NOW_S).leg(pool, U64_MAX + 1)
    assert refused.value.refusal is Refusal.INSUFFICIENT_LIQUIDITY


def test_more_than_all_pools_hold_has_no_room() -> None:
    filled = allocation(SwapMode.EXACT_OUT, 10**9, POOLS[0])
    with pytest.raises(NoRoomError):
        execute(filled, SwapMode.EXACT_OUT, 3 * 10**9, NOW_S)
