"""What best_plan promises, seen from outside."""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from random import Random

import pytest

from chalicelib.amm.pools import swap
from chalicelib.amm.swaps import Swap
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.errors import InsufficientLiquidityError, NoRouteError
from chalicelib.routing.exactness import EXACT
from chalicelib.routing.market import Market
from chalicelib.routing.plan import Plan, RoutablePool
from chalicelib.routing.router import best_plan
from chalicelib.routing.shares import shares_of
from chalicelib.routing.swap_order import SwapOrder
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable, random_market

GAP_ENOUGH_BPS = 0.01
TOLERANCE = 5e-7  # the router stops searching this close to the bound


def plan_for(
    pools: Sequence[RoutablePool],
    amount: int,
    *,
    mode: SwapMode = SwapMode.EXACT_IN,
    tokens: tuple[str, str] = ("A", "B"),
    leg_cost: int = 0,
) -> Plan:
    return best_plan(Market(pools, NOW_S), SwapOrder(mode, *tokens, amount, leg_cost))


def a_market_with_two_hop_paths(random: Random) -> list[RoutablePool]:
    pools = random_market(random, random.randint(0, 3))
    for token, price in (("M", 3.0), ("N", 0.4)):
        count = random.randint(1, 3)
        pools += random_market(random, count, tokens=("A", token), price=price, prefix=f"a{token}")
        onward = 0.15 / price * random.uniform(0.995, 1.005)
        pools += random_market(random, count, tokens=(token, "B"), price=onward, prefix=f"b{token}")
    return pools


def an_extreme_market(random: Random) -> list[RoutablePool]:
    """Return pools at prices and depths up to sixteen decades apart, reserves within u64."""
    price, onward = 10 ** random.uniform(-6, 6), 10 ** random.uniform(-4, 4)
    depth = int(min(10 ** random.uniform(3, 16), 1e17 / max(1, price, onward, onward * price)))
    pools = random_market(random, random.randint(0, 3), price=price, depth=depth + 100)
    for tokens, at in ((("M", "A"), 1 / onward), (("M", "B"), price / onward)):
        count = random.randint(0, 3)
        pools += random_market(
            random, count, tokens=tokens, price=at, depth=int(depth * onward) + 100, prefix=tokens[1]
        )
    return pools


def _net(plan: Plan) -> dict[str, int]:
    """Return what the plan moves of every token, as its legs add up."""
    moved: Counter[str] = Counter()
    for leg in plan.legs:
        moved[leg.token_in] -= leg.amount_in
        moved[leg.token_out] += leg.amount_out
    return {token: amount for token, amount in moved.items() if amount}


@pytest.mark.parametrize("mode", SwapMode)
def test_direct_plans_on_random_mixed_markets_are_certified_within_a_hundredth_bps(mode: SwapMode) -> None:
    certified = 0
    for seed in range(1_000):
        random = Random(seed)
        pools = random_market(random, random.randint(1, 8))
        amount = int(10 ** random.uniform(9.5, 13))
        try:
            plan = plan_for(pools, amount, mode=mode, tokens=random.choice([("A", "B"), ("B", "A")]))
        except InsufficientLiquidityError:
            continue
        assert 0 <= plan.gap_bps <= GAP_ENOUGH_BPS, f"seed {seed}"
        certified += 1
    assert certified > 950


@pytest.mark.parametrize("mode", SwapMode)
def test_two_hop_plans_on_random_mixed_markets_are_certified_within_a_hundredth_bps(mode: SwapMode) -> None:
    with_two_hop_path = 0
    for seed in range(300):
        random = Random(seed)
        pools = a_market_with_two_hop_paths(random)
        amount = int(10 ** random.uniform(9.5, 13) * (1.0 if mode is SwapMode.EXACT_IN else 0.1))
        plan = plan_for(pools, amount, mode=mode)
        assert 0 <= plan.gap_bps <= GAP_ENOUGH_BPS, f"seed {seed}"
        with_two_hop_path += any(len(path.tokens) == 3 for path in plan.paths)
    assert with_two_hop_path > 100


