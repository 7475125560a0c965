"""Stops by the executable rate, against a slow model: every order is quoted at every price."""

import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from uuid import uuid4

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.errors import RefusedError
from chalicelib.domain.order_sizes import size_look
from chalicelib.domain.rates import Rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import SwapWish
from chalicelib.domain.triggers import Direction
from chalicelib.domain.watches import DirectedPair, SeenPrice, Watch
from chalicelib.routing import few_legs
from chalicelib.routing.few_legs import Room
from chalicelib.routing.market import Market
from chalicelib.routing.plan import Plan, RoutablePool
from chalicelib.routing.router import best_plan
from chalicelib.routing.swap_order import SwapOrder
from chalicelib.services.planning.planner import Planner
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.services.resting.ports import ArmedSize
from chalicelib.services.resting.prices import Prices
from chalicelib.services.resting.size_rates import SizeRates
from tests.fakes.inline import InOneThread
from tests.fakes.market import FakeVenue, a_pool
from tests.fakes.orders import NOON
from tests.fakes.ports import FrozenClock

PAIR = DirectedPair("SOL", "USDC")
TOKENS = load_tokens()
FOR_A_DELEGATE = Room(64, lambda _: 1, lambda _: True)
NEAR = [Fraction(each, 1_000_000) for each in (900_000, 990_000, 999_000, 1_000_000, 1_001_000, 1_100_000)]


def a_market(dice: random.Random) -> list[RoutablePool]:
    """Pools of the pair at nearly one price, and two hops beside them; some shallow."""
    deep = [10 ** dice.randint(9, 14) for _ in range(4)]
    return [
        a_pool("one", reserves=(deep[0], deep[0] // 5)),
        a_pool("two", reserves=(deep[1], deep[1] * dice.randint(195, 205) // 1_000)),
        a_pool("sol-jup", tokens=("SOL", "JUP"), reserves=(deep[2], deep[2] // 8)),
        a_pool("jup-usdc", tokens=("JUP", "USDC"), reserves=(deep[3], deep[3] * dice.randint(15, 17) // 10)),
    ]


def planner(pools: Sequence[RoutablePool], room: Room | None = None) -> Planner:
    venue = FakeVenue("raydium", pools)
    venue.offered = replace(venue.offered, room=room)
    collector = QuoteCollector([venue], InOneThread(), FrozenClock(), time_limit_ms=0, valid_ms=2_000)
    return Planner(collector.ask(), TOKENS)


def a_stop(mode: SwapMode, units: int, rate: Rate) -> Watch:
    return Watch(uuid4(), PAIR, Direction.AT_MOST, size_look(mode, units), rate, NOON)


def seen_by_size(
    pools: Sequence[RoutablePool], stops: Sequence[Watch], room: Room | None = None
) -> dict[int, SeenPrice]:
    armed: dict[int, Decimal] = {}
    for stop in stops:
        armed[stop.look] = max(stop.wake_key, armed.get(stop.look, stop.wake_key))
    prices = Prices(pools, int(NOON.timestamp()), 0, 9, room)
    sizes = [ArmedSize(look, highest) for look, highest in armed.items()]
    return {found.look: found for found in SizeRates(TOKENS).seen(prices, PAIR, sizes)}


def is_woken(stop: Watch, found: dict[int, SeenPrice]) -> bool:
    price = found.get(stop.look)
    return price is not None and stop.wake_key >= price.key and stop.rate.is_at_least(price.rate)


@pytest.mark.parametrize("room", [None, FOR_A_DELEGATE])
@pytest.mark.parametrize("seed", range(12))
def test_stop_is_woken_wherever_its_own_size_gets_its_trigger_or_less(seed: int, room: Room | None) -> None:
    dice = random.Random(seed)
    pools = a_market(dice)
    slow, stops, met = planner(pools, room), [], []
    for _ in range(25):
        mode, units = dice.choice(list(SwapMode)), int(10 ** dice.uniform(1, 13))
        try:
            got = slow.offered(SwapWish(mode, *PAIR, units, "SOL"))
        except RefusedError:
            continue
        at = Fraction(got.output_units, got.input_units) * dice.choice(NEAR)
        stop = a_stop(mode, units, Rate(at.numerator, at.denominator))
        stops.append(stop)
        if stop.rate.is_at_least(got):
            met.append(stop)
    found = seen_by_size(pools, stops, room)
    assert len(met) > 3
    assert [stop for stop in met if not is_woken(stop, found)] == []


@pytest.mark.parametrize(
    ("mode", "powers"), [(SwapMode.EXACT_IN, range(9, 14)), (SwapMode.EXACT_OUT, range(5, 13))]
)
def test_stop_well_below_what_its_size_gets_sleeps_and_one_plan_does_for_all(
    mode: SwapMode, powers: range
) -> None:
    pools = [a_pool()]
    stops = [a_stop(mode, 10**power, Rate(180, 1_000)) for power in powers]
    found = seen_by_size(pools, stops)
    assert len(found) == 1
    assert not any(is_woken(stop, found) for stop in stops)


def test_stop_that_its_size_reaches_before_the_first_unit_does_is_woken_and_a_small_one_not() -> None:
    pools = [a_pool(reserves=(10**12, 2 * 10**11))]
    at = Rate(190, 1_000)
    large, small = a_stop(SwapMode.EXACT_IN, 10**11, at), a_stop(SwapMode.EXACT_IN, 10**9, at)
    found = seen_by_size(pools, [large, small])
    assert (is_woken(large, found), is_woken(small, found)) == (True, False)


def test_size_that_no_pools_can_fill_is_left_to_its_own_quote() -> None:
    stop = a_stop(SwapMode.EXACT_OUT, 10**15, Rate(1, 10**9))
    assert is_woken(stop, seen_by_size([a_pool(reserves=(10**12, 2 * 10**11))], [stop]))


def test_first_plan_with_room_does_for_a_size_unless_its_stop_may_be_met(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pools = [a_pool(f"pool {number}", reserves=(10**12, 2 * 10**11 + number * 10**7)) for number in range(20)]
    room, searched = Room(4, lambda _: 1), 0

    def counted(market: Market, order: SwapOrder, *, is_estimate: bool = False) -> Plan:
        nonlocal searched
        searched += 1
        return best_plan(market, order, is_estimate=is_estimate)

    monkeypatch.setattr(few_legs, "best_plan", counted)
    units = 10**11
    got = planner(pools, room).offered(SwapWish(SwapMode.EXACT_IN, *PAIR, units, "SOL"))
    of_an_order, searched = searched, 0
    at = Fraction(got.output_units, got.input_units)
    far, near = (
        a_stop(SwapMode.EXACT_IN, units, Rate(price.numerator, price.denominator))
        for price in (at * Fraction(99, 100), at)
    )
    assert not is_woken(far, seen_by_size(pools, [far], room))
    assert searched < of_an_order / 3
    assert is_woken(near, seen_by_size(pools, [near], room))
