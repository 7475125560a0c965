"""Marks: the middle of the pools that hold something, the same in both directions."""

from random import Random

import pytest

from chalicelib.amm.raydium_clmm import ClmmFees, ClmmPool, Tick
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.domain.rates import Rate
from chalicelib.routing.marks import MARK_DIGITS, mark_of
from chalicelib.routing.plan import RoutablePool
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable, random_market

ONE = 10**12


def at_prices(*prices: int, depth: int = ONE) -> list[RoutablePool]:
    return [a_routable(str(n), a_cpmm(depth, depth * price)) for n, price in enumerate(prices)]


def test_mark_of_one_pool_is_its_price_before_fees() -> None:
    assert mark_of(at_prices(3), ("A", "B"), NOW_S) == Rate(3, 1)


@pytest.mark.parametrize(
    ("prices", "mark"), [((1, 2, 9), Rate(2, 1)), ((1, 2), Rate(3, 2)), ((9, 1, 2, 3), Rate(5, 2))]
)
def test_mark_is_the_median(prices: tuple[int, ...], mark: Rate) -> None:
    assert mark_of(at_prices(*prices), ("A", "B"), NOW_S) == mark


def test_pools_that_nobody_listed_have_no_say_however_deep_they_are() -> None:
    made_up = [
        pool._replace(pool_id=f"made {pool.pool_id}", is_listed=False) for pool in at_prices(90, 91, 92)
    ]
    assert mark_of([*at_prices(3), *made_up], ("A", "B"), NOW_S) == Rate(3, 1)
    assert mark_of(made_up, ("A", "B"), NOW_S) is None


def test_pool_below_the_depth_floor_has_no_say() -> None:
    pools = [*at_prices(3), a_routable("thin", a_cpmm(10**6, 10**12))]
    assert mark_of(pools, ("A", "B"), NOW_S) == Rate(3, 1)
    assert mark_of(pools, ("A", "B"), NOW_S, depth_floor_bps=0) != Rate(3, 1)


@pytest.mark.parametrize(("reserve", "mark"), [(ONE // 50, Rate(5, 2)), (ONE // 50 - 1, Rate(4, 1))])
def test_pool_at_a_hundredth_of_the_deepest_has_a_say_and_one_unit_below_has_none(
    reserve: int, mark: Rate
) -> None:
    # The deepest one's reserves are ONE and 4 ONE, so its depth is 2 ONE.
    pools = [*at_prices(4), a_routable("small", a_cpmm(reserve, reserve))]
    assert mark_of(pools, ("A", "B"), NOW_S) == mark


def test_pool_that_is_closed_or_one_sided_has_no_say() -> None:
    closed = CpmmPool(ONE * 99, ONE, CpmmFees(1, 0, 0), NOW_S + 1)
    empty = CpmmPool(ONE * 99, 0, CpmmFees(1, 0, 0))
    pools = [*at_prices(3), a_routable("closed", closed), a_routable("empty", empty)]
    assert mark_of(pools, ("A", "B"), NOW_S) == Rate(3, 1)
    assert mark_of(pools[1:], ("A", "B"), NOW_S) is None


def test_pool_whose_ticks_contradict_each_other_has_no_say_and_breaks_no_mark() -> None:
    """What a broken node shows: behind one tick less than nothing is left."""
    ticks = (Tick(-10, ONE), Tick(10, -3 * ONE), Tick(20, 2 * ONE))
    broken = a_routable("broken", ClmmPool(1 << 64, 0, ONE, ticks, ClmmFees(100, 0, 0)))
    assert mark_of([broken], ("A", "B"), NOW_S) is None
    assert mark_of([broken, *at_prices(3)], ("A", "B"), NOW_S) == Rate(3, 1)


def test_other_pairs_pools_have_no_say() -> None:
    pools = [*at_prices(3), a_routable("x", a_cpmm(ONE, ONE), ("A", "C"))]
    assert mark_of(pools, ("A", "B"), NOW_S) == Rate(3, 1)
    assert mark_of(pools, ("C", "B"), NOW_S) is None


@pytest.mark.parametrize("seed", range(40))
def test_mark_is_a_decimal_and_its_own_inverse_the_other_way_round(seed: int) -> None:
    random = Random(seed)
    pools = random_market(random, random.randint(1, 7), tokens=random.choice([("A", "B"), ("B", "A")]))
    mark = mark_of(pools, ("A", "B"), NOW_S)
    assert mark is not None
    assert mark_of(pools, ("B", "A"), NOW_S) == mark.inverse()
    assert mark.key_down() == mark.key_up()
    assert len(mark.key_down().normalize().as_tuple().digits) <= MARK_DIGITS


@pytest.mark.parametrize("seed", range(20))
def test_one_pool_that_is_pushed_away_moves_the_mark_no_further_than_to_its_neighbour(seed: int) -> None:
    random = Random(seed)
    prices = sorted(random.randint(1_000, 1_100) for _ in range(5))
    for pushed in (1, 10**6):
        mark = mark_of(at_prices(*prices[:4], pushed), ("A", "B"), NOW_S)
        assert mark is not None
        assert Rate(prices[3], 1).is_at_least(mark)
        assert mark.is_at_least(Rate(prices[0], 1))
