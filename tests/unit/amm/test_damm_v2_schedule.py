"""Rates that fall period by period, and fees inside and on top of amounts."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.amm.damm_v2_schedule import (
    FEE_DENOMINATOR,
    BaseFee,
    SchedulerMode,
    fee_within,
    scheduled,
    with_fee,
)
from chalicelib.amm.swaps import U64_MAX, SwapRefusedError

LINEAR = BaseFee(500_000_000, 10, 60, 40_000_000)
EXPONENTIAL = BaseFee(500_000_000, 10, 60, 1_000, SchedulerMode.EXPONENTIAL)


@pytest.mark.parametrize(
    ("point", "rate"),
    [
        (1_000, 500_000_000),
        (1_059, 500_000_000),
        (1_060, 460_000_000),
        (1_600, 100_000_000),
        (9_999, 100_000_000),  # the last period does not end
        (999, 100_000_000),  # before activation only the launch vault trades, at the final rate
    ],
)
def test_linear_rate_falls_by_the_same_each_period(point: int, rate: int) -> None:
    assert LINEAR.numerator_at(point, 1_000) == rate


def test_exponential_rate_keeps_the_same_share_each_period() -> None:
    rates = [EXPONENTIAL.numerator_at(1_000 + 60 * period, 1_000) for period in range(4)]
    assert rates == pytest.approx([500e6, 450e6, 405e6, 364.5e6], abs=2)
    assert scheduled(500_000_000, 1_000, 0, SchedulerMode.EXPONENTIAL) == 500_000_000


def test_rate_without_periods_never_changes() -> None:
    assert {BaseFee(25).numerator_at(point, 0) for point in (0, 1, 10**9)} == {25}


@given(st.integers(1, U64_MAX), st.integers(0, 990_000_000))
@example(1_152_921_430_874_449_322, 937_500_004)
def test_amount_with_its_fee_leaves_no_less_than_the_amount_or_is_refused(amount: int, rate: int) -> None:
    if amount * FEE_DENOMINATOR > U64_MAX * (FEE_DENOMINATOR - rate):
        with pytest.raises(SwapRefusedError):
            with_fee(amount, rate)
        return
    included = with_fee(amount, rate)
    assert included - fee_within(included, rate) >= amount
    fewer = included - 1
    assert fewer - fee_within(fewer, rate) < amount


@given(st.integers(0, U64_MAX), st.integers(0, FEE_DENOMINATOR - 1))
def test_fee_is_rounded_up_and_never_more_than_the_amount(amount: int, rate: int) -> None:
    fee = fee_within(amount, rate)
    assert fee * FEE_DENOMINATOR >= amount * rate
    assert (fee - 1) * FEE_DENOMINATOR < amount * rate
    assert fee <= amount


def test_amount_with_fee_beyond_u64_is_refused() -> None:
    with pytest.raises(SwapRefusedError):
        with_fee(U64_MAX, 1)
