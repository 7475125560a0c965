"""Plans against other ways of finding the optimum, none of which shares code with the router."""

from collections.abc import Sequence
from itertools import product
from math import sqrt
from random import Random

import pytest

from chalicelib.amm.pools import swap
from chalicelib.amm.raydium_cpmm import CpmmPool
from chalicelib.amm.swaps import Exact, Swap, SwapRefusedError
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.errors import InsufficientLiquidityError
from chalicelib.routing.plan import RoutablePool
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable
from tests.unit.routing.test_router import TOLERANCE, plan_for

UNIT = 1e-12


@pytest.mark.parametrize("seed", range(40))
def test_small_integer_splits_match_brute_force(seed: int) -> None:
    random = Random(seed)
    count = random.choice([2, 2, 3])
    pools = [
        a_routable(str(index), a_cpmm(random.randint(100, 3_000), random.randint(100, 3_000)))
        for index in range(count)
    ]
    amount = random.randint(30, 300 if count == 2 else 90)
    best = _brute_force(pools, amount)
    plan = plan_for(pools, amount)
    assert best <= plan.bound
    # Each leg may lose a unit to rounding; beyond that the split is the best there is.
    assert plan.amount_out >= best - count


@pytest.mark.parametrize("seed", range(40))
def test_small_exact_outs_match_brute_force(seed: int) -> None:
    random = Random(seed)
    pools = [
        a_routable(str(index), a_cpmm(random.randint(300, 3_000), random.randint(300, 3_000)))
        for index in range(2)
    ]
    amount = random.randint(30, 200)
    best = min(
        first + second
        for part in range(amount + 1)
        if (first := _needed(pools[0], part)) is not None
        and (second := _needed(pools[1], amount - part)) is not None
    )
    plan = plan_for(pools, amount, mode=SwapMode.EXACT_OUT)
    assert plan.bound <= best
    assert plan.amount_in <= best + 2


@pytest.mark.parametrize("seed", range(60))
def test_few_units_are_bought_over_two_hops_as_well_as_one_pool_after_the_other_sells_them(seed: int) -> None:
    random = Random(seed)
    first, second = (
        a_routable(name, a_cpmm(random.randint(20, 400), random.randint(20, 400)), tokens)
        for name, tokens in (("a", ("A", "M")), ("b", ("M", "B")))
    )
    amount = random.randint(1, 9)
    between = _needed(second, amount)
    best = None if between is None else _needed(first, between)
    if best is None:
        with pytest.raises(InsufficientLiquidityError):
            plan_for([first, second], amount, mode=SwapMode.EXACT_OUT)
        return
    plan = plan_for([first, second], amount, mode=SwapMode.EXACT_OUT)
    assert plan.bound <= plan.amount_in <= best


@pytest.mark.parametrize("mode", SwapMode)
def test_no_plan_is_worse_than_one_pool_after_another_where_a_token_comes_in_few_units(
    mode: SwapMode,
) -> None:
    for seed in range(100):
        random = Random(seed)
        units = [10 ** random.uniform(6, 9), 10 ** random.uniform(1, 3), 10 ** random.uniform(6, 9)]
        random.shuffle(units)
        size = dict(zip("AMB", units, strict=True))
        pools = [
            a_routable(f"{one}{other}{index}", _of_about(random, size[one], size[other]), (one, other))
            for one, other in ("AB", "AM", "MB")
            for index in range(random.randint(0 if one + other == "AB" else 1, 3))
        ]
        given = size["A" if mode is SwapMode.EXACT_IN else "B"]
        amount = max(1, int(given * 10 ** random.uniform(-2, -0.5)))
        simple = _best_in_a_row(pools, amount, mode)
        if simple is None:
            continue
        plan = plan_for(pools, amount, mode=mode)
        if mode is SwapMode.EXACT_IN:
            assert simple <= plan.amount_out <= plan.bound, seed
        else:
            assert plan.bound <= plan.amount_in <= simple, seed


@pytest.mark.parametrize("seed", range(20))
def test_constant_product_splits_match_the_closed_form(seed: int) -> None:
    random = Random(seed)
    pools = [_a_pool(random, index) for index in range(random.randint(2, 8))]
    amount = int(10 ** random.uniform(10, 13))
    best = _closed_form([_reserves(pool) for pool in pools], amount)
    plan = plan_for(pools, amount)
    assert plan.amount_out == pytest.approx(best, rel=TOLERANCE)
    assert best <= plan.bound * (1 + 1e-10)


@pytest.mark.parametrize("seed", range(8))
def test_direct_and_two_hop_plans_match_a_generic_convex_solver(seed: int) -> None:
    random = Random(seed)
    direct = [_a_pool(random, index) for index in range(2)]
    firsts = [_a_pool(random, f"a{index}", ("A", "M")) for index in range(2)]
    seconds = [_a_pool(random, f"b{index}", ("M", "B")) for index in range(2)]
    amount = int(10 ** random.uniform(11.5, 12.7))
    best = _generic_solver(direct, firsts, seconds, amount)
    plan = plan_for([*direct, *firsts, *seconds], amount)
    assert plan.amount_out >= best * (1 - TOLERANCE)
    assert best <= plan.bound * (1 + 1e-6)  # the solver meets its constraints to about that


