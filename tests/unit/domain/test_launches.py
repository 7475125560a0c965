"""Launches: a sniper order buys, waits or refuses, and each filter is named."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.domain.errors import FieldError
from chalicelib.domain.launches import (
    DELAY_BLOCKS_MAX,
    Filter,
    Launch,
    LaunchDecision,
    LaunchJudgement,
    Opening,
    Sniper,
    check_sniper_mode,
    judge,
)
from chalicelib.domain.swap_mode import SwapMode

REFUSED, WAIT, BUY = LaunchDecision.REFUSED, LaunchDecision.WAIT, LaunchDecision.BUY


def a_launch(*, height: int = 100, fee_rate: int = 2_500_000, liquidity_units: int = 10**9) -> Launch:
    return Launch("pool", "meteora-damm-v2", 100, height, liquidity_units, fee_rate)


@pytest.mark.parametrize(
    ("sniper", "launch", "judgement"),
    [
        (Sniper(), a_launch(), LaunchJudgement(BUY)),
        (Sniper(), a_launch(height=99), LaunchJudgement(WAIT)),
        (Sniper(), replace(a_launch(), is_open=False), LaunchJudgement(WAIT)),
        (Sniper(venue="meteora-damm-v2"), a_launch(), LaunchJudgement(BUY)),
        (Sniper(venue="raydium-cpmm"), a_launch(), LaunchJudgement(REFUSED, Filter.VENUE)),
        (Sniper(max_delay_blocks=0), a_launch(), LaunchJudgement(BUY)),
        (Sniper(max_delay_blocks=5), a_launch(height=105), LaunchJudgement(BUY)),
        (Sniper(max_delay_blocks=5), a_launch(height=106), LaunchJudgement(REFUSED, Filter.MAX_DELAY)),
        (Sniper(min_liquidity_units=10**9), a_launch(), LaunchJudgement(BUY)),
        (Sniper(min_liquidity_units=10**9 + 1), a_launch(), LaunchJudgement(REFUSED, Filter.MIN_LIQUIDITY)),
        (Sniper(max_fee_bps=25), a_launch(), LaunchJudgement(BUY)),
        (Sniper(max_fee_bps=25), a_launch(fee_rate=2_500_001), LaunchJudgement(WAIT, Filter.MAX_FEE)),
        (Sniper(max_fee_bps=25, max_delay_blocks=3), a_launch(height=104, fee_rate=10**8),
         LaunchJudgement(REFUSED, Filter.MAX_DELAY)),
    ],
)  # fmt: skip
def test_launch_is_judged_by_the_filters(sniper: Sniper, launch: Launch, judgement: LaunchJudgement) -> None:
    assert judge(sniper, launch) == judgement


def test_opening_is_noticed_when_it_is_both_open_and_known() -> None:
    early, late = (datetime(2026, 11, 28, hour, tzinfo=UTC) for hour in (11, 12))
    assert Opening(7, early).noticed_at == early
    assert Opening(7, early, found_at=late).noticed_at == late
    assert Opening(7, late, found_at=early).noticed_at == late


def test_filters_out_of_range_are_refused_by_name() -> None:
    with pytest.raises(FieldError, match=r"sniper\.maxFeeBps must be from 0 to 10000"):
        Sniper(max_fee_bps=10_001)
    with pytest.raises(FieldError, match=r"sniper\.maxDelayBlocks must be from 0"):
        Sniper(max_delay_blocks=-1)


def test_filters_at_the_ends_of_their_ranges_are_taken() -> None:
    for least_or_most in (0, 10_000):
        assert Sniper(max_fee_bps=least_or_most).max_fee_bps == least_or_most
    for least_or_most in (0, DELAY_BLOCKS_MAX):
        assert Sniper(max_delay_blocks=least_or_most).max_delay_blocks == least_or_most


def test_sniper_order_names_what_it_gives() -> None:
    check_sniper_mode(SwapMode.EXACT_IN)
    with pytest.raises(FieldError, match="swapMode must be exactIn"):
        check_sniper_mode(SwapMode.EXACT_OUT)
