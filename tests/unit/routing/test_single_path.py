"""What is answered without a search is what the search would find."""

from random import Random

import pytest

from chalicelib.amm.dlmm_fee import DlmmParameters, DlmmVolatility
from chalicelib.amm.meteora_dlmm import Bin, DlmmPool
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.assembly import Filling, filled_by
from chalicelib.routing.certificate import objective_bound
from chalicelib.routing.market import Market
from chalicelib.routing.network import Network, network_of
from chalicelib.routing.path_execution import Execution, execute
from chalicelib.routing.plan import RoutablePool
from chalicelib.routing.ranges import after_in, after_out
from chalicelib.routing.search import best_allocation
from chalicelib.routing.single_path import is_alone, single_two_hop_path
from chalicelib.routing.singles import best_singles
from chalicelib.routing.swap_order import SwapOrder
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable, random_market

MODES = pytest.mark.parametrize("mode", SwapMode)


def an_order(mode: SwapMode, amount: int) -> SwapOrder:
    return SwapOrder(mode, "A", "B", amount, leg_cost=0)


def a_network(pools: list[RoutablePool], order: SwapOrder) -> Network:
    return network_of(
        Market(pools, NOW_S), mode=order.mode, input_token="A", output_token="B", amount=order.amount
    )


def answer(pools: list[RoutablePool], order: SwapOrder) -> tuple[Filling, int] | None:
    return single_two_hop_path(a_network(pools, order), order, Execution(order.mode, NOW_S))


def searched(pools: list[RoutablePool], order: SwapOrder) -> Filling:
    network = a_network(pools, order).open_down_to(0.0)
    found = best_allocation(network, mode=order.mode, amount=order.amount, leg_cost=order.leg_cost)
    assert found is not None
    return filled_by(order, execute(found.allocation, order.mode, order.amount, NOW_S))


def steps(filling: Filling) -> list[list[tuple[str, int, int]]]:
    return [
        [
            (leg.pool.pool.pool_id, leg.result.amount_in, leg.result.amount_out)
            for leg in (*path.first, *path.second)
        ]
        for path in filling.paths
    ]


def two_directions(random: Random) -> list[RoutablePool]:
    return [
        *random_market(random, 2),
        *random_market(random, 3, tokens=("A", "M"), price=3.0, prefix="first-"),
        *random_market(random, 3, tokens=("B", "M"), price=20.0, prefix="second-"),
        *random_market(random, 1, tokens=("N", "A"), price=0.5, prefix="third-"),
        *random_market(random, 1, tokens=("N", "B"), price=0.075, prefix="fourth-"),
    ]


@MODES
def test_answers_are_those_of_the_search(mode: SwapMode) -> None:
    answered = 0
    for seed in range(150):
        random = Random(seed)
        pools, order = two_directions(random), an_order(mode, int(10 ** random.uniform(3, 11)))
        found = answer(pools, order)
        if found is not None:
            answered += 1
            assert steps(found[0]) == steps(searched(pools, order))
    assert answered > 30


def certified(pools: list[RoutablePool], order: SwapOrder) -> int:
    """Return the certificate's bound at the price at which the search ends."""
    network = a_network(pools, order).open_down_to(0.0)
    found = best_allocation(network, mode=order.mode, amount=order.amount, leg_cost=order.leg_cost)
    assert found is not None
    return objective_bound(
        network, found.roots[0], mode=order.mode, amount=order.amount, leg_cost=order.leg_cost
    )


@MODES
@pytest.mark.parametrize("leg_cost", [0, 10_000])
@pytest.mark.parametrize("seed", range(40))
def test_bound_is_that_of_the_certificate_at_the_prices_reached(
    mode: SwapMode, leg_cost: int, seed: int
) -> None:
    random = Random(seed)
    pools = two_directions(random)[2:]
    order = SwapOrder(mode, "A", "B", int(10 ** random.uniform(7, 10)), leg_cost)
    found = answer(pools, order)
    if found is not None:
        assert found[1] == pytest.approx(certified(pools, order), rel=1e-9, abs=2)


