"""Which armed watches a change concerns, and what they are compared with."""

from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib.amm.activation import ActivationType
from chalicelib.domain.rates import Rate
from chalicelib.domain.tokens import NEW_MINT
from chalicelib.domain.triggers import Direction
from chalicelib.domain.watches import BY_LAUNCH, BY_MARGINAL_RATE, DirectedPair, Held, SeenPrice
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.resting.ports import ArmedLook, ArmedPair
from chalicelib.services.resting.prices import Prices
from chalicelib.services.resting.seen_prices import (
    looked_at,
    marks_of,
    seen_marks,
    seen_rates,
    that_may_meet,
)
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable
from tests.unit.routing.test_single_path import a_flat_pool

AT_LEAST, AT_MOST = Direction.AT_LEAST, Direction.AT_MOST
RATE, MARK, MARKS, SIZE = BY_MARGINAL_RATE, 1, 10, BY_LAUNCH + 1
LOOKS = (RATE, MARK, MARKS, BY_LAUNCH, SIZE)


def an_armed(input_token: str, output_token: str, *looks: int) -> ArmedPair:
    return ArmedPair(
        DirectedPair(input_token, output_token),
        tuple(ArmedLook(AT_LEAST, look, Decimal(1)) for look in looks),
    )


def prices(*pools: RoutablePool, slot: int = 0) -> Prices:
    return Prices(pools, NOW_S, slot, height=7)


MARKET = prices(
    a_routable("ab", a_cpmm(10**12, 2 * 10**12), ("A", "B")),
    a_routable("bc", a_cpmm(10**12, 10**12), ("B", "C")),
    a_routable("cd", a_cpmm(10**12, 10**12), ("C", "D")),
)


@pytest.mark.parametrize(
    ("pair", "looks"),
    [
        (("A", "B"), LOOKS),
        (("B", "A"), LOOKS),
        (("A", "C"), (RATE, SIZE)),  # over the pool, and not its pair's
        (("C", "A"), (RATE, SIZE)),
        (("B", "C"), ()),
        (("C", "D"), ()),
        (("A", NEW_MINT), (BY_LAUNCH,)),  # whatever mint opens
        (("X", "Y"), ()),
    ],
)
def test_change_of_a_pool_concerns_marks_of_its_pair_and_rates_that_lead_over_it(
    pair: tuple[str, str], looks: tuple[int, ...]
) -> None:
    found = looked_at(MARKET, [an_armed(*pair, *LOOKS)], {"ab"})
    assert [each.look for one in found for each in one.looks] == list(looks)
    assert len(found) == (1 if looks else 0)
    assert looked_at(MARKET, [an_armed(*pair, *LOOKS)]) == [an_armed(*pair, *LOOKS)]
    assert looked_at(MARKET, [an_armed(*pair, *LOOKS)], ()) == (
        [an_armed(*pair, BY_LAUNCH)] * (NEW_MINT in pair)
    )


@pytest.mark.parametrize(
    ("direction", "nearest", "may_meet"),
    [
        (AT_LEAST, "2", True),
        (AT_LEAST, "2.1", False),
        (AT_LEAST, "1.9", True),
        (AT_MOST, "2", True),
        (AT_MOST, "2.1", True),
        (AT_MOST, "1.9", False),
    ],
)
def test_price_is_searched_for_only_where_it_reaches_the_nearest_watch(
    direction: Direction, nearest: str, may_meet: bool
) -> None:
    pair = DirectedPair("A", "B")
    seen = SeenPrice(pair, direction, RATE, Rate(2, 1), 7, 7)
    armed = [ArmedPair(pair, (ArmedLook(direction, RATE, Decimal(nearest)),))]
    assert that_may_meet([seen], armed) == ([seen] if may_meet else [])
    others = (
        replace(seen, pair=pair.reversed()),
        replace(seen, look=MARK),
        replace(seen, direction=AT_MOST if direction is AT_LEAST else AT_LEAST),
    )
    assert that_may_meet(others, armed) == []


def test_rates_are_seen_both_ways_where_anything_waits_for_one_and_is_paid() -> None:
    late = replace(a_flat_pool(), activation_point=50, activation_type=ActivationType.SLOT)
    pools = (*MARKET.pools, a_routable("late", late, ("A", "E")))
    armed = [
        an_armed("A", "B", RATE),
        an_armed("B", "A", MARK),
        an_armed("A", "X", RATE),
        an_armed("A", "E", RATE),
    ]
    ab = DirectedPair("A", "B")
    rate = Rate.of(2 * 9_975, 10_000)
    before = [SeenPrice(ab, side, RATE, rate, 7, 7) for side in Direction]
    assert seen_rates(prices(*pools, slot=49), armed) == before
    opened = [SeenPrice(DirectedPair("A", "E"), side, RATE, Rate(1, 1), 7, 7) for side in Direction]
    assert seen_rates(prices(*pools, slot=50), armed) == before + opened


def test_marks_are_read_for_the_pairs_that_wait_for_one() -> None:
    armed = [an_armed("B", "A", MARK), an_armed("B", "C", RATE, BY_LAUNCH, SIZE), an_armed("X", "Y", MARK)]
    assert marks_of(MARKET, armed) == {DirectedPair("A", "B"): Decimal(2)}


def test_mark_that_held_meets_by_its_least_what_waits_for_more_and_by_its_most_what_waits_for_less() -> None:
    ab, ba = DirectedPair("A", "B"), DirectedPair("B", "A")
    seen = {ab: {1: Held(Decimal(2), Decimal(2), 7), 2: Held(Decimal("1.5"), Decimal(4), 6)}}
    assert seen_marks(7, [an_armed("A", "B", MARK)], seen) == [
        SeenPrice(ab, AT_LEAST, 1, Rate(2, 1), 7, 7),
        SeenPrice(ab, AT_MOST, 1, Rate(2, 1), 7, 7),
        SeenPrice(ab, AT_LEAST, 2, Rate(3, 2), 7, 6),
        SeenPrice(ab, AT_MOST, 2, Rate(4, 1), 7, 6),
    ]
    assert seen_marks(7, [an_armed("B", "A", MARK)], seen)[2:] == [
        SeenPrice(ba, AT_LEAST, 2, Rate(1, 4), 7, 6),
        SeenPrice(ba, AT_MOST, 2, Rate(2, 3), 7, 6),
    ]
    assert seen_marks(7, [an_armed("A", "B", RATE, BY_LAUNCH), an_armed("C", "D", MARK)], seen) == []