@pytest.mark.parametrize("mode", SwapMode)
def test_extreme_prices_depths_and_amounts_end_in_a_sound_plan_or_a_routing_error(mode: SwapMode) -> None:
    planned = 0
    for seed in range(600):
        random = Random(seed)
        pools = an_extreme_market(random)
        amount = int(10 ** random.uniform(0, 18))
        tokens = random.choice([("A", "B"), ("B", "A")])
        try:
            plan = plan_for(pools, amount, mode=mode, tokens=tokens, leg_cost=random.choice([0, 1, 1_000]))
        except (NoRouteError, InsufficientLiquidityError):
            continue
        assert plan.gap_bps >= 0, f"seed {seed}"
        assert amount == (plan.amount_in if mode is SwapMode.EXACT_IN else plan.amount_out)
        assert _net(plan) == {tokens[0]: -plan.amount_in, tokens[1]: plan.amount_out}, f"seed {seed}"
        planned += 1
    assert planned > 100


def test_order_beyond_every_other_pool_still_empties_them() -> None:
    shallow = [a_routable("a", a_cpmm(10**9, 10**9), ("A", "M")), *random_market(Random(3), 3, prefix="x")]
    endless = a_routable("z", a_cpmm(10**9, 10**12))
    plan = plan_for([*shallow, endless], 10**17)
    assert {leg.pool_id for leg in plan.legs} > {"z"}
    assert plan.gap_bps <= GAP_ENOUGH_BPS


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("seed", range(15))
def test_executing_the_legs_in_order_moves_exactly_the_planned_amounts(mode: SwapMode, seed: int) -> None:
    pools = a_market_with_two_hop_paths(Random(seed))
    amount = 10**12
    plan = plan_for(pools, amount, mode=mode)
    states = {pool.pool_id: pool for pool in pools}
    for leg in plan.legs:
        pool = states[leg.pool_id]
        given = leg.amount_in if mode is SwapMode.EXACT_IN else leg.amount_out
        token_in = 0 if pool.tokens[0] == leg.token_in else 1
        result, after = swap(pool.state, Swap(EXACT[mode], given, token_in, NOW_S))  # type: ignore[arg-type]  # 0 or 1
        assert (result.amount_in, result.amount_out) == (leg.amount_in, leg.amount_out)
        assert result == leg.swap
        states[leg.pool_id] = pool._replace(state=after)
    assert _net(plan) == {"A": -plan.amount_in, "B": plan.amount_out}
    assert amount == (plan.amount_in if mode is SwapMode.EXACT_IN else plan.amount_out)
    market = Market(pools, NOW_S)
    market.apply(plan.pools_after)
    assert market.pools == states


@pytest.mark.parametrize("seed", range(15))
def test_orders_planned_one_after_the_other_meet_the_pools_that_those_before_left(seed: int) -> None:
    random = Random(seed)
    pools = a_market_with_two_hop_paths(random)
    kept = Market(pools, NOW_S)
    for _ in range(12):
        mode, (one, other) = random.choice(list(SwapMode)), random.sample(["A", "B", "M", "N"], 2)
        amount = int(10 ** random.uniform(8, 11.5))
        plan = best_plan(kept, SwapOrder(mode, one, other, amount, leg_cost=0))
        assert plan == plan_for(pools, amount, mode=mode, tokens=(one, other))
        pools = [pool._replace(state=plan.pools_after.get(pool.pool_id, pool.state)) for pool in pools]
        kept.apply(plan.pools_after)


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("seed", range(15))
def test_no_pool_appears_twice_and_shares_add_up_per_plan_and_hop(mode: SwapMode, seed: int) -> None:
    plan = plan_for(a_market_with_two_hop_paths(Random(seed)), 10**12, mode=mode)
    assert max(Counter(leg.pool_id for leg in plan.legs).values()) == 1
    named = [path.amount_in if mode is SwapMode.EXACT_IN else path.amount_out for path in plan.paths]
    assert [path.share_bps for path in plan.paths] == shares_of(named, 10_000)
    for path in plan.paths:
        for token in path.tokens[:-1]:
            assert sum(leg.share_bps for leg in path.legs if leg.token_in == token) == path.share_bps


@pytest.mark.parametrize("mode", SwapMode)
def test_order_of_pools_is_irrelevant(mode: SwapMode) -> None:
    pools = a_market_with_two_hop_paths(Random(7))[:6]
    plans = [plan_for(shuffled, 3 * 10**12, mode=mode) for shuffled in list(permutations(pools))[::37]]
    assert all(plan == plans[0] for plan in plans)


@pytest.mark.parametrize("seed", range(30))
def test_one_pool_more_never_lowers_the_output(seed: int) -> None:
    random = Random(seed)
    pools = [*random_market(random, 3), *a_market_with_two_hop_paths(random)[3:]]
    best = 0
    for count in range(1, len(pools) + 1):
        output = plan_for(pools[:count], 10**11).amount_out
        assert output >= best * (1 - TOLERANCE)
        best = max(best, output)


