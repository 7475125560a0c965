"""Best execution over pools and firm quotes."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.best_offer import best_offer
from chalicelib.routing.errors import InsufficientLiquidityError, NoRouteError
from chalicelib.routing.firm_quotes import FirmQuote, FirmQuotes, FixedAmounts
from chalicelib.routing.market import Market
from chalicelib.routing.plan import Plan, RoutablePool
from chalicelib.routing.router import best_plan
from chalicelib.routing.swap_order import SwapOrder
from tests.fakes.orders import NOON
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable, random_pool

AMOUNT = 10**7
COST = 1_000


def an_order(mode: SwapMode, leg_cost: int = COST) -> SwapOrder:
    return SwapOrder(mode, "A", "B", AMOUNT, leg_cost)


def some_pools(seed: int) -> list[RoutablePool]:
    random = Random(seed)
    kinds = ("cpmm", "clmm", "damm", "dlmm")
    return [
        a_routable(f"{kind}-{number}", random_pool(random, kind, 2.0, 10**10))
        for number in range(2)
        for kind in kinds
    ]


def quote_of(mode: SwapMode, other: int, quote_id: str = "q", venue: str = "maker") -> FirmQuote:
    """Return a quote for ``AMOUNT`` whose other amount this is."""
    terms = FixedAmounts(AMOUNT, other) if mode is SwapMode.EXACT_IN else FixedAmounts(other, AMOUNT)
    return FirmQuote(quote_id, venue, "A", "B", NOON, terms)


def offer(pools: Iterable[RoutablePool], order: SwapOrder, *quotes: FirmQuote) -> Plan:
    return best_offer(Market(pools, NOW_S), FirmQuotes(quotes), order)


def objective(plan: Plan) -> int:
    cost = plan.leg_cost * len(plan.legs)
    return plan.amount_out - cost if plan.mode is SwapMode.EXACT_IN else plan.amount_in + cost


both_modes = pytest.mark.parametrize("mode", list(SwapMode))


@both_modes
def test_without_quotes_the_plan_is_that_over_pools(mode: SwapMode) -> None:
    pools = some_pools(1)
    assert offer(pools, an_order(mode)) == best_plan(Market(pools, NOW_S), an_order(mode))


@both_modes
@pytest.mark.parametrize("seed", range(5))
def test_quote_wins_if_it_is_better_by_a_unit_and_loses_if_it_is_equal(mode: SwapMode, seed: int) -> None:
    pools, order = some_pools(seed), an_order(mode)
    over_pools = best_plan(Market(pools, NOW_S), order)
    # The one leg of a quote costs as much as one on a pool.
    equal = objective(over_pools) + (COST if mode is SwapMode.EXACT_IN else -COST)
    better = equal + (1 if mode is SwapMode.EXACT_IN else -1)

    assert offer(pools, order, quote_of(mode, equal)).firm_quote is None
    taken = offer(pools, order, quote_of(mode, better))
    assert taken.firm_quote is not None
    (leg,) = taken.legs
    assert (leg.pool_id, leg.venue, leg.share_bps) == ("q", "maker", 10_000)
    assert (taken.amount_in, taken.amount_out) == quote_of(mode, better).terms
    assert taken.pools_after == {}


@both_modes
@pytest.mark.parametrize("better_by", [-(10**5), -1, 0, 1, 10**5])
def test_no_plan_is_beyond_its_bound_and_its_gap_says_how_far_it_is(mode: SwapMode, better_by: int) -> None:
    pools, order = some_pools(3), an_order(mode)
    over_pools = best_plan(Market(pools, NOW_S), order)
    other = over_pools.bound + (COST if mode is SwapMode.EXACT_IN else -COST)
    other += better_by if mode is SwapMode.EXACT_IN else -better_by
    plan = offer(pools, order, quote_of(mode, other))
    gap = plan.bound - objective(plan) if mode is SwapMode.EXACT_IN else objective(plan) - plan.bound
    assert gap >= 0
    assert 0 <= Fraction(plan.gap_bps) - Fraction(gap * 10_000, plan.bound) < Fraction(1, 10**6)
    if better_by >= 0:
        assert gap == plan.gap_bps == 0


@both_modes
def test_best_of_several_quotes_is_taken_and_every_venue_shows_its_own(mode: SwapMode) -> None:
    generous = [21, 30, 25] if mode is SwapMode.EXACT_IN else [3, 1, 2]
    quotes = [quote_of(mode, AMOUNT * factor // 10, str(factor), f"m{factor}") for factor in generous]
    plan = offer(some_pools(2), an_order(mode), *quotes)
    best = "30" if mode is SwapMode.EXACT_IN else "1"
    assert plan.firm_quote is not None
    assert plan.firm_quote.quote_id == best
    assert plan.best_single is not None
    assert plan.best_single.pool_id == best
    assert plan.improvement_bps == 0
    shown = {venue: single.pool_id for venue, single in plan.best_single_by_venue.items()}
    assert {f"m{factor}": str(factor) for factor in generous}.items() <= shown.items()


@both_modes
def test_quote_is_compared_with_a_split_by_the_costs_of_all_its_legs(mode: SwapMode) -> None:
    pools = [a_routable("x", a_cpmm(10**9, 10**9)), a_routable("y", a_cpmm(10**9, 10**9))]
    order = an_order(mode, leg_cost=10)
    over_pools = best_plan(Market(pools, NOW_S), order)
    assert len(over_pools.legs) == 2
    sign = 1 if mode is SwapMode.EXACT_IN else -1
    equal = objective(over_pools) + sign * 10
    assert offer(pools, order, quote_of(mode, equal)).firm_quote is None
    better = quote_of(mode, equal + sign, "better", "maker b")
    taken = offer(pools, order, quote_of(mode, equal, "equal", "maker a"), better)
    assert taken.firm_quote == better


def test_split_is_compared_with_the_quote_that_it_beats() -> None:
    pools = [a_routable("x", a_cpmm(10**9, 10**9)), a_routable("y", a_cpmm(10**9, 10**9))]
    order = an_order(SwapMode.EXACT_IN, leg_cost=0)
    alone = best_plan(Market(pools, NOW_S), order)
    assert alone.best_single is not None
    between = (alone.best_single.amount_out + alone.amount_out) // 2
    plan = offer(pools, order, quote_of(SwapMode.EXACT_IN, between))
    assert plan.firm_quote is None
    assert len(plan.legs) == 2
    assert plan.best_single is not None
    assert plan.best_single.pool_id == "q"
    assert plan.improvement_bps is not None
    assert alone.improvement_bps is not None
    assert 0 < plan.improvement_bps < alone.improvement_bps


@both_modes
def test_quote_fills_what_no_pool_can(mode: SwapMode) -> None:
    plan = offer([], an_order(mode), quote_of(mode, AMOUNT))
    assert plan.firm_quote is not None
    assert plan.gap_bps == 0
    shallow = [a_routable("x", a_cpmm(1_000, 1_000))]
    assert (
        offer(shallow, an_order(SwapMode.EXACT_OUT), quote_of(SwapMode.EXACT_OUT, 5)).firm_quote is not None
    )


def test_quotes_that_do_not_fit_leave_the_error_of_the_pools() -> None:
    useless = replace(quote_of(SwapMode.EXACT_IN, 5), token_out="C")
    with pytest.raises(NoRouteError):
        offer([], an_order(SwapMode.EXACT_IN), useless)
    with pytest.raises(InsufficientLiquidityError):
        offer([a_routable("x", a_cpmm(1_000, 1_000))], an_order(SwapMode.EXACT_OUT), useless)
