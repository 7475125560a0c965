"""One step through constant liquidity: rounding never favours the trader, and a target is never passed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.amm.clmm_step import amount_0, step_in, step_out
from chalicelib.amm.clmm_tick import sqrt_price_at
from chalicelib.amm.swaps import U64_MAX, SwapRefusedError

ONE = 1 << 64
LIQUIDITY = 10**12
RATE = 2_500  # 25 bps
UP, DOWN = sqrt_price_at(600), sqrt_price_at(-600)

targets = st.sampled_from([UP, DOWN])


@given(targets, st.integers(1, 10**15), st.integers(0, 100_000))
def test_input_is_spent_up_to_the_target_and_not_beyond(target: int, remaining: int, rate: int) -> None:
    step = step_in(ONE, target, LIQUIDITY, remaining, rate)
    assert step.amount_in + step.fee <= remaining
    assert min(ONE, target) <= step.sqrt_price <= max(ONE, target)
    if step.sqrt_price != target:
        assert step.amount_in + step.fee == remaining
    assert step.fee * (10**6 - rate) >= step.amount_in * rate


@given(targets, st.integers(1, 10**12))
def test_output_is_at_most_what_was_asked_for_and_all_of_it_short_of_the_target(
    target: int, remaining: int
) -> None:
    step = step_out(ONE, target, LIQUIDITY, remaining, RATE)
    assert step.amount_out <= remaining
    if step.sqrt_price != target:
        assert step.amount_out >= remaining - 1


@given(targets, st.integers(1_000, 10**10))
def test_buying_what_an_input_bought_costs_no_less(target: int, amount: int) -> None:
    bought = step_in(ONE, target, LIQUIDITY, amount, RATE)
    if bought.amount_out:
        again = step_out(ONE, target, LIQUIDITY, bought.amount_out, RATE)
        # The input may have paid for a part of a unit that did not come out.
        assert bought.amount_in + bought.fee - (again.amount_in + again.fee) <= 3


def test_whole_range_costs_the_same_from_either_side() -> None:
    by_input = step_in(ONE, UP, LIQUIDITY, 10**15, RATE)
    by_output = step_out(ONE, UP, LIQUIDITY, 10**15, RATE)
    assert by_input == by_output
    assert by_input.sqrt_price == UP


def test_token_0_between_two_prices_is_the_same_from_either_side() -> None:
    assert amount_0(ONE, UP, LIQUIDITY) == amount_0(UP, ONE, LIQUIDITY)
    numerator, denominator = amount_0(ONE, 2 * ONE, LIQUIDITY)
    assert numerator / denominator == LIQUIDITY / 2


def test_amounts_beyond_u64_are_refused() -> None:
    with pytest.raises(SwapRefusedError):
        step_in(ONE, 4 * ONE, U64_MAX << 8, U64_MAX << 10, 0)


def test_output_that_the_liquidity_does_not_hold_is_refused() -> None:
    # Far above, where the range would never end: asking for all of token 0 has no price.
    with pytest.raises(SwapRefusedError):
        step_out(ONE, 1 << 200, LIQUIDITY, LIQUIDITY, 0)