@pytest.mark.parametrize("seed", range(30))
def test_output_grows_with_the_amount(seed: int) -> None:
    pools = random_market(Random(seed), 5)
    outputs = [plan_for(pools, int(10**9 * 1.4**step)).amount_out for step in range(24)]
    assert outputs == sorted(outputs)


def test_a_duplicated_pool_splits_evenly_up_to_rounding() -> None:
    pool = a_cpmm(10**13, 2 * 10**12)
    plan = plan_for([a_routable("x", pool), a_routable("y", pool)], 10**12 + 1)
    one, other = plan.legs
    assert abs(one.amount_in - other.amount_in) <= 1
    assert [path.share_bps for path in plan.paths] == [5_000, 5_000]


@pytest.mark.parametrize("seed", range(12))
def test_exact_out_for_what_exact_in_gives_costs_about_the_same(seed: int) -> None:
    pools = a_market_with_two_hop_paths(Random(seed))
    given = plan_for(pools, 10**12)
    wanted = plan_for(pools, given.amount_out, mode=SwapMode.EXACT_OUT)
    assert wanted.amount_in == pytest.approx(given.amount_in, rel=2e-6)
    assert wanted.amount_out == given.amount_out


def test_leg_that_brings_less_than_it_costs_vanishes() -> None:
    pools = [a_routable("deep", a_cpmm(10**15, 10**15)), a_routable("dust", a_cpmm(10**12, 10**12))]
    free = plan_for(pools, 10**13)
    assert {leg.pool_id for leg in free.legs} == {"deep", "dust"}
    brought = free.amount_out - plan_for(pools[:1], 10**13).amount_out
    costly = plan_for(pools, 10**13, leg_cost=2 * brought)
    assert [leg.pool_id for leg in costly.legs] == ["deep"]
    assert costly.amount_out - costly.leg_cost <= costly.bound
    cheap = plan_for(pools, 10**13, leg_cost=brought // 2)
    assert len(cheap.legs) == 2


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("seed", range(25))
def test_plan_with_leg_cost_is_the_best_over_all_sets_of_pools(mode: SwapMode, seed: int) -> None:
    random = Random(seed)
    pools = [
        a_routable(str(index), a_cpmm(size, int(size * random.uniform(0.99, 1.01))))
        for index, size in enumerate(int(10 ** random.uniform(11, 12.5)) for _ in range(4))
    ]
    cost = int(10 ** random.uniform(5, 8))

    def objective(plan: Plan) -> int:
        if mode is SwapMode.EXACT_IN:
            return plan.amount_out - cost * len(plan.legs)
        return -plan.amount_in - cost * len(plan.legs)

    def subset(mask: int) -> list[RoutablePool]:
        return [pool for index, pool in enumerate(pools) if mask >> index & 1]

    chosen = objective(plan_for(pools, 10**11, mode=mode, leg_cost=cost))
    # Without a cost in its way the router uses all it is given that helps at all.
    best = max(objective(plan_for(subset(mask), 10**11, mode=mode)) for mask in range(1, 16))
    assert chosen >= best - abs(best) * TOLERANCE


@pytest.mark.parametrize("mode", SwapMode)
def test_bound_includes_the_cost_of_the_legs(mode: SwapMode) -> None:
    cost = 10**8
    plan = plan_for([a_routable("x", a_cpmm(10**12, 10**12))], 10**11, mode=mode, leg_cost=cost)
    objective = plan.amount_out - cost if mode is SwapMode.EXACT_IN else plan.amount_in + cost
    assert abs(plan.bound - objective) <= 2


@pytest.mark.parametrize("mode", SwapMode)
def test_gap_is_rounded_against_the_plan(mode: SwapMode) -> None:
    for seed in range(50):
        plan = plan_for(random_market(Random(seed), 4), 10**11 + seed, mode=mode)
        missing = plan.bound - plan.amount_out if mode is SwapMode.EXACT_IN else plan.amount_in - plan.bound
        assert missing >= 0
        assert missing <= plan.gap_bps * plan.bound / 10_000 <= missing + plan.bound / 10**9


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("seed", range(30))
def test_best_single_is_the_best_exact_quote_although_estimates_are_tied(mode: SwapMode, seed: int) -> None:
    random = Random(seed)
    pools = [
        a_routable(f"x{index}", a_cpmm(random.randint(2_000, 2_040), random.randint(2_000, 2_040)))
        for index in range(10)
    ]
    plan = plan_for(pools, 60, mode=mode)
    alone = {pool.pool_id: plan_for([pool], 60, mode=mode) for pool in pools}
    best = min(alone, key=lambda pool_id: (alone[pool_id].amount_in - alone[pool_id].amount_out, pool_id))
    assert plan.best_single is not None
    assert plan.best_single.pool_id == best


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("seed", range(10))
def test_quote_of_a_venue_is_the_swap_that_its_pool_would_make(mode: SwapMode, seed: int) -> None:
    pools = {pool.pool_id: pool for pool in random_market(Random(seed), 8)}
    plan = plan_for(list(pools.values()), 10**9, mode=mode)
    assert plan.best_single_by_venue
    for quote in plan.best_single_by_venue.values():
        expected, _ = swap(pools[quote.pool_id].state, Swap(EXACT[mode], 10**9, 0, NOW_S))
        assert quote.swap == expected
        assert (quote.amount_in, quote.amount_out) == (expected.amount_in, expected.amount_out)


def test_improvement_is_measured_against_the_best_single_pool_of_all_venues() -> None:
    pools = [a_routable("x", a_cpmm(10**12, 10**12)), a_routable("y", a_cpmm(10**12, 10**12, fee_rate=100))]
    plan = plan_for(pools, 10**11)
    alone = {pool.pool_id: plan_for([pool], 10**11).amount_out for pool in pools}
    assert plan.best_single is not None
    assert (plan.best_single.pool_id, plan.best_single.amount_out) == ("y", alone["y"])
    assert {venue: quote.amount_out for venue, quote in plan.best_single_by_venue.items()} == {
        "venue-x": alone["x"],
        "venue-y": alone["y"],
    }
    assert plan.improvement_bps is not None
    assert float(plan.improvement_bps) == pytest.approx((plan.amount_out / alone["y"] - 1) * 10_000, abs=1e-5)


def test_order_that_one_pool_fills_as_well_as_all_goes_to_that_pool_alone() -> None:
    pools = [a_routable(str(index), a_cpmm(10**15, 10**15 + index * 10**12)) for index in range(6)]
    plan = plan_for(pools, 10**6)
    assert [leg.pool_id for leg in plan.legs] == ["5"]
    assert plan.gap_bps < 2  # one unit of rounding


def test_pool_that_would_pay_nothing_for_its_part_is_left_out_of_the_split() -> None:
    pools = [a_routable(pool_id, a_cpmm(10**6, 10**3)) for pool_id in ("x", "y")]
    # A hundred times their price, yet a reserve of one unit never pays a whole one.
    tempting = a_routable("z", a_cpmm(10, 1))
    plan = plan_for([*pools, tempting], 50_000)
    assert {leg.pool_id for leg in plan.legs} == {"x", "y"}
    assert plan.paths == plan_for(pools, 50_000).paths


def test_tokens_that_no_pools_connect_have_no_route() -> None:
    pools = [
        a_routable("x", a_cpmm(10**9, 10**9), ("A", "M")),
        a_routable("y", a_cpmm(10**9, 10**9), ("N", "B")),
    ]
    with pytest.raises(NoRouteError):
        plan_for(pools, 10**6)


@pytest.mark.parametrize("mode", SwapMode)
def test_amount_that_no_pool_can_fill_is_insufficient_liquidity(mode: SwapMode) -> None:
    amount = 1 if mode is SwapMode.EXACT_IN else 10**9
    with pytest.raises(InsufficientLiquidityError):
        plan_for([a_routable("x", a_cpmm(10**9, 10**9))], amount, mode=mode)


def test_two_hop_path_is_found_without_a_direct_pool() -> None:
    pools = [
        a_routable("x", a_cpmm(10**9, 10**9), ("A", "M")),
        a_routable("y", a_cpmm(10**9, 10**9), ("B", "M")),
    ]
    plan = plan_for(pools, 10**6)
    assert [(leg.pool_id, leg.token_in, leg.token_out) for leg in plan.legs] == [
        ("x", "A", "M"),
        ("y", "M", "B"),
    ]
    assert plan.best_single is None
    assert plan.improvement_bps is None


@pytest.mark.parametrize(
    ("amount", "leg_cost", "tokens"),
    [(0, 0, ("A", "B")), (2**64, 0, ("A", "B")), (1, -1, ("A", "B")), (1, 0, ("A", "A"))],
)
def test_senseless_orders_are_refused(amount: int, leg_cost: int, tokens: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="positive u64"):
        plan_for([a_routable("x", a_cpmm(10**9, 10**9))], amount, leg_cost=leg_cost, tokens=tokens)