@MODES
@pytest.mark.parametrize("rival", [("A", "B"), ("A", "M"), ("M", "B")])
def test_pool_that_could_take_a_part_leaves_the_order_to_the_search(
    mode: SwapMode, rival: tuple[str, str]
) -> None:
    two_hop_path = [
        a_routable("1", a_cpmm(10**12, 10**12), ("A", "M")),
        a_routable("2", a_cpmm(10**12, 10**12), ("M", "B")),
    ]
    assert answer(two_hop_path, an_order(mode, 10**9)) is not None
    price = 995 if rival == ("A", "B") else 1_000
    as_good = a_routable("rival", a_cpmm(10**12, 10**9 * price), rival)
    assert answer([*two_hop_path, as_good], an_order(mode, 10**9)) is None


def a_flat_pool(units: int = 10**12) -> DlmmPool:
    """Return a pool that pays one for one, without a fee, as long as it holds anything."""
    parameters = DlmmParameters(100, 0, 30, 600, 5_000, 0, 350_000, 500)
    return DlmmPool(parameters, 0, (Bin(0, units, units),), DlmmVolatility())


@MODES
@pytest.mark.parametrize("rival", [("A", "B"), ("A", "M"), ("M", "B")])
def test_pool_that_pays_just_as_much_leaves_the_order_to_the_search(
    mode: SwapMode, rival: tuple[str, str]
) -> None:
    pools = [a_routable("1", a_flat_pool(), ("A", "M")), a_routable("2", a_flat_pool(), ("M", "B"))]
    assert answer(pools, an_order(mode, 10**9)) is not None
    assert answer([*pools, a_routable("rival", a_flat_pool(), rival)], an_order(mode, 10**9)) is None


@MODES
@pytest.mark.parametrize("place", [0, 1])
def test_two_hop_path_whose_last_unit_the_order_takes_is_left_to_the_search(
    mode: SwapMode, place: int
) -> None:
    states = [a_flat_pool(10**9 if hop == place else 10**12) for hop in (0, 1)]
    pools = [a_routable("1", states[0], ("A", "M")), a_routable("2", states[1], ("M", "B"))]
    assert answer(pools, an_order(mode, 10**9 - 10)) is not None
    assert answer(pools, an_order(mode, 10**9)) is None


@MODES
def test_other_two_hop_path_that_could_take_a_part_leaves_the_order_to_the_search(mode: SwapMode) -> None:
    pools = [a_routable(token + end, a_cpmm(10**12, 10**12), (token, end)) for token in "MN" for end in "AB"]
    assert answer(pools[:2], an_order(mode, 10**9)) is not None
    assert answer(pools, an_order(mode, 10**9)) is None


def a_pool_with_dust(units: int) -> DlmmPool:
    """Return a pool that pays two for one with its last units, and 2 % less after them."""
    parameters = DlmmParameters(100, 10_000, 30, 600, 5_000, 0, 350_000, 500)
    return DlmmPool(parameters, 70, (Bin(69, 0, 10**12), Bin(70, 10**12, units)), DlmmVolatility())