def _a_pool(random: Random, name: object, tokens: tuple[str, str] = ("A", "B")) -> RoutablePool:
    size = int(10 ** random.uniform(12.5, 14))
    price = random.uniform(0.995, 1.005)
    return a_routable(
        str(name), a_cpmm(size, int(size * price), fee_rate=random.choice([100, 2_500])), tokens
    )


def _reserves(pool: RoutablePool) -> tuple[float, float, float]:
    """Return (reserve in, reserve out, fee factor)."""
    assert isinstance(pool.state, CpmmPool)
    return pool.state.reserve_0, pool.state.reserve_1, 1 - pool.state.fees.trade_fee_rate / 10**6


def _paid(reserves: tuple[float, float, float], amount: float) -> float:
    x, y, kept = reserves
    return y * kept * amount / (x + kept * amount)


def _brute_force(pools: Sequence[RoutablePool], amount: int) -> int:
    tables = [[_got(pool, part) for part in range(amount + 1)] for pool in pools]
    return max(
        sum(table[part] for table, part in zip(tables, (*parts, amount - sum(parts)), strict=True))
        for parts in product(range(amount + 1), repeat=len(pools) - 1)
        if sum(parts) <= amount
    )


def _got(pool: RoutablePool, amount: int) -> int:
    if amount == 0:
        return 0
    try:
        return swap(pool.state, Swap(Exact.IN, amount, 0, NOW_S))[0].amount_out
    except SwapRefusedError:
        return 0


def _needed(pool: RoutablePool, amount: int) -> int | None:
    if amount == 0:
        return 0
    try:
        return swap(pool.state, Swap(Exact.OUT, amount, 0, NOW_S))[0].amount_in
    except SwapRefusedError:
        return None


def _of_about(random: Random, units_0: float, units_1: float) -> CpmmPool:
    return a_cpmm(*(max(1, int(units * 10 ** random.uniform(-0.3, 0.3))) for units in (units_0, units_1)))


def _best_in_a_row(pools: Sequence[RoutablePool], amount: int, mode: SwapMode) -> int | None:
    """Return what one pool, or one after another, pays (exact in) or takes at best for an amount."""
    is_exact_in = mode is SwapMode.EXACT_IN
    swapped = _got if is_exact_in else _needed
    found: list[int] = []
    for pool in pools:
        if pool.tokens == ("A", "B"):
            found += filter(None, [swapped(pool, amount)])
        if pool.tokens == (("A", "M") if is_exact_in else ("M", "B")):
            between = swapped(pool, amount)
            beyond = ("M", "B") if is_exact_in else ("A", "M")
            found += filter(
                None, [swapped(other, between) for other in pools if between and other.tokens == beyond]
            )
    return (max if is_exact_in else min)(found, default=None)


def _closed_form(pools: Sequence[tuple[float, float, float]], amount: float) -> float:
    """Water-filling (Angeris et al., Optimal Routing for Constant Function Market Makers)."""
    ranked = sorted(pools, key=lambda pool: -pool[2] * pool[1] / pool[0])
    for count in range(1, len(ranked) + 1):
        active = ranked[:count]
        mu = (amount + sum(x / kept for x, _, kept in active)) / sum(
            sqrt(x * y / kept) for x, y, kept in active
        )
        if count == len(ranked) or mu**-2 >= ranked[count][2] * ranked[count][1] / ranked[count][0]:
            break
    parts = [(mu * sqrt(kept * x * y) - x) / kept for x, y, kept in active]
    return sum(_paid(pool, part) for pool, part in zip(active, parts, strict=True))


def _generic_solver(
    direct: Sequence[RoutablePool],
    firsts: Sequence[RoutablePool],
    seconds: Sequence[RoutablePool],
    amount: int,
) -> float:
    """Maximise by SLSQP over every pool's input, in units of 10^12."""
    # Half a second of processor time, in each process that collects the tests.
    from scipy.optimize import minimize

    pools = [_reserves(pool) for pool in (*direct, *firsts, *seconds)]
    scaled = [(x * UNIT, y * UNIT, kept) for x, y, kept in pools]
    entering, leaving = slice(0, 4), slice(4, 6)

    def got(parts: Sequence[float], indices: Sequence[int]) -> float:
        return sum(_paid(scaled[index], parts[index]) for index in indices)

    result = minimize(
        lambda parts: -got(parts, (0, 1, 4, 5)),
        [amount * UNIT / 4.0] * 6,
        bounds=[(0, None)] * 6,
        constraints=[
            {"type": "eq", "fun": lambda parts: sum(parts[entering]) - amount * UNIT},
            {"type": "eq", "fun": lambda parts: got(parts, (2, 3)) - sum(parts[leaving])},
        ],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return float(-result.fun / UNIT)
