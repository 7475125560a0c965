"""Marginal rates: no plan of any size, over any route, ever pays more."""

from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.amm import pools as amm_pools
from chalicelib.amm.activation import ActivationType
from chalicelib.amm.damm_v2_fee import BaseFee, DammCollectFeeMode, DammV2Fees
from chalicelib.amm.meteora_dlmm import Bin
from chalicelib.amm.pools import TransferFeePool, swap
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.amm.swaps import U64_MAX, Exact, Refusal, Swap, SwapRefusedError, TokenIndex
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
    random_pool,
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


def test_rate_is_less_what_a_mint_withholds_of_the_amount_that_it_withholds_least_of() -> None:
    inner = a_cpmm(10**12, 15 * 10**10)
    bare = best_rate(inner, 0, NOW_S)
    in_part = TransferFeePool(inner, (TransferFee(500), TransferFee(300)))
    assert best_rate(in_part, 0, NOW_S) == bare * Fraction(95 * 97, 100 * 100)
    at_most = TransferFeePool(inner, (TransferFee(10_000, 7), TransferFee(10_000, 15)))
    kept = (1 - Fraction(7, U64_MAX)) * (1 - Fraction(15, 15 * 10**10))
    assert best_rate(at_most, 0, NOW_S) == bare * kept


@pytest.mark.parametrize("token_in", [0, 1])
def test_pool_whose_fee_falls_on_the_way_has_the_rate_of_its_best_bin(token_in: TokenIndex) -> None:
    pool = a_pool_that_is_calmest_ahead(token_in)
    first = Fraction(*amm_pools.marginal_out_per_in(pool, token_in, NOW_S))
    best = best_rate(pool, token_in, NOW_S)
    small, large = (swap(pool, Swap(Exact.IN, units, token_in, NOW_S))[0] for units in (10**11, 10**12))
    assert first < Fraction(small.amount_out, 10**11) <= best < first * Fraction(11, 10)
    assert Fraction(small.amount_out, 10**11) > best * Fraction(999_999, 10**6)
    assert large.amount_out <= 10**12 * best


@pytest.mark.parametrize("token_in", [0, 1])
def test_pool_has_the_rate_of_the_best_bin_that_holds_anything_wherever_its_fee_is_lowest(
    token_in: TokenIndex,
) -> None:
    made, way = a_pool_that_is_calmest_ahead(token_in), -1 if token_in == 0 else 1
    for seed in range(100):
        random = Random(seed)
        held = [random.choice([0, 10**9]) for _ in range(5)]
        ids = sorted(way * place for place in random.sample(range(60), 5))
        bins = [
            Bin(bin_id, *((0, units) if token_in == 0 else (units, 0)))
            for bin_id, units in zip(ids, held, strict=True)
        ]
        parameters = replace(
            made.parameters, variable_fee_control=random.choice([20_000, 200_000, 2_000_000])
        )
        calmest = replace(made.volatility, index_reference=way * random.randrange(60))
        pool = replace(made, parameters=parameters, volatility=calmest, bins=tuple(bins))
        filled = [each for each in bins if each.amount_x or each.amount_y]
        alone = [best_rate(replace(pool, bins=(each,)), token_in, NOW_S) for each in filled]
        assert best_rate(pool, token_in, NOW_S) == max(alone, default=0), seed


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
    "state",
    [
        CpmmPool(0, 10, CpmmFees(1, 0, 0)),
        CpmmPool(10, 10, CpmmFees(1, 0, 0), NOW_S + 1),
        CpmmPool(10, 10, CpmmFees(600_000, 0, 0, 500_000)),  # fees of more than everything
    ],
)
def test_pool_that_pays_nothing_has_no_rate(state: CpmmPool) -> None:
    assert MarginalRates([a_routable("p", state)], NOW_S).best("A", "B") is None


SLOT = 5_000
SCHEDULE = BaseFee(400_000_000, 100, 10, 3_000_000)


@pytest.mark.parametrize("is_wrapped", [False, True])
@pytest.mark.parametrize(
    ("kind", "opens_at"),
    [
        *[
            (kind, {"open_time_s": at})
            for kind in ("cpmm", "clmm")
            for at in (0, NOW_S - 1, NOW_S, NOW_S + 1)
        ],
        *[
            (kind, {"activation_point": now + later, "activation_type": counted})
            for kind in ("dlmm", "damm")
            for counted, now in ((ActivationType.TIMESTAMP, NOW_S), (ActivationType.SLOT, SLOT))
            for later in (-1, 0, 1)
        ],
    ],
)
def test_pool_has_a_rate_from_the_moment_on_in_which_its_program_swaps(
    kind: str, opens_at: dict[str, Any], *, is_wrapped: bool
) -> None:
    made: Any = random_pool(Random(1), kind, 1.0, 10**12)
    if kind == "damm":
        made = replace(made, fees=DammV2Fees(SCHEDULE, DammCollectFeeMode.BOTH))
    made = replace(made, **opens_at)
    pool = TransferFeePool(made, (TransferFee(0), TransferFee(0))) if is_wrapped else made
    best = best_rate(pool, 0, NOW_S, SLOT)
    found, refusal = Fraction(0), Refusal.NOT_OPEN
    try:
        paid, _ = swap(pool, Swap(Exact.IN, 10**6, 0, NOW_S, SLOT))
    except SwapRefusedError as error:
        refusal = error.refusal
    else:
        found = Fraction(paid.amount_out, 10**6)
    assert refusal is Refusal.NOT_OPEN
    # At what the fee is in that moment, too.
    assert best * Fraction(9_999, 10_000) <= found <= best


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
