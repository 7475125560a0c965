"""Launches out of pools and openings: fees as the pools' maths have them, and when one has come down."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from chalicelib.adapters.simulated_market.definition import PARAMETERS, VENUES, PoolDefinition
from chalicelib.adapters.simulated_market.openings import opening_state
from chalicelib.adapters.token_list import load_tokens
from chalicelib.amm import pools
from chalicelib.amm.activation import ActivationType
from chalicelib.amm.damm_v2_schedule import BaseFee, SchedulerMode
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.raydium_cpmm import CpmmPool
from chalicelib.domain.launches import Opening, SeenOpenings
from chalicelib.domain.tokens import NEW_MINT
from chalicelib.domain.watches import DirectedPair, moment_rate
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.ports import ChainTime
from chalicelib.services.resting.launching import (
    fee_rate,
    launches_of,
    seconds_until_fee,
    seen_launches,
)
from chalicelib.services.resting.prices import Prices
from tests.fakes.orders import NOON

TOKENS = load_tokens()
OPENS_S = 1_000_000


def a_launch(kind: str, *, base_fee: BaseFee | None = None, opens_at_s: int = OPENS_S) -> RoutablePool:
    pool = PoolDefinition(
        "launch", VENUES[kind], kind, TOKENS["SOL"], TOKENS["USDC"], Decimal(200), Decimal(100_000),
        Decimal(25), PARAMETERS[kind], opens_at_s, base_fee,
    )  # fmt: skip
    return RoutablePool("launch", pool.venue, ("SOL", "USDC"), opening_state(pool))


def falling_pool(fee: BaseFee, *, opens_at_s: int = OPENS_S) -> RoutablePool:
    return a_launch("damm_v2", base_fee=fee, opens_at_s=opens_at_s)


def named(
    pool_id: str, *, pair: tuple[str, str] = ("SOL", "USDC"), opens_at_s: int = OPENS_S
) -> RoutablePool:
    made = a_launch("cpmm", opens_at_s=opens_at_s)
    return RoutablePool(pool_id, made.venue, pair, made.state)


@pytest.mark.parametrize("kind", list(VENUES))
@pytest.mark.parametrize("token_in", [0, 1])
def test_fee_of_each_kind_of_pool_is_what_it_was_made_with(kind: str, token_in: int) -> None:
    pool = a_launch(kind).state
    assert fee_rate(pool, 0 if token_in == 0 else 1, ChainTime(OPENS_S + 1, 0)) == 2_500_000


@pytest.mark.parametrize("mode", list(SchedulerMode))
def test_first_second_is_found_in_which_a_falling_fee_is_low_enough(mode: SchedulerMode) -> None:
    reduction = 9_750_000 if mode is SchedulerMode.LINEAR else 3_000
    pool = falling_pool(BaseFee(100_000_000, 10, 6, reduction, mode)).state
    now = ChainTime(OPENS_S + 1, 0)
    seconds = seconds_until_fee(pool, 1, 50_000_000, now)
    assert seconds is not None
    assert fee_rate(pool, 1, ChainTime(now.unix_s + seconds, 0)) <= 50_000_000
    assert fee_rate(pool, 1, ChainTime(now.unix_s + seconds - 1, 0)) > 50_000_000


def test_fee_that_falls_to_just_what_is_wanted_is_waited_for() -> None:
    pool = falling_pool(BaseFee(100_000_000, 10, 6, 9_750_000, SchedulerMode.LINEAR)).state
    at = ChainTime(OPENS_S, 0)
    seconds = seconds_until_fee(pool, 1, 80_500_000, at)
    assert seconds is not None
    assert fee_rate(pool, 1, ChainTime(at.unix_s + seconds, 0)) == 80_500_000


def test_fee_that_falls_by_slots_is_waited_for_as_long_as_the_chain_takes_for_them() -> None:
    """Until 2026 a slot of mainnet's took 400 ms, and half of that since."""
    pool = falling_pool(BaseFee(100_000_000, 10, 300, 9_750_000, SchedulerMode.LINEAR)).state
    assert isinstance(pool, DammV2Pool)
    by_slot = replace(pool, activation_type=ActivationType.SLOT, activation_point=1_000)
    waits = [
        seconds_until_fee(by_slot, 1, 50_000_000, ChainTime(OPENS_S, 1_000, block_s))
        for block_s in (0.4, 0.2)
    ]
    assert waits == [720, 360]


