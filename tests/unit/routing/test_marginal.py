"""Marginal rates: no plan of any size, over any route, ever pays more."""

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.amm import pools as amm_pools
from chalicelib.amm.pools import TransferFeePool, swap
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.amm.swaps import U64_MAX, Exact, Swap, SwapRefusedError, TokenIndex
from chalicelib.amm.transfer_fee import TransferFee
from chalicelib.domain.rates import Rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.errors import RoutingError
from chalicelib.routing.marginal import MarginalRates, best_rate, touched_pairs
from chalicelib.routing.market import Market
from chalicelib.routing.plan import RoutablePool
from chalicelib.routing.router import best_plan
from chalicelib.routing.swap_order import SwapOrder
from tests.unit.amm.pool_strategies import NOW_S as POOLS_NOW_S
from tests.unit.amm.pool_strategies import pools_of_any_kind, requests
from tests.unit.routing.markets import (
    NOW_S,
    a_cpmm,
    a_pool_that_is_calmest_ahead,
    a_routable,
    random_market,
)
from tests.unit.routing.odd_markets import an_odd_market, an_odd_order

TRANSFER_FEES = st.builds(
    TransferFee, st.sampled_from([0, 1, 500, 9_999, 10_000]), st.sampled_from([0, 1, 5_000, 10**12, U64_MAX])
)


@settings(max_examples=400)
@given(pool=pools_of_any_kind(), request=requests(), fees=st.none() | st.tuples(TRANSFER_FEES, TRANSFER_FEES))
def test_no_swap_of_a_pool_pays_more_than_its_best_rate(
    pool: object, request: Swap, fees: tuple[TransferFee, TransferFee] | None
) -> None:
    state = pool if fees is None else TransferFeePool(pool, fees)  # type: ignore[arg-type]  # of any kind
    try:
        result, _ = swap(state, request)  # type: ignore[arg-type]  # as above
    except SwapRefusedError:
        return
    best = best_rate(state, request.token_in, POOLS_NOW_S)  # type: ignore[arg-type]  # as above
    assert result.amount_out <= result.amount_in * best


def a_market(random: Random) -> list[RoutablePool]:
    """Return pools between A and B, and around them over C and D."""
    pools = random_market(random, random.randint(0, 4), prefix="ab-")
    for between, price in (("C", 3.0), ("D", 0.01)):
        pools += random_market(
            random, random.randint(0, 3), tokens=("A", between), price=price, prefix=f"a{between}"
        )
        pools += random_market(
            random, random.randint(0, 3), tokens=("B", between), price=price / 0.15, prefix=f"b{between}"
        )
    return pools


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("seed", range(60))
def test_no_plan_on_a_random_market_pays_more_than_the_marginal_rate(mode: SwapMode, seed: int) -> None:
    random = Random(seed)
    pools = a_market(random)
    best = MarginalRates(pools, NOW_S).best("A", "B")
    for bits in (8, 20, 34, 42, 48):
        order = SwapOrder(mode, "A", "B", random.randrange(1, 1 << bits), leg_cost=random.choice([0, 1_000]))
        try:
            plan = best_plan(Market(pools, NOW_S), order)
        except RoutingError:
            continue
        assert best is not None
        assert best.output_units * plan.amount_in >= plan.amount_out * best.input_units


@pytest.mark.parametrize("part", range(4))
def test_no_plan_on_an_odd_market_pays_more_than_the_marginal_rate(part: int) -> None:
    for seed in range(part * 150, (part + 1) * 150):
        random = Random(seed)
        pools = an_odd_market(random)
        best = MarginalRates(pools, NOW_S).best("A", "B")
        order = an_odd_order(random, pools)
        try:
            plan = best_plan(Market(pools, NOW_S), order)
        except RoutingError:
            continue
        assert best is not None, seed
        assert best.output_units * plan.amount_in >= plan.amount_out * best.input_units, seed


def test_rate_of_one_pool_is_its_price_less_the_fee() -> None:
    pools = [a_routable("p", a_cpmm(10**12, 15 * 10**10, fee_rate=2_500))]
    rates = MarginalRates(pools, NOW_S)
    assert rates.best("A", "B") == Rate.of(15 * 9_975, 100 * 10_000)
    assert rates.best("B", "A") == Rate.of(100 * 9_975, 15 * 10_000)
    assert rates.best("A", "C") is None


@pytest.mark.parametrize("token_in", [0, 1])
def test_pool_whose_fee_falls_on_the_way_has_the_rate_of_its_best_bin(token_in: TokenIndex) -> None:
    pool = a_pool_that_is_calmest_ahead(token_in)
    first = Fraction(*amm_pools.marginal_out_per_in(pool, token_in, NOW_S))
    best = best_rate(pool, token_in, NOW_S)
    small, large = (swap(pool, Swap(Exact.IN, units, token_in, NOW_S))[0] for units in (10**11, 10**12))
    assert first < Fraction(small.amount_out, 10**11) <= best < first * Fraction(11, 10)
    assert Fraction(small.amount_out, 10**11) > best * Fraction(999_999, 10**6)
    assert large.amount_out <= 10**12 * best


def test_pool_that_nobody_listed_makes_no_rate() -> None:
    pools = [a_routable("p", a_cpmm(10**12, 15 * 10**10))._replace(is_listed=False)]
    assert MarginalRates(pools, NOW_S).best("A", "B") is None


def test_two_hops_count_if_they_pay_more() -> None:
    free = CpmmFees(1, 0, 0)
    pools = [
        a_routable("p", a_cpmm(10**12, 10**12, fee_rate=10_000)),
        a_routable("q", CpmmPool(10**12, 2 * 10**12, free), ("A", "C")),
        a_routable("r", CpmmPool(10**12, 10**12, free), ("B", "C")),
    ]
    found = MarginalRates(pools, NOW_S).best("A", "B")
    assert found == Rate.of(2 * 999_999**2, 10**12)


@pytest.mark.parametrize(
    "state", [CpmmPool(0, 10, CpmmFees(1, 0, 0)), CpmmPool(10, 10, CpmmFees(1, 0, 0), NOW_S + 1)]
)
def test_pool_that_pays_nothing_has_no_rate(state: CpmmPool) -> None:
    assert MarginalRates([a_routable("p", state)], NOW_S).best("A", "B") is None


def test_small_pools_rate_counts_whatever_it_holds() -> None:
    deep, thin = a_routable("d", a_cpmm(10**12, 10**12)), a_routable("t", a_cpmm(10, 20))
    assert MarginalRates([deep, thin], NOW_S).best("A", "B") == MarginalRates([thin], NOW_S).best("A", "B")


def test_change_touches_the_pairs_that_trade_through_it_both_ways() -> None:
    pools = [
        a_routable("1", a_cpmm(1, 1), ("A", "B")),
        a_routable("2", a_cpmm(1, 1), ("B", "C")),
        a_routable("3", a_cpmm(1, 1), ("C", "D")),
    ]
    assert touched_pairs(pools, [("A", "B")]) == {("A", "B"), ("B", "A"), ("A", "C"), ("C", "A")}
    assert touched_pairs(pools, [("B", "C")]) == {
        ("B", "C"), ("C", "B"), ("A", "C"), ("C", "A"), ("B", "D"), ("D", "B")
    }  # fmt: skip
    assert touched_pairs(pools, []) == set()
