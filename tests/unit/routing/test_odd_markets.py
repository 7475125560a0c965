"""Markets that make no sense: every order gets a plan that holds, or a refusal, and never an exception.

Each seed is a market of its own with a few orders one after the other, as in a batch.
"""

from random import Random

import pytest

from chalicelib.amm.damm_v2_curve import CompoundingCurve, ConcentratedCurve
from chalicelib.amm.damm_v2_fee import BaseFee, DammCollectFeeMode, DammV2Fees
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.pools import marginal_out_per_in, reserves, spot_price, swap
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.amm.swaps import U64_MAX, Refusal, Swap, SwapRefusedError, TokenIndex
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.tokens import Token, TokenPair, Tokens
from chalicelib.routing.books import in_parallel, in_series
from chalicelib.routing.errors import InsufficientLiquidityError, RoutingError
from chalicelib.routing.exactness import EXACT
from chalicelib.routing.market import Market
from chalicelib.routing.plan import Plan, RoutablePool
from chalicelib.routing.ranges import Range, after_out, in_for_out, product_range
from chalicelib.routing.router import best_plan
from chalicelib.routing.swap_order import SwapOrder
from chalicelib.services.planning.chosen_route import chosen_route
from chalicelib.services.planning.venues import VenueAnswers
from chalicelib.wire.route_views import RouteViews
from tests.fakes.orders import NOON
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable
from tests.unit.routing.odd_markets import an_odd_market, an_odd_order, an_odd_pool, magnitude

SEEDS = 3_000
PER_TEST = 1_000
FOUND = (2_809, 5_606, 8_157, 12_303, 16_882, 18_058, 31_180, 36_270)
"""Seeds that once ended in an exception."""

ORDERS = 4
TOKENS = Tokens([Token(name, name * 32, 9, U64_MAX, 1) for name in "ABCD"], TokenPair("A", "B"))
ANSWERS = VenueAnswers((), ("venue-0", "venue-1"), {}, NOON, NOON)


def plans(seed: int) -> list[Plan | str]:
    random = Random(seed)
    pools = an_odd_market(random)
    market = Market(pools, NOW_S)
    views = RouteViews(TOKENS)
    ends: list[Plan | str] = []
    for _ in range(ORDERS):
        order = an_odd_order(random, pools)
        before = dict(market.pools)
        try:
            plan = best_plan(market, order)
        except RoutingError as refusal:
            ends.append(type(refusal).__name__)
            continue
        check(plan, order)
        assert views.route(chosen_route(plan, before, ANSWERS, base="A"))["route"]
        market.apply(plan.pools_after)
        ends.append(plan)
    return ends


def check(plan: Plan, order: SwapOrder) -> None:
    fixed = plan.amount_in if order.mode is SwapMode.EXACT_IN else plan.amount_out
    assert fixed == order.amount
    assert 0 < plan.amount_in <= U64_MAX
    assert plan.amount_out > 0
    assert plan.gap_bps >= 0
    assert all(leg.amount_in > 0 and leg.amount_out > 0 for leg in plan.legs)


@pytest.mark.parametrize("first", range(0, SEEDS, PER_TEST))
def test_order_on_any_market_is_planned_or_refused(first: int) -> None:
    ends = [end for seed in range(first, first + PER_TEST) for end in plans(seed)]
    assert sum(isinstance(end, Plan) for end in ends) > len(ends) // 5
    assert {"NoRouteError", "InsufficientLiquidityError"} == {*filter(lambda end: isinstance(end, str), ends)}


@pytest.mark.parametrize("seed", FOUND)
def test_market_that_once_ended_in_an_exception_is_planned_or_refused(seed: int) -> None:
    assert len(plans(seed)) == ORDERS


@pytest.mark.parametrize("first", range(0, SEEDS, PER_TEST))
def test_any_pool_swaps_or_refuses(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        random = Random(seed)
        pool = an_odd_pool(random)
        spot_price(pool)
        for amount in (magnitude(random, 64), max(1, min(U64_MAX, random.choice(reserves(pool)) - 1))):
            for mode in SwapMode:
                side: TokenIndex = random.choice((0, 1))
                marginal_out_per_in(pool, side, NOW_S)
                try:
                    result, _ = swap(pool, Swap(EXACT[mode], amount, side, NOW_S))
                except SwapRefusedError:
                    continue
                assert result.amount_in >= 0
                assert result.amount_out > 0


@pytest.mark.parametrize("mode", list(SwapMode))
@pytest.mark.parametrize("token_in", [0, 1])
@pytest.mark.parametrize(
    "curve",
    [ConcentratedCurve(2**64, 0, 2**60, 2**68), CompoundingCurve(0, 0), CompoundingCurve(10**9, 0)],
    ids=["concentrated", "compounding", "one side"],
)
def test_damm_v2_pool_that_all_have_left_refuses(
    curve: ConcentratedCurve | CompoundingCurve, token_in: TokenIndex, mode: SwapMode
) -> None:
    pool = DammV2Pool(curve, DammV2Fees(BaseFee(2_500_000), DammCollectFeeMode.BOTH))
    with pytest.raises(SwapRefusedError) as refused:
        swap(pool, Swap(EXACT[mode], 10**6, token_in, NOW_S))
    assert refused.value.refusal is Refusal.INSUFFICIENT_LIQUIDITY


def test_dust_that_is_lost_beside_a_large_pool_leaves_no_range_without_liquidity() -> None:
    dust = product_range(root=100.0, end=1e-10, liquidity=6.5e-19)
    large = product_range(root=0.17, end=8.8e-8, liquidity=1.6e12)
    book = in_parallel([[dust], [large]])
    assert all(part.liquidity > 0.0 for part in book)
    assert in_series(book, [product_range(root=5e-5, end=5e-11, liquidity=1e9)])


def test_all_that_a_cliff_pays_ends_at_its_end_and_not_at_nothing() -> None:
    cliff = product_range(root=3.04e9, end=1.6e-10, liquidity=3.04e9)
    nearly_all = cliff.amount_out * (1 - 2**-53)
    reached = after_out([cliff], nearly_all)
    assert reached is not None
    assert reached[0] >= cliff.end > 0.0
    assert in_for_out([cliff], nearly_all) is not None
    beyond = Range(1.0, 1e-30, 1.0, 1e30, 1.0)
    assert in_series([beyond], [Range(1.0, 1e-9, 1e9, 1.0 - 2**-54, 1.0)])


def test_pool_whose_fees_take_all_offers_nothing() -> None:
    fees = CpmmFees(999_999, 0, 0, creator_fee_rate=5_000)
    pools = [a_routable("greedy", CpmmPool(10**12, 10**12, fees)), a_routable("sane", a_cpmm(10**12, 10**12))]
    plan = best_plan(Market(pools, NOW_S), SwapOrder(SwapMode.EXACT_IN, "A", "B", 10**6, 0))
    assert [leg.pool_id for leg in plan.legs] == ["sane"]


def test_market_of_nothing_but_empty_pools_has_no_liquidity() -> None:
    empty = DammV2Pool(
        ConcentratedCurve(2**64, 0, 2**60, 2**68), DammV2Fees(BaseFee(2_500_000), DammCollectFeeMode.BOTH)
    )
    with pytest.raises(InsufficientLiquidityError):
        best_plan(
            Market([RoutablePool("1", "v", ("A", "B"), empty)], NOW_S),
            SwapOrder(SwapMode.EXACT_IN, "A", "B", 10**6, 0),
        )
