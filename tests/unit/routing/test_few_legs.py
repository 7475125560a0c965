"""Plans with no more legs than a transaction has room for."""

from contextlib import suppress
from decimal import Decimal
from itertools import combinations
from random import Random

import pytest

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing import few_legs
from chalicelib.routing.assembly import filling_of
from chalicelib.routing.errors import InsufficientLiquidityError, RoutingError
from chalicelib.routing.few_legs import FEW, WIDTH, Room, common_room, leaving_nothing, with_room
from chalicelib.routing.market import Market
from chalicelib.routing.plan import Plan
from chalicelib.routing.router import best_plan
from chalicelib.routing.swap_order import SwapOrder
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable, random_pool

KINDS = ("cpmm", "dlmm", "damm", "clmm")


def a_market(seed: int) -> Market:
    random = Random(seed)
    pools = [
        a_routable(f"{pair[0]}{number}", random_pool(random, KINDS[number % 4], 1.0, 10**12), pair)
        for pair in (("A", "B"), ("A", "M"), ("M", "B"))
        for number in range(6)
    ]
    return Market(pools, NOW_S)


def legs(most: int) -> Room:
    return Room(most, lambda _: 1)


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("seed", range(4))
def test_plan_that_is_too_long_is_replaced_by_one_that_fits_and_is_worse_by_what_it_says(
    mode: SwapMode, seed: int
) -> None:
    market = a_market(seed)
    order = SwapOrder(mode, "A", "B", 10**12, leg_cost=100)
    best = best_plan(market, order)
    assert len(best.legs) > 4
    for most in range(1, len(best.legs)):
        try:
            plan = with_room(market, order, best, legs(most))
        except InsufficientLiquidityError:
            continue
        assert len(plan.legs) <= most
        assert (plan.bound, plan.leg_cost) == (best.bound, best.leg_cost)
        assert plan.gap_bps >= best.gap_bps
        is_exact_in = mode is SwapMode.EXACT_IN
        costs = 100 * len(plan.legs)
        short = plan.bound - plan.amount_out + costs if is_exact_in else plan.amount_in + costs - plan.bound
        assert 0 <= plan.gap_bps - Decimal(10_000 * short) / plan.bound < Decimal("0.000001")
        assert plan.best_single_by_venue == best.best_single_by_venue
        named = plan.amount_in if mode is SwapMode.EXACT_IN else plan.amount_out
        assert named == 10**12


def test_plan_that_fits_is_left_as_it_is() -> None:
    market = a_market(0)
    order = SwapOrder(SwapMode.EXACT_IN, "A", "B", 10**12, leg_cost=100)
    best = best_plan(market, order)
    assert with_room(market, order, best, legs(len(best.legs))) is best


def test_what_fits_and_cannot_fill_the_order_is_no_plan() -> None:
    market = Market([a_routable(f"a{number}", a_cpmm(10**9, 10**9)) for number in range(3)], NOW_S)
    order = SwapOrder(SwapMode.EXACT_OUT, "A", "B", 15 * 10**8, leg_cost=1)
    best = best_plan(market, order)
    assert with_room(market, order, best, legs(2)).amount_out == 15 * 10**8
    with pytest.raises(InsufficientLiquidityError):
        with_room(market, order, best, legs(1))


@pytest.mark.parametrize("mode", SwapMode)
def test_one_pool_that_fits_is_taken_where_it_does_more_than_what_is_left_of_the_best_plan(
    mode: SwapMode,
) -> None:
    # The best plan needs all of the cheap pools, and the dear one takes the order alone.
    cheap = [a_routable(f"a{number}", a_cpmm(10**9, 10**9)) for number in range(3)]
    market = Market([*cheap, a_routable("dear", a_cpmm(10**12, 58 * 10**10))], NOW_S)
    order = SwapOrder(mode, "A", "B", 8 * 10**8 if mode is SwapMode.EXACT_IN else 6 * 10**8, leg_cost=1)
    best = best_plan(market, order)
    assert {leg.pool_id for leg in best.legs} == {"a0", "a1", "a2"}
    assert best.best_single is not None
    plan = with_room(market, order, best, legs(1))
    assert [leg.pool_id for leg in plan.legs] == ["dear"]
    assert (plan.amount_in, plan.amount_out) == (best.best_single.amount_in, best.best_single.amount_out)
    assert plan.bound == best.bound


@pytest.mark.parametrize("large", ["a", "b", "c"])
def test_leg_that_brings_least_for_its_room_goes_first(large: str) -> None:
    pools = [a_routable(name, a_cpmm(10**12, 10**12)) for name in ("a", "b", "c")]
    market = Market(pools, NOW_S)
    order = SwapOrder(SwapMode.EXACT_IN, "A", "B", 10**11, leg_cost=1)
    room = Room(12, lambda pool_id: 10 if pool_id == large else 5)
    plan = with_room(market, order, best_plan(market, order), room)
    assert {leg.pool_id for leg in plan.legs} == {"a", "b", "c"} - {large}


def test_common_room_is_the_least_and_every_venue_counts_its_own_pools() -> None:
    first, second = Room(10, {"a": 3}.__getitem__), Room(8, lambda pool_id: {"b": 4}.get(pool_id, 0))
    assert common_room([]) is None
    assert common_room([first]) is first
    both = common_room([Room(10, lambda pool_id: {"a": 3}.get(pool_id, 0)), second])
    assert both is not None
    assert (both.most, both.taken("a"), both.taken("b"), both.taken("c")) == (8, 3, 4, 0)


