"""The pools of one moment: read once, and again only when a plan has moved them."""

from math import inf
from random import Random

import pytest

from chalicelib.amm.pools import TransferFeePool, swap
from chalicelib.amm.swaps import Exact, Swap, TokenIndex
from chalicelib.amm.transfer_fee import TransferFee
from chalicelib.routing.market import Market, Pair
from chalicelib.routing.plan import RoutablePool
from tests.unit.routing.markets import (
    NOW_S,
    a_cpmm,
    a_pool_that_is_calmest_ahead,
    a_routable,
    random_pool,
)

DEEP = a_cpmm(10**12, 10**12)


def market(*pools: RoutablePool) -> Market:
    return Market(pools, NOW_S)


def ids(pair: Pair) -> list[str]:
    return [side.pool.pool_id for side in pair.sides]


def test_pair_has_the_pools_of_both_directions_in_the_order_of_their_ids() -> None:
    made = market(a_routable("b", DEEP, ("B", "A")), a_routable("a", DEEP), a_routable("c", DEEP, ("A", "C")))
    there, back = made.pair("A", "B"), made.pair("B", "A")
    assert (ids(there), ids(back)) == (["a", "b"], ["a", "b"])
    assert [side.token_in for side in there.sides] == [0, 1]
    assert [side.token_in for side in back.sides] == [1, 0]


def test_tokens_are_traded_if_any_pool_holds_both_whatever_it_offers() -> None:
    made = market(a_routable("a", a_cpmm(1, 1)))
    assert made.trades("A", "B")
    assert made.trades("B", "A")
    assert not made.trades("A", "C")
    assert not made.trades("X", "Y")


@pytest.mark.parametrize(("token_in", "token_out"), [("A", "C"), ("X", "A")])
def test_pair_that_no_pool_trades_offers_nothing(token_in: str, token_out: str) -> None:
    pair = market(a_routable("a", DEEP)).pair(token_in, token_out)
    assert (pair.sides, pair.start) == ([], 0.0)


def test_two_hops_lead_over_every_token_that_both_ends_trade_with() -> None:
    made = market(
        a_routable("1", DEEP, ("A", "Z")),
        a_routable("2", DEEP, ("Z", "B")),
        a_routable("3", DEEP, ("A", "M")),
        a_routable("4", DEEP, ("B", "M")),
        a_routable("5", DEEP, ("A", "B")),
        a_routable("6", DEEP, ("A", "Q")),
    )
    found = made.two_hop_pairs("A", "B")
    assert [(each.token, ids(each.first), ids(each.second)) for each in found] == [
        ("M", ["3"], ["4"]),
        ("Z", ["1"], ["2"]),
    ]


def test_two_hops_start_where_their_prices_multiply_whichever_way_was_read_before() -> None:
    pools = [
        a_routable("in", a_cpmm(10**12, 3 * 10**12), ("A", "M")),
        a_routable("out", a_cpmm(10**12, 5 * 10**12), ("M", "B")),
    ]
    ((fresh,), seen) = market(*pools).two_hop_pairs("A", "B"), market(*pools)
    assert fresh.start == fresh.first.start * fresh.second.start
    assert 14 < fresh.start**2 < 15
    (back,) = seen.two_hop_pairs("B", "A")
    assert back.start**2 < 1 / 15
    assert seen.two_hop_pairs("A", "B") == [fresh]


def test_better_price_starts_higher_and_the_pair_starts_at_the_best() -> None:
    made = market(a_routable("a", a_cpmm(10**12, 10**12)), a_routable("b", a_cpmm(10**12, 2 * 10**12)))
    pair = made.pair("A", "B")
    assert pair.sides[0].start < pair.sides[1].start == pair.start


@pytest.mark.parametrize("token_in", [0, 1])
@pytest.mark.parametrize(
    "fees", [None, (TransferFee(500), TransferFee(0)), (TransferFee(0), TransferFee(500))]
)
def test_no_unit_is_paid_better_than_the_start_of_a_pool_whose_fee_falls_on_the_way(
    token_in: TokenIndex, fees: tuple[TransferFee, TransferFee] | None
) -> None:
    inner = a_pool_that_is_calmest_ahead(token_in)
    pool = inner if fees is None else TransferFeePool(inner, fees)
    (side,) = market(a_routable("a", pool)).pair(*(("A", "B") if token_in == 0 else ("B", "A"))).sides
    paid = swap(pool, Swap(Exact.IN, 10**11, token_in, NOW_S))[0].amount_out / 10**11
    assert side.top.start**2 < paid <= side.start**2 < paid * 1.03


def test_moved_pool_is_read_again_in_every_pair_and_the_others_are_not() -> None:
    made = market(a_routable("a", DEEP), a_routable("b", DEEP), a_routable("c", DEEP, ("B", "C")))
    before, there = list(made.pair("A", "B").sides), made.two_hop_pairs("A", "C")
    back = made.pair("B", "A").start
    made.apply({"a": a_cpmm(10**12, 10**11)})
    after = made.pair("A", "B").sides
    assert after[1] is before[1]
    assert after[0].start < before[0].start
    assert made.pair("B", "A").start > 3 * back
    made.apply({"c": a_cpmm(10**12, 10**11)})
    (pairs,) = made.two_hop_pairs("A", "C")
    assert pairs.second.start < 0.5
    assert made.pools["c"].state == a_cpmm(10**12, 10**11)
    assert there


def test_pool_that_is_emptied_offers_nothing_and_one_that_is_filled_again_does() -> None:
    made = market(a_routable("a", DEEP))
    assert ids(made.pair("A", "B")) == ["a"]
    made.apply({"a": a_cpmm(10**12, 0)})
    assert ids(made.pair("A", "B")) == []
    made.apply({"a": DEEP})
    assert ids(made.pair("A", "B")) == ["a"]


def test_markets_of_different_states_do_not_see_each_others_pools() -> None:
    rich, poor = market(a_routable("a", DEEP)), market(a_routable("a", a_cpmm(10**12, 10**11)))
    assert rich.pair("A", "B").start > poor.pair("A", "B").start
    assert market(a_routable("a", DEEP)).pair("A", "B").start == rich.pair("A", "B").start


@pytest.mark.parametrize("kind", ["clmm", "dlmm"])
def test_pool_is_read_as_far_as_an_order_goes(kind: str) -> None:
    pool = random_pool(Random(3), kind, 0.15, 10**13)
    (side,) = market(a_routable("a", pool)).pair("A", "B").sides
    top = side.top
    whole = side.read(inf, inf).curve
    assert (whole[0], len(whole) > 2) == (top, True)
    assert [len(side.read(top.amount_in * part, inf).curve) > 1 for part in (0.0, 0.999, 1.001)] == [
        False, False, True
    ]  # fmt: skip
    assert [len(side.read(inf, top.amount_out * part).curve) > 1 for part in (0.0, 0.999, 1.001)] == [
        False, False, True
    ]  # fmt: skip
    assert len(side.read(top.amount_in * 1.001, inf).curve) < len(whole)
