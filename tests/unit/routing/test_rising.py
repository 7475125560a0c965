from dataclasses import replace
from math import inf
from random import Random

import pytest

from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.amm.pools import TransferFeePool, swap
from chalicelib.amm.swaps import Swap, SwapRefusedError
from chalicelib.amm.transfer_fee import NO_FEE, TransferFee
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.curves import curve_of
from chalicelib.routing.exactness import EXACT
from chalicelib.routing.market import PoolCurve, PoolSide
from chalicelib.routing.path_execution import ExecutedLeg, Execution, direct_path
from chalicelib.routing.plan import RoutablePool
from chalicelib.routing.ranges import product_range
from chalicelib.routing.rising import most_rising_leg
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable, random_pool
from tests.unit.routing.test_router import plan_for

STEPS = 1_000


def a_pool_whose_fee_falls_ahead(seed: int) -> DlmmPool:
    """Return a pool inside its filter window, twenty bins above its volatility reference."""
    pool = random_pool(Random(seed), "dlmm", 1.0, 10**13)
    assert isinstance(pool, DlmmPool)
    return replace(
        pool,
        parameters=replace(
            pool.parameters, bin_step=10, variable_fee_control=500_000, max_volatility_accumulator=2_000_000
        ),
        active_id=0,
        bins=tuple(held._replace(bin_id=held.bin_id - pool.active_id) for held in pool.bins),
        volatility=replace(pool.volatility, index_reference=-20, last_update_timestamp=NOW_S - 2),
    )


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("seed", [1, 3, 4, 7])
def test_split_with_a_pool_whose_price_rises_matches_the_best_of_a_fine_grid(
    mode: SwapMode, seed: int
) -> None:
    rising = a_routable("rising", a_pool_whose_fee_falls_ahead(seed))
    steady = a_routable("steady", a_cpmm(4 * 10**12, 396 * 10**10))
    amount = 2 * 10**12
    plan = plan_for([rising, steady], amount, mode=mode)
    costs = [
        first + second
        for index in range(STEPS + 1)
        if (first := _cost(rising, mode, amount * index // STEPS)) is not None
        and (second := _cost(steady, mode, amount - amount * index // STEPS)) is not None
    ]
    found = plan.amount_in if mode is SwapMode.EXACT_OUT else -plan.amount_out
    assert found <= min(costs) + abs(min(costs)) * 1e-7
    bound = plan.bound if mode is SwapMode.EXACT_OUT else -plan.bound
    assert bound <= min(costs)


def test_leg_to_look_at_again_is_the_one_that_falls_short_of_its_curve_and_none_if_all_keep_it() -> None:
    def a_leg(pool: RoutablePool, amount: int) -> ExecutedLeg:
        return Execution(SwapMode.EXACT_IN, NOW_S).leg(
            PoolCurve(pool, 0, curve_of(pool.state, 0, NOW_S)), amount
        )

    steady = direct_path(a_leg(a_routable("steady", a_cpmm(4 * 10**12, 396 * 10**10)), 10**12))
    pool = a_routable("rising", a_pool_whose_fee_falls_ahead(1))
    # The larger one lacks more units, and less of what it was promised.
    rising, larger = a_leg(pool, 10**12), a_leg(pool, 4 * 10**12)
    assert most_rising_leg([steady]) is None
    assert most_rising_leg([direct_path(larger), direct_path(rising), steady]) is rising


def test_leg_falls_short_where_it_takes_more_than_all_that_its_curve_takes() -> None:
    # A curve counts a transfer fee as little as it may be, and it is read no further than the amount.
    taxed = TransferFeePool(a_cpmm(10**9, 10**9), (TransferFee(1_000, 10**9), NO_FEE))
    pool = PoolSide(a_routable("taxed", taxed), 0, (NOW_S, 0)).read(inf, 1e6)
    whole = pool.curve[0]
    read = pool._replace(
        curve=(product_range(root=whole.start, end=whole.start * 0.99, liquidity=whole.liquidity),)
    )
    leg = Execution(SwapMode.EXACT_OUT, NOW_S).leg(read, int(read.curve[0].amount_out * 0.95))
    assert leg.result.amount_in > read.curve[0].amount_in
    assert most_rising_leg([direct_path(leg)]) is leg


def test_the_price_of_the_pool_used_here_does_rise() -> None:
    pool = a_routable("rising", a_pool_whose_fee_falls_ahead(1))
    first, second = _cost(pool, SwapMode.EXACT_IN, 10**12), _cost(pool, SwapMode.EXACT_IN, 2 * 10**12)
    assert first is not None
    assert second is not None
    assert -second > 2 * -first  # the second half fetched more than the first


def _cost(pool: RoutablePool, mode: SwapMode, amount: int) -> int | None:
    """Return what the pool needs, or minus what it pays; None if it refuses."""
    if amount == 0:
        return 0
    try:
        result, _ = swap(pool.state, Swap(EXACT[mode], amount, 0, NOW_S))
    except SwapRefusedError:
        return None
    return -result.amount_out if mode is SwapMode.EXACT_IN else result.amount_in
