"""Launches out of pools and openings: fees as the pools' maths have them, and when one has come down."""

from decimal import Decimal

import pytest

from chalicelib.adapters.simulated_market.definition import PARAMETERS, VENUES, PoolDefinition
from chalicelib.adapters.simulated_market.openings import opening_state
from chalicelib.adapters.token_list import load_tokens
from chalicelib.amm.damm_v2_schedule import BaseFee, SchedulerMode
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.ports import ChainTime
from chalicelib.services.resting.launching import fee_rate, seconds_until_fee

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


def test_fee_that_does_not_fall_so_far_is_not_waited_for() -> None:
    pool = a_launch("cpmm").state
    assert seconds_until_fee(pool, 1, 2_499_999, ChainTime(OPENS_S, 0)) is None
