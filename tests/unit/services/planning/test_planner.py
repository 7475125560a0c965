"""Plans, and the transactions that carry them out: nothing beyond what the order accepts."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.chosen_route import RefusedPool, VenueRefusal
from chalicelib.domain.errors import Code, RefusedError, VenueUnavailableError
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.rates import Rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import SwapWish
from chalicelib.routing.few_legs import Room
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.planning.planner import PlannedSwap, Planner, instruction
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.services.ports import ChainTime
from tests.fakes.inline import InOneThread
from tests.fakes.market import FakeVenue, a_pool
from tests.fakes.orders import an_order, changed
from tests.fakes.ports import FrozenClock

SOL, USDC = 10**9, 10**6


def planner(*venues: FakeVenue) -> Planner:
    collector = QuoteCollector(venues, InOneThread(), FrozenClock(), time_limit_ms=0, valid_ms=2_000)
    return Planner(collector.ask(), load_tokens())


def on_pools(*pools: RoutablePool) -> Planner:
    return planner(FakeVenue("raydium", pools))


def refusal(used: Planner, wish: SwapWish) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        used.plan(wish)
    return refused.value


def exact_out(order: Order, amount_units: int) -> Order:
    return changed(order, swap_mode=SwapMode.EXACT_OUT, amount_units=amount_units)


def wish_of(order: Order) -> SwapWish:
    return order.terms.swap


def sums(paths: Sequence[Sequence[int]]) -> int:
    return sum(map(sum, paths))


def test_exact_input_is_planned_whole_and_the_least_output_is_the_quote_less_slippage() -> None:
    order = an_order(amount_units=100 * SOL)
    plan = on_pools(a_pool("a"), a_pool("b")).plan(wish_of(order)).plan
    swap = instruction(OrderState(order), plan)
    assert (
        sums([[leg.planned_units for leg in path.hops[0]] for path in swap.paths]) == order.terms.amount_units
    )
    assert swap.threshold_units == -(-plan.amount_out * 9_950 // 10_000)
    assert plan.amount_out < 100 * 200 * USDC


def test_pools_open_and_charge_by_the_time_of_their_chain() -> None:
    opens_later = a_pool("later")
    opens_later = opens_later._replace(state=replace(opens_later.state, open_time_s=2_000))  # type: ignore[arg-type]
    for unix_s, is_open in ((1_999, False), (2_001, True)):
        venue = FakeVenue("raydium", [opens_later])
        venue.offered = replace(venue.offered, chain_time=ChainTime(unix_s, 7))
        used = planner(venue)
        if is_open:
            used.plan(wish_of(an_order()))
        else:
            assert refusal(used, wish_of(an_order())).code is Code.INSUFFICIENT_LIQUIDITY


def test_plan_has_no_more_legs_than_a_transaction_carries_and_shows_what_was_refused() -> None:
    venue = FakeVenue("raydium", [a_pool(f"{number}") for number in range(6)])
    refused = RefusedPool("old", ("USDC", "SOL"), "swap_disabled")
    other = RefusedPool("other", ("USDC", "JUP"), "swap_disabled")
    venue.offered = replace(venue.offered, refused=[refused, other], room=Room(3, lambda _: 1))
    order = an_order(amount_units=400_000 * SOL)
    planned = planner(venue).plan(wish_of(order))
    assert len(planned.plan.legs) == len(planned.route.legs) == 3
    assert planned.route.quotes[1:] == (VenueRefusal("raydium", "swap_disabled", "old"),)
    assert planned.plan.gap_bps > 0


def dear_beside_cheap() -> FakeVenue:
    """A pool of the pair that is dearer by a fifth than the way over USDT."""
    return FakeVenue(
        "raydium",
        [
            a_pool("direct", reserves=(10**15, 16 * 10**13)),
            a_pool("first", tokens=("SOL", "USDT")),
            a_pool("second", tokens=("USDT", "USDC"), reserves=(10**15, 10**15)),
        ],
    )


def for_a_delegate(venue: FakeVenue, *, orders_rest: bool = False) -> Planner:
    room = Room(44, lambda _: 8, lambda _: not orders_rest)
    venue.offered = replace(venue.offered, room=room)
    return planner(venue)


def pools_of(planned: PlannedSwap) -> list[str]:
    return [leg.pool_id for leg in planned.plan.legs]


def test_exact_output_takes_one_hop_where_nothing_may_be_left_between_two() -> None:
    out, given = wish_of(exact_out(an_order(), 1_000 * USDC)), wish_of(an_order())
    assert pools_of(planner(dear_beside_cheap()).plan(out)) == ["first", "second"]
    used = for_a_delegate(dear_beside_cheap())
    assert used.offered(out) == Rate.of((plan := used.plan(out).plan).amount_out, plan.amount_in)
    assert [leg.pool_id for leg in plan.legs] == ["direct"]
    assert pools_of(used.plan(given)) == ["first", "second"]
    assert pools_of(for_a_delegate(dear_beside_cheap(), orders_rest=True).plan(given)) == ["direct"]


def test_next_order_of_a_batch_is_planned_on_what_an_order_of_one_hop_leaves() -> None:
    used, out = for_a_delegate(dear_beside_cheap()), wish_of(exact_out(an_order(), 1_000_000 * USDC))
    first, second = used.plan(out).plan, used.plan(out).plan
    assert second.amount_in > first.amount_in


def test_only_two_hops_that_may_leave_nothing_are_no_route_and_the_reason_says_so() -> None:
    venue = FakeVenue("raydium", dear_beside_cheap().offered.pools[1:])
    used, out = for_a_delegate(venue), wish_of(exact_out(an_order(), 1_000 * USDC))
    error = refusal(used, out)
    how = " without leaving something between two hops, which may not be left with who signs"
    assert (error.code, error.message) == (Code.NO_ROUTE, f"no venue trades SOL to USDC{how}")
    much = refusal(for_a_delegate(dear_beside_cheap()), replace(out, amount_units=17 * 10**13))
    assert (much.code, much.message) == (
        Code.INSUFFICIENT_LIQUIDITY,
        f"the pools cannot fill SOL to USDC{how}",
    )
    plain = refusal(used, replace(out, output_token="BONK"))
    assert plain.message == "no venue trades SOL to BONK"


def test_exact_output_is_planned_whole_and_the_most_input_is_the_quote_plus_slippage() -> None:
    order = exact_out(an_order(), 1_000 * USDC)
    plan = on_pools(a_pool("a"), a_pool("b")).plan(wish_of(order)).plan
    swap = instruction(OrderState(order), plan)
    assert sums([[leg.planned_units for leg in path.hops[-1]] for path in swap.paths]) == 1_000 * USDC
    assert swap.threshold_units == plan.amount_in * 10_050 // 10_000
    assert plan.amount_in > 5 * SOL


def test_instruction_is_for_the_account_and_the_attempt_that_signs_it() -> None:
    order = an_order(account_id="bob")
    plan = on_pools(a_pool()).plan(wish_of(order)).plan
    swap = instruction(replace(OrderState(order), attempt=3), plan)
    assert (swap.account_id, swap.order_id, swap.attempt) == ("bob", order.order_id, 3)


def test_two_hops_name_the_token_between_them_and_each_hops_pools() -> None:
    used = on_pools(
        a_pool("first", tokens=("SOL", "USDT")),
        a_pool("second", tokens=("USDT", "USDC"), reserves=(10**15, 10**15)),
    )
    order = an_order()
    (path,) = instruction(OrderState(order), used.plan(wish_of(order)).plan).paths
    assert path.tokens == ("SOL", "USDT", "USDC")
    assert [[leg.pool_id for leg in hop] for hop in path.hops] == [["first"], ["second"]]


@given(amount=st.integers(10**6, 10**14), slippage_bps=st.integers(0, 10_000))
def test_no_order_accepts_worse_than_its_slippage_allows(amount: int, slippage_bps: int) -> None:
    order = changed(an_order(amount_units=amount), slippage_bps=slippage_bps)
    plan = on_pools(a_pool("a"), a_pool("b", reserves=(10**14, 2 * 10**13))).plan(wish_of(order)).plan
    least = instruction(OrderState(order), plan).threshold_units
    assert least * 10_000 >= plan.amount_out * (10_000 - slippage_bps)
    assert least <= plan.amount_out


def test_plan_is_made_on_what_the_one_before_leaves() -> None:
    used, wish = on_pools(a_pool()), wish_of(an_order(amount_units=1_000 * SOL))
    first, second = used.plan(wish).plan, used.plan(wish).plan
    assert second.amount_out < first.amount_out


def test_plan_that_fails_leaves_the_pools_as_they_were() -> None:
    used, fresh = on_pools(a_pool()), on_pools(a_pool())
    refusal(used, wish_of(exact_out(an_order(), 10**18)))
    wish = wish_of(an_order())
    assert used.plan(wish).plan.amount_out == fresh.plan(wish).plan.amount_out


def test_pair_that_no_pool_trades_has_no_route() -> None:
    wish = replace(wish_of(an_order()), output_token="BONK")
    error = refusal(on_pools(a_pool()), wish)
    assert (error.code, error.message) == (Code.NO_ROUTE, "no venue trades SOL to BONK")


def test_amount_beyond_all_pools_has_no_liquidity() -> None:
    error = refusal(on_pools(a_pool()), wish_of(exact_out(an_order(), 10**18)))
    assert error.code is Code.INSUFFICIENT_LIQUIDITY


@pytest.mark.parametrize(("given", "wanted"), [("GONE", "USDC"), ("SOL", "GONE")])
def test_token_that_is_not_listed_has_no_route_whatever_the_pools_say(given: str, wanted: str) -> None:
    used = on_pools(a_pool(), a_pool("odd", tokens=("GONE", "USDC")), a_pool("odder", tokens=("SOL", "GONE")))
    wish = replace(wish_of(an_order()), input_token=given, output_token=wanted)
    assert refusal(used, wish).message == "GONE is not traded any more"


def test_pool_of_a_token_that_is_not_listed_is_no_way_for_others() -> None:
    used = on_pools(
        a_pool("in", tokens=("SOL", "GONE")),
        a_pool("out", tokens=("GONE", "USDC"), reserves=(10**15, 10**15)),
    )
    assert refusal(used, wish_of(an_order())).code is Code.NO_ROUTE


def test_pool_that_nobody_listed_takes_only_orders_that_name_it() -> None:
    used = on_pools(a_pool("listed"), a_pool("new", reserves=(10**15, 10**15))._replace(is_listed=False))
    wish = wish_of(an_order())
    assert [leg.pool_id for leg in used.plan(wish).plan.legs] == ["listed"]
    assert [leg.pool_id for leg in used.plan(wish, only=frozenset({"new"})).plan.legs] == ["new"]


def test_silence_of_all_venues_is_no_refusal_and_says_why() -> None:
    venues = [FakeVenue("raydium"), FakeVenue("meteora")]
    for venue in venues:
        venue.fault = VenueUnavailableError("closed")
    with pytest.raises(VenueUnavailableError) as unavailable:
        planner(*venues).plan(wish_of(an_order()))
    assert unavailable.value.message == "no venue answered (raydium: closed; meteora: closed)"


def test_refusal_names_the_venues_that_were_left_out() -> None:
    down = FakeVenue("meteora")
    down.fault = VenueUnavailableError("closed")
    error = refusal(planner(FakeVenue("raydium", []), down), wish_of(an_order()))
    assert error.message == "no venue trades SOL to USDC (meteora: closed)"
