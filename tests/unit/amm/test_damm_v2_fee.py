"""Fees of a DAMM v2 pool: what volatility adds, for how long, and up to which cap."""

from dataclasses import replace

import pytest

from chalicelib.amm.damm_v2_fee import (
    BaseFee,
    DammCollectFeeMode,
    DammV2Fees,
    DynamicFee,
    DynamicFeeParameters,
)
from chalicelib.amm.swaps import SwapRefusedError

ONE = 1 << 64
PARAMETERS = DynamicFeeParameters(
    bin_step=1,
    bin_step_q64=ONE // 10_000,
    variable_fee_control=956,
    max_volatility_accumulator=14_460_000,
    filter_period=10,
    decay_period=120,
    reduction_factor=5_000,
)
CALM = DynamicFee(PARAMETERS, 0, 0, sqrt_price_reference=ONE, last_update_timestamp=1_000)
A_PERCENT_UP = ONE + ONE // 100  # of the square root: 200 bins of a basis point


def test_volatility_of_a_swap_counts_from_the_next_one_on() -> None:
    assert CALM.variable_fee_numerator() == 0
    moved = CALM.after_swap(ONE, A_PERCENT_UP, 1_001)
    assert moved.volatility_accumulator == pytest.approx(2_000_000, abs=20_000)
    assert moved.variable_fee_numerator() == -(-956 * moved.volatility_accumulator**2 // 10**11)


@pytest.mark.parametrize(
    ("timestamp_s", "reference"),
    [(1_009, 400_000), (1_010, 500_000), (1_119, 500_000), (1_120, 0), (900, 400_000)],
)
def test_past_volatility_counts_less_with_time_and_no_time_passes_backwards(
    timestamp_s: int, reference: int
) -> None:
    agitated = replace(CALM, volatility_accumulator=1_000_000, volatility_reference=400_000)
    assert agitated.after_swap(ONE, ONE, timestamp_s).volatility_reference == reference


def test_volatility_has_a_limit() -> None:
    far = CALM.after_swap(ONE, 4 * ONE, 1_001)
    assert far.volatility_accumulator == PARAMETERS.max_volatility_accumulator


def test_time_is_noted_only_when_a_bin_is_crossed() -> None:
    assert CALM.after_swap(ONE, ONE + 1, 1_005).last_update_timestamp == 1_000
    assert CALM.after_swap(ONE, A_PERCENT_UP, 1_005).last_update_timestamp == 1_005


def test_price_that_moved_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(SwapRefusedError):
        CALM.after_swap(1, 1 << 70, 1_001)


@pytest.mark.parametrize(
    ("mode", "on_input"),
    [
        (DammCollectFeeMode.BOTH, (False, False)),
        (DammCollectFeeMode.ONLY_B, (False, True)),
        (DammCollectFeeMode.COMPOUNDING, (False, True)),
    ],
)
def test_fee_is_in_the_token_of_the_mode(mode: DammCollectFeeMode, on_input: tuple[bool, bool]) -> None:
    fees = DammV2Fees(BaseFee(1), mode)
    assert (fees.is_on_input(0), fees.is_on_input(1)) == on_input


def test_total_rate_is_base_and_dynamic_up_to_the_cap() -> None:
    fees = DammV2Fees(BaseFee(2_500_000), DammCollectFeeMode.BOTH, max_fee_numerator=3_000_000)
    mild = replace(CALM, volatility_accumulator=1_000)
    wild = replace(CALM, volatility_accumulator=14_460_000)
    assert fees.numerator_at(0, 0, None) == 2_500_000
    assert fees.numerator_at(0, 0, mild) == 2_500_000 + 1
    assert fees.numerator_at(0, 0, wild) == 2_500_000 + 500_000


def test_move_that_ends_a_hair_before_a_bin_has_not_crossed_it() -> None:
    price = 3 * ONE
    at_the_bin = -(-price * (ONE + PARAMETERS.bin_step_q64) // ONE)
    calm = replace(CALM, sqrt_price_reference=price)
    for moved_to, bins in ((at_the_bin, 2), (at_the_bin - 1, 0)):
        after = calm.after_swap(price, moved_to, 1_001)
        assert after.volatility_accumulator == bins * 10_000
        assert after.last_update_timestamp == (1_001 if bins else 1_000)
