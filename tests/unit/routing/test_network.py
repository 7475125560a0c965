"""What a network knows without merging its curves."""

from random import Random

import pytest

from chalicelib.amm.swaps import SwapMode
from chalicelib.routing.network import network_of
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable, random_market


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("seed", range(20))
def test_start_is_where_the_merged_curve_starts(mode: SwapMode, seed: int) -> None:
    random = Random(seed)
    pools = [
        *random_market(random, 4),
        *random_market(random, 3, tokens=("A", "M"), price=3.0, prefix="first-"),
        *random_market(random, 3, tokens=("B", "M"), price=20.0, prefix="second-"),
    ]
    network = network_of(
        pools, mode=mode, input_token="A", output_token="B", amount=10 ** random.randint(4, 12), now_s=NOW_S
    )
    assert network.direct.start == network.direct.book[0].start
    (detour,) = network.detours
    assert detour.start == detour.curve[0].start


def test_pools_have_their_role_by_their_tokens_whichever_comes_first() -> None:
    pair = {
        "direct": ("B", "A"),
        "first": ("M", "A"),
        "second": ("M", "B"),
        "dead end": ("A", "N"),
        "far": ("M", "N"),
    }
    pools = [a_routable(pool_id, a_cpmm(10**9, 10**9), tokens) for pool_id, tokens in pair.items()]
    network = network_of(
        iter(pools), mode=SwapMode.EXACT_IN, input_token="A", output_token="B", amount=10**6, now_s=NOW_S
    )
    (detour,) = network.detours
    hops = (network.direct, detour.first, detour.second)
    assert [[(pool.pool.pool_id, pool.token_in) for pool in hop.pools] for hop in hops] == [
        [("direct", 1)],
        [("first", 1)],
        [("second", 0)],
    ]
