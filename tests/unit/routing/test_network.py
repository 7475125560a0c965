"""What a network knows before it reads its curves."""

from math import inf
from random import Random

import pytest

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.books import in_series
from chalicelib.routing.curves import curve_of
from chalicelib.routing.market import Market
from chalicelib.routing.network import Network, network_of
from chalicelib.routing.plan import RoutablePool
from chalicelib.routing.ranges import after_in, after_out, in_to, total_in, total_out
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable, random_market
from tests.unit.routing.test_rising import a_pool_whose_fee_falls_ahead


def a_network(pools: list[RoutablePool], mode: SwapMode, amount: int) -> Network:
    return network_of(Market(pools, NOW_S), mode=mode, input_token="A", output_token="B", amount=amount)


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("seed", range(40))
def test_no_two_hop_path_starts_better_than_was_known_before_reading_it(mode: SwapMode, seed: int) -> None:
    random = Random(seed)
    pools = [
        *random_market(random, 3, tokens=("A", "M"), price=3.0, prefix="first-"),
        *random_market(random, 3, tokens=("B", "M"), price=20.0, prefix="second-"),
    ]
    (two_hop_path,) = a_network(pools, mode, 10 ** random.randint(4, 12)).two_hop_paths
    assert two_hop_path.curve[0].start <= two_hop_path.start <= two_hop_path.curve[0].start * 1.01


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("seed", [1, 3, 4, 7])
def test_price_that_rises_on_the_way_is_foreseen(mode: SwapMode, seed: int) -> None:
    rising = a_routable("rising", a_pool_whose_fee_falls_ahead(seed), ("A", "M"))
    onward = a_routable("onward", a_cpmm(10**15, 10**15), ("M", "B"))
    (two_hop_path,) = a_network([rising, onward], mode, 2 * 10**12).two_hop_paths
    (first_bin,) = curve_of(rising.state, 0, NOW_S, stop_in=0.0)
    assert two_hop_path.hops[0].curves[0][0].start > first_bin.start, "the price has to rise in this test"
    assert two_hop_path.curve[0].start <= two_hop_path.start


def test_two_hop_paths_open_from_the_best_price_down() -> None:
    pools = [
        a_routable(f"{token}-{end}", a_cpmm(10**9, 10**9, fee_rate=fee), (token, end))
        for token, fee in (("M", 100), ("N", 2_500), ("O", 10_000))
        for end in ("A", "B")
    ]
    closed = a_network(pools, SwapMode.EXACT_IN, 10**6)
    opened = [closed.open_down_to(root) for root in (inf, 0.9998, 0.997, 0.0)]
    assert [[two_hop_path.token for two_hop_path in network.open_two_hop_paths] for network in opened] == [
        [],
        ["M"],
        ["M", "N"],
        ["M", "N", "O"],
    ]
    assert opened[-1].open_down_to(0.5) is opened[-1]


@pytest.mark.parametrize("mode", SwapMode)
def test_best_two_hop_path_is_known_before_and_after_pools_are_left_out(mode: SwapMode) -> None:
    pools = [
        a_routable(f"{token}-{end}", a_cpmm(10**9, 10**9, fee_rate=fee), (token, end))
        for token, fee in (("M", 2_500), ("N", 100), ("O", 10_000))
        for end in ("A", "B")
    ]
    network = a_network(pools, mode, 10**6).open_down_to(0.0)
    assert len(network.curves) == 3  # only of what was used anything is left out
    starts = {path.token: path.start for path in network.two_hop_paths}
    assert network.two_hop_start == starts["N"] == max(starts.values())
    left = network.without({"N-B"})
    assert [path.token for path in left.two_hop_paths] == ["M", "O"]
    assert left.two_hop_start == starts["M"]
    assert left.without({"M-A", "O-A"}).two_hop_start == 0.0


@pytest.mark.parametrize("mode", SwapMode)
def test_path_whose_pool_offers_nothing_is_none(mode: SwapMode) -> None:
    pools = [
        a_routable("first", a_cpmm(10**9, 0), ("A", "M")),
        a_routable("second", a_cpmm(10**9, 10**9), ("M", "B")),
    ]
    network = a_network(pools, mode, 10**6)
    assert (list(network.two_hop_paths), network.two_hop_start) == ([], 0.0)


@pytest.mark.parametrize("mode", SwapMode)
def test_hops_are_read_as_far_as_the_amount_goes_through_both(mode: SwapMode) -> None:
    for seed in range(40):
        random = Random(seed)
        pools = [
            *random_market(random, 2, tokens=("A", "M"), price=3.0, prefix="first-"),
            *random_market(random, 2, tokens=("B", "M"), price=20.0, prefix="second-"),
        ]
        amount = 10 ** random.randint(4, 13)
        (path,) = a_network(pools, mode, amount).two_hop_paths
        (whole,) = a_network(pools, mode, 2**64).two_hop_paths
        reached = after_in if mode is SwapMode.EXACT_IN else after_out
        books = [hop.book for hop in (path.hops if mode is SwapMode.EXACT_IN else path.hops[::-1])]
        all_books = [hop.book for hop in (whole.hops if mode is SwapMode.EXACT_IN else whole.hops[::-1])]
        moved: float | None = float(amount)
        for book, whole_book in zip(books, all_books, strict=True):
            if moved is not None:
                expected = reached(whole_book, moved)
                assert reached(book, moved) == pytest.approx(expected, rel=1e-9) if expected else True
                moved = None if expected is None else expected[1]


def test_pools_have_their_role_by_their_tokens_whichever_comes_first() -> None:
    pair = {
        "direct": ("B", "A"),
        "first": ("M", "A"),
        "second": ("M", "B"),
        "dead end": ("A", "N"),
        "far": ("M", "N"),
    }
    pools = [a_routable(pool_id, a_cpmm(10**9, 10**9), tokens) for pool_id, tokens in pair.items()]
    network = a_network(pools, SwapMode.EXACT_IN, 10**6)
    (two_hop_path,) = network.two_hop_paths
    hops = (network.direct, *two_hop_path.hops)
    assert [[(pool.pool.pool_id, pool.token_in) for pool in hop.pools] for hop in hops] == [
        [("direct", 1)],
        [("first", 1)],
        [("second", 0)],
    ]


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("seed", range(20))
def test_path_is_known_beyond_the_order_only_as_far_as_it_is_asked(mode: SwapMode, seed: int) -> None:
    random = Random(seed)
    pools = [
        *random_market(random, 2, tokens=("A", "M"), price=3.0, prefix="first-"),
        *random_market(random, 2, tokens=("B", "M"), price=20.0, prefix="second-"),
    ]
    (path,) = a_network(pools, mode, 10 ** random.randint(4, 10)).two_hop_paths
    whole = in_series(*(hop.book for hop in path.hops))
    assert path.curve == whole[: len(path.curve)]
    total = total_in if mode is SwapMode.EXACT_IN else total_out
    assert path.capacity() == pytest.approx(total(whole), rel=1e-9)
    for root in (path.curve[-1].end, path.curve[-1].end * 0.99, whole[-1].end):
        assert in_to(path.curve_down_to(root), root) == in_to(whole, root)