def beside_dust(dust: DlmmPool, place: int, depth: int) -> list[RoutablePool]:
    """Return a two-hop path, with the dust beside its first hop, its second, or itself."""
    tokens = (("A", "M"), ("M", "B"), ("A", "B"))[place]
    onward = 1_000 if place == 2 else 1_980
    return [
        a_routable("dust", dust, tokens),
        a_routable("first", a_cpmm(depth, depth * 1_980 // 1_000, fee_rate=100), ("A", "M")),
        a_routable("second", a_cpmm(depth, depth * onward // 1_000, fee_rate=100), ("M", "B")),
    ]


def test_bin_of_less_than_a_unit_in_is_no_rival() -> None:
    pools, order = beside_dust(a_pool_with_dust(1), 0, 10**15), an_order(SwapMode.EXACT_IN, 10**6)
    assert Market(pools, NOW_S).pair("A", "M").start > 1.409, "the dust is the best price"
    found = answer(pools, order)
    assert found is not None
    assert steps(found[0]) == steps(searched(pools, order))
    assert {leg.pool.pool.pool_id for path in found[0].paths for leg in path.first} == {"first"}


@MODES
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("units", [1, 3, 12, 40])
def test_few_units_at_a_better_price_are_left_out_as_the_search_leaves_them_out(
    mode: SwapMode, place: int, units: int
) -> None:
    pools = beside_dust(a_pool_with_dust(units), place, 10**12)
    order = SwapOrder(mode, "A", "B", 10**9, leg_cost=50)
    found = answer(pools, order)
    assert found is not None
    assert [leg[0] for path in steps(found[0]) for leg in path] == ["first", "second"]
    assert steps(found[0]) == steps(searched(pools, order))


@MODES
@pytest.mark.parametrize("place", [0, 1, 2])
def test_units_that_a_search_might_keep_are_left_to_it(mode: SwapMode, place: int) -> None:
    pools = beside_dust(a_pool_with_dust(1_000), place, 10**15)
    many = answer(pools, SwapOrder(mode, "A", "B", 10**7, leg_cost=0))
    assert many is None, "they are worth a leg"
    few = beside_dust(a_pool_with_dust(5), place, 10**18)
    assert answer(few, SwapOrder(mode, "A", "B", 10**7, leg_cost=10**5)) is None, "no leg is worth its cost"
    next_to_nothing = beside_dust(a_pool_with_dust(400), place, 10**12)
    for leg_cost, is_left in ((0, True), (1_000, False)):
        found = answer(next_to_nothing, SwapOrder(mode, "A", "B", 10**9, leg_cost))
        assert (found is None) == is_left, "they are worth a leg that costs nothing, and no other"


@MODES
def test_answers_beside_dust_are_those_of_the_search(mode: SwapMode) -> None:
    answered = 0
    for seed in range(300):
        random = Random(seed)
        dust, place = a_pool_with_dust(int(10 ** random.uniform(0, 3.2)) - 1), random.randrange(3)
        pools = beside_dust(dust, place, int(10 ** random.uniform(10, 15)))
        cost = random.choice([0, 1, 30, 1_000])
        order = SwapOrder(mode, "A", "B", int(10 ** random.uniform(5, 9)), leg_cost=cost)
        found = answer(pools, order)
        if found is not None:
            answered += 1
            assert steps(found[0]) == steps(searched(pools, order))
            assert found[1] == pytest.approx(certified(pools, order), rel=1e-9, abs=2)
    assert answered > 50


@MODES
def test_two_hop_path_that_the_order_would_empty_is_left_to_the_search(mode: SwapMode) -> None:
    pools = [
        a_routable("1", a_cpmm(10**12, 10**12), ("A", "M")),
        a_routable("2", a_cpmm(10**12, 10**6), ("M", "B")),
    ]
    amount = 10**6 if mode is SwapMode.EXACT_OUT else 2**64 - 1
    assert answer(pools, an_order(mode, amount)) is None


def is_left_alone(pools: list[RoutablePool], order: SwapOrder) -> bool:
    """Return whether no pool is said to add to the best direct one."""
    network = a_network(pools, order)
    best = best_singles(network.direct, Execution(order.mode, NOW_S), order.amount).best
    assert best is not None
    after = after_in if order.mode is SwapMode.EXACT_IN else after_out
    reached = after(best.pool.curve, float(order.amount))
    root = reached[0] if reached is not None else best.pool.curve[-1].end
    return is_alone(network, best, root, order)


@MODES
def test_direct_pool_is_alone_down_to_where_another_pool_or_path_begins(mode: SwapMode) -> None:
    best = a_routable("best", a_cpmm(10**12, 10**12))
    dearer = a_routable("dearer", a_cpmm(10**12, 98 * 10**10))
    round_about = [a_routable(end, a_cpmm(10**12, 10**12), ("M", end)) for end in "AB"]
    for others in ([dearer], round_about):
        assert is_left_alone([best, *others], an_order(mode, 10**8))
        assert not is_left_alone([best, *others], an_order(mode, 3 * 10**10))


def test_direct_pool_that_the_order_empties_is_left_to_the_search() -> None:
    parameters = DlmmParameters(100, 10_000, 30, 600, 5_000, 0, 350_000, 500)
    pool = a_routable("1", DlmmPool(parameters, 0, (Bin(0, 10**9, 10**9),), DlmmVolatility()))
    assert is_left_alone([pool], an_order(SwapMode.EXACT_OUT, 10**9 - 10))
    assert not is_left_alone([pool], an_order(SwapMode.EXACT_OUT, 10**9))
