"""One bin: filled in part or whole, by any of four rules, and never to its own loss."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.amm.dlmm_bin import FILLS, Bin, BinFill, bin_after
from chalicelib.amm.swaps import U64_MAX, SwapRefusedError

RULES = sorted(FILLS)
RATE = 2_500_000  # 25 bps
PRICE = (3, 2)  # three in for two out

amounts = st.integers(1, 10**12)
prices = st.tuples(st.integers(1, 10**6), st.integers(1, 10**6))
rates = st.integers(0, 10**8)


def test_part_of_a_bin_pays_its_price_after_the_fee_on_the_input() -> None:
    fill = FILLS[True, True](3_000_000, 10**9, PRICE, RATE)
    assert fill == BinFill(3_000_000, 1_995_000, 7_500)


def test_part_of_a_bin_pays_its_price_less_the_fee_on_the_output() -> None:
    fill = FILLS[True, False](3_000_000, 10**9, PRICE, RATE)
    assert fill == BinFill(3_000_000, 1_995_000, 5_000)


@pytest.mark.parametrize("is_fee_on_input", [True, False])
def test_exact_output_is_delivered_to_the_unit(*, is_fee_on_input: bool) -> None:
    fill = FILLS[False, is_fee_on_input](1_000_001, 10**9, PRICE, RATE)
    assert fill.amount_out == 1_000_001
    assert fill.amount_in * (10**9 - RATE) * 2 >= 3 * 1_000_001 * 10**9


@given(st.sampled_from(RULES), amounts, amounts, prices, rates)
def test_bin_gives_no_more_than_it_holds_and_is_paid_its_price_at_least(
    rule: tuple[bool, bool], remaining: int, available: int, in_per_out: tuple[int, int], rate: int
) -> None:
    is_exact_in, is_fee_on_input = rule
    fill = FILLS[rule](remaining, available, in_per_out, rate)
    taken = fill.amount_out + fill.dust_out + (0 if is_fee_on_input else fill.fee)
    paid = fill.amount_in - (fill.fee if is_fee_on_input else 0)
    assert 0 <= taken <= available
    assert min(fill.amount_out, fill.fee, fill.dust_out) >= 0
    assert Fraction(paid) >= Fraction(taken) * in_per_out[0] / in_per_out[1]
    assert (fill.amount_in if is_exact_in else fill.amount_out) <= remaining


@pytest.mark.parametrize("rule", RULES)
def test_bin_that_cannot_fill_it_all_gives_everything(rule: tuple[bool, bool]) -> None:
    is_exact_in, is_fee_on_input = rule
    fill = FILLS[rule](10**12, 1_000, PRICE, RATE)
    assert fill.amount_out + (0 if is_fee_on_input else fill.fee) == 1_000
    assert fill.amount_in < 10**12 or not is_exact_in


@pytest.mark.parametrize("rule", RULES)
def test_input_beyond_u64_is_refused(rule: tuple[bool, bool]) -> None:
    with pytest.raises(SwapRefusedError):
        FILLS[rule](U64_MAX, U64_MAX, (3, 2), 0)


def test_bin_keeps_what_came_in_without_the_fee_and_loses_dust_too() -> None:
    held = Bin(7, 1_000, 2_000)
    fill = BinFill(300, 200, 10, dust_out=1)
    assert bin_after(held, fill, for_y=True, is_fee_on_input=True) == Bin(7, 1_290, 1_799)
    assert bin_after(held, fill, for_y=False, is_fee_on_input=False) == Bin(7, 789, 2_300)


def test_bin_beyond_u64_is_refused() -> None:
    with pytest.raises(SwapRefusedError):
        bin_after(Bin(0, U64_MAX, 1), BinFill(1, 1, 0), for_y=True, is_fee_on_input=True)
