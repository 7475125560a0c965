"""Fees of a DLMM pool: what it remembers of volatility, and for how long."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.amm.dlmm_fee import (
    FEE_RATE_MAX,
    DlmmParameters,
    DlmmVolatility,
    accumulated,
    fee_on_top,
    fee_rate,
    fee_within,
    references_at,
)

PARAMETERS = DlmmParameters(
    bin_step=25,
    base_factor=10_000,
    filter_period=30,
    decay_period=600,
    reduction_factor=5_000,
    variable_fee_control=7_500,
    max_volatility_accumulator=350_000,
    protocol_share_bps=500,
)
REMEMBERED = DlmmVolatility(40_000, 10_000, index_reference=98, last_update_timestamp=1_000)


@pytest.mark.parametrize(
    ("timestamp_s", "references"),
    [
        (1_029, (10_000, 98)),  # volatility goes on adding up
        (1_030, (20_000, 100)),  # half of it is left
        (1_599, (20_000, 100)),
        (1_600, (0, 100)),  # forgotten
        (999, (10_000, 98)),  # a clock that ran backwards: no time has passed
    ],
)
def test_past_volatility_counts_less_with_time(timestamp_s: int, references: tuple[int, int]) -> None:
    assert references_at(REMEMBERED, PARAMETERS, 100, timestamp_s) == references


def test_volatility_grows_with_the_distance_either_way_up_to_its_limit() -> None:
    moved = [accumulated(PARAMETERS, (5_000, 100), bin_id) for bin_id in (100, 103, 97, 200)]
    assert moved == [5_000, 35_000, 35_000, 350_000]


def test_rate_is_the_base_and_what_volatility_adds() -> None:
    assert fee_rate(PARAMETERS, 0) == 2_500_000  # 25 bps
    # 7500 · (20000 · 25)² / 10^11
    assert fee_rate(PARAMETERS, 20_000) == 2_500_000 + 18_750
    assert fee_rate(replace(PARAMETERS, variable_fee_control=0), 350_000) == 2_500_000
    assert fee_rate(replace(PARAMETERS, base_fee_power_factor=1), 0) == 25_000_000
    assert fee_rate(replace(PARAMETERS, base_fee_power_factor=3), 0) == FEE_RATE_MAX


@given(st.integers(1, 2**64), st.integers(0, FEE_RATE_MAX))
def test_fee_on_top_is_the_fee_contained_in_the_sum(amount: int, rate: int) -> None:
    total = amount + fee_on_top(amount, rate)
    assert 0 <= fee_on_top(amount, rate) - fee_within(total, rate) <= 1