def ways(mode: SwapMode, closed: str = "") -> set[str]:
    """What plans may go through if nothing of what one pool pays could be given on to the unit."""
    market = Market(
        [
            a_routable(name, a_cpmm(10**12 + place, 10**12), (name[0].upper(), name[1].upper()))
            for place, name in enumerate(("ab", "am", "mb", "ma", "xb", "ay"))
        ],
        NOW_S,
    )
    refused = market.pools[closed].state if closed else None
    room = Room(12, lambda _: 1, lambda pool: pool != refused)
    return set(leaving_nothing(market, SwapOrder(mode, "A", "B", 10**9, leg_cost=1), room).pools)


def test_exact_out_that_may_leave_nothing_between_two_hops_takes_one() -> None:
    assert ways(SwapMode.EXACT_OUT) == {"ab"}


def test_exact_in_that_may_leave_nothing_between_two_hops_begins_where_all_is_passed_on() -> None:
    every = {"ab", "am", "mb", "ma", "xb", "ay"}
    assert ways(SwapMode.EXACT_IN) == every
    assert ways(SwapMode.EXACT_IN, "am") == every - {"am"}
    assert ways(SwapMode.EXACT_IN, "ma") == every - {"ma"}
    assert ways(SwapMode.EXACT_IN, "mb") == every
    assert ways(SwapMode.EXACT_IN, "ab") == every


def test_market_is_the_same_where_something_may_be_left_between() -> None:
    market = a_market(0)
    assert leaving_nothing(market, SwapOrder(SwapMode.EXACT_OUT, "A", "B", 10**9, 1), legs(3)) is market


def test_common_room_leaves_nothing_between_if_one_venue_demands_it() -> None:
    pool = a_cpmm(10**9, 10**9)
    strict = Room(8, lambda _: 1, lambda each: each != pool)
    for rooms in ([legs(3), strict], [strict, legs(3)]):
        both = common_room(rooms)
        assert both is not None
        assert both.passes_all_on is not None
        assert not both.passes_all_on(pool)
        assert both.passes_all_on(a_cpmm(10**9, 10**8))
    both = common_room([legs(3), legs(4)])
    assert both is not None
    assert both.passes_all_on is None


def test_plan_of_many_legs_is_made_again_few_times() -> None:
    asked: list[int] = []

    class Asked(Room):
        def holds(self, plan: Plan) -> bool:
            asked.append(len(plan.legs))
            return super().holds(plan)

    pools = [a_routable(f"{number:02}", a_cpmm(10**12 + number, 10**12)) for number in range(80)]
    market, order = Market(pools, NOW_S), SwapOrder(SwapMode.EXACT_IN, "A", "B", 10**12, leg_cost=0)
    best = best_plan(market, order)
    assert len(best.legs) == 80
    assert len(with_room(market, order, best, Asked(3, lambda _: 1)).legs) == 3
    assert len([count for count in asked if count > FEW]) < 30
    assert len(asked) < 30 + FEW * FEW * WIDTH


@pytest.mark.parametrize("most", [7, 8, 9, 11])
def test_no_more_legs_leave_than_it_takes(most: int) -> None:
    pools = [a_routable(f"{number:02}", a_cpmm(10**12 + number, 10**12)) for number in range(12)]
    market, order = Market(pools, NOW_S), SwapOrder(SwapMode.EXACT_IN, "A", "B", 10**12, leg_cost=0)
    assert len(with_room(market, order, best_plan(market, order), legs(most)).legs) == most


@pytest.mark.parametrize(("seed", "most"), [(1, 4), (1, 5), (15, 3)])
def test_order_is_filled_where_the_legs_that_bring_least_are_needed(seed: int, most: int) -> None:
    market, order = a_market(seed), SwapOrder(SwapMode.EXACT_OUT, "A", "B", 3 * 10**12, leg_cost=100)
    plan = with_room(market, order, best_plan(market, order), legs(most))
    assert len(plan.legs) <= most
    assert plan.amount_out == order.amount


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("seed", [1, 21, 23])
def test_plan_of_few_legs_is_the_best_of_all_choices_of_pools(mode: SwapMode, seed: int) -> None:
    market, order = a_market(seed), SwapOrder(mode, "A", "B", 10**11, leg_cost=100)
    best = best_plan(market, order)
    plan = with_room(market, order, best, legs(3))
    choices = combinations(sorted({leg.pool_id for leg in best.legs}), 3)
    objectives = []
    for chosen in choices:
        with suppress(RoutingError):
            found = best_plan(Market([market.pools[each] for each in chosen], NOW_S), order)
            objectives.append(filling_of(order, found).objective)
    assert filling_of(order, plan).objective >= max(objectives)


@pytest.mark.parametrize(("mode", "most"), [(SwapMode.EXACT_IN, 100), (SwapMode.EXACT_OUT, 10)])
def test_each_of_few_is_not_tried_where_a_search_among_limit_orders_takes_many(
    mode: SwapMode, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = a_market(0)
    order = SwapOrder(mode, "A", "B", 10**12, leg_cost=100)
    best, searched = best_plan(market, order), 0

    def counted(market: Market, order: SwapOrder, *, is_estimate: bool = False) -> Plan:
        nonlocal searched
        searched += not is_estimate
        return best_plan(market, order, is_estimate=is_estimate)

    monkeypatch.setattr(few_legs, "best_plan", counted)
    monkeypatch.setattr(few_legs, "has_orders", lambda _: True)
    assert len(with_room(market, order, best, legs(4)).legs) <= 4
    assert searched <= most
    assert (searched > 20) == (mode is SwapMode.EXACT_IN)