def test_fee_that_does_not_fall_so_far_is_not_waited_for() -> None:
    pool = a_launch("cpmm").state
    assert seconds_until_fee(pool, 1, 2_499_999, ChainTime(OPENS_S, 0)) is None


def test_launches_of_a_pair_are_those_that_open_after_the_order_the_oldest_first() -> None:
    old, other = named("old"), named("other", pair=("SOL", "BONK"))
    later, first = named("later"), named("first")
    yet_to_open = named("yet to open", opens_at_s=OPENS_S + 60)
    openings = {
        "old": Opening(90, NOON),
        "other": Opening(95, NOON + timedelta(seconds=1)),
        "later": Opening(99, NOON + timedelta(seconds=3)),
        "first": Opening(100, NOON + timedelta(seconds=2)),
        "yet to open": Opening(100, NOON + timedelta(seconds=4)),
        "higher": Opening(101, NOON + timedelta(seconds=5)),
        "unknown": Opening(99, NOON + timedelta(seconds=6)),
    }
    market = {pool.pool_id: pool for pool in (old, other, later, first, yet_to_open, named("higher"))}
    found = launches_of(
        market,
        DirectedPair("USDC", "SOL"),
        SeenOpenings(100, openings),
        ChainTime(OPENS_S + 1, 0),
        since=NOON,
    )
    assert [(each.pool_id, each.opened_height, each.is_open) for each in found] == [
        ("first", 100, True),
        ("later", 99, True),
        ("yet to open", 100, False),
        ("higher", 101, False),
    ]
    assert {each.height for each in found} == {100}
    assert [each.fee_rate for each in found] == [2_500_000, 2_500_000, 0, 0]
    assert found[0].liquidity_units == pools.reserves(first.state)[1]


@pytest.mark.parametrize("reserves", [(0, 0), (0, 10**9), (10**9, 0)])
def test_open_pool_that_is_shown_with_nothing_to_pay_is_no_launch(reserves: tuple[int, int]) -> None:
    """What a broken node shows: an order fails for no such pool."""
    state = named("launch").state
    assert isinstance(state, CpmmPool)
    one, other = reserves
    empty = named("empty")._replace(state=replace(state, reserve_0=one, reserve_1=other))
    seen = SeenOpenings(100, {each: Opening(99, NOON + timedelta(seconds=1)) for each in ("launch", "empty")})
    market = {"launch": named("launch"), "empty": empty}
    for pair in (DirectedPair("USDC", "SOL"), DirectedPair("SOL", "USDC")):
        found = launches_of(market, pair, seen, ChainTime(OPENS_S + 1, 0), since=NOON)
        assert [each.pool_id for each in found] == ["launch"]


def test_newest_pool_of_a_pair_meets_its_orders_and_those_of_any_new_mint() -> None:
    mint = "7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2hr"
    known = [named("a"), named("b"), named("c", pair=("SOL", mint)), named("unseen", pair=("SOL", "BONK"))]
    known.append(named("d", pair=("SOL", "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin")))
    at = {each: NOON + timedelta(seconds=n) for each, n in (("a", 2), ("b", 1), ("c", 3), ("d", 0))}
    openings = SeenOpenings(100, {pool_id: Opening(99, moment) for pool_id, moment in at.items()})
    pairs = [DirectedPair("SOL", name) for name in ("USDC", mint, NEW_MINT, "BONK")]
    met = seen_launches(Prices(known, OPENS_S, 0, 100), pairs, openings)
    assert [(each.pair, each.rate) for each in met] == [
        (pair, moment_rate(at[pool_id])) for pair, pool_id in zip(pairs[:3], "acc", strict=True)
    ]


def test_pool_that_has_yet_to_open_hides_no_newer_one_and_one_found_late_counts_from_then_on() -> None:
    opening = {
        "in a year": Opening(101, NOON + timedelta(days=365)),
        "open": Opening(99, NOON + timedelta(seconds=5)),
        "found late": Opening(98, NOON + timedelta(seconds=3), NOON + timedelta(seconds=7)),
    }
    prices = Prices([named(each) for each in opening], OPENS_S, 0, 100)
    pair = DirectedPair("USDC", "SOL")

    def met(*pool_ids: str) -> object:
        seen = SeenOpenings(100, {each: opening[each] for each in pool_ids})
        return [each.rate for each in seen_launches(prices, [pair], seen)]

    assert met("in a year") == []
    assert met("in a year", "open") == [moment_rate(NOON + timedelta(seconds=5))]
    assert met(*opening) == [moment_rate(NOON + timedelta(seconds=7))]
