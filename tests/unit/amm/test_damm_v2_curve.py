"""Curves of a DAMM v2 pool: every rounding favours the pool, and no curve pays what it does not hold."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.amm.damm_v2_curve import CompoundingCurve, ConcentratedCurve
from chalicelib.amm.swaps import U64_MAX, SwapRefusedError, TokenIndex

ONE = 1 << 64
CONCENTRATED = ConcentratedCurve(ONE, 10**12 << 64, ONE // 2, 2 * ONE)
COMPOUNDING = CompoundingCurve(10**12, 2 * 10**12)
Curve = ConcentratedCurve | CompoundingCurve

curves = st.sampled_from([CONCENTRATED, COMPOUNDING])
tokens: st.SearchStrategy[TokenIndex] = st.sampled_from([0, 1])


def value(curve: Curve, pays: TokenIndex) -> int:
    return curve.reserves()[pays]


@given(curves, tokens, st.integers(1, 10**11))
def test_output_is_worth_no_more_than_the_input_at_the_price_before(
    curve: Curve, token_in: TokenIndex, amount: int
) -> None:
    out, after = curve.take_in(amount, token_in)
    numerator, denominator = curve.price() if token_in == 0 else curve.price()[::-1]
    assert out * denominator <= amount * numerator
    assert value(after, 1 if token_in == 0 else 0) <= value(curve, 1 if token_in == 0 else 0)


@given(curves, tokens, st.integers(1, 10**11))
def test_there_and_back_never_profits(curve: Curve, token_in: TokenIndex, amount: int) -> None:
    out, after = curve.take_in(amount, token_in)
    if out:
        back, _ = after.take_in(out, 1 if token_in == 0 else 0)
        assert back <= amount


@given(curves, tokens, st.integers(1, 10**11))
def test_cost_of_an_output_buys_it(curve: Curve, token_in: TokenIndex, wanted: int) -> None:
    cost, _ = curve.give_out(wanted, token_in)
    bought, _ = curve.take_in(cost, token_in)
    assert bought >= wanted - 1
    if cost > 1:
        assert curve.take_in(cost - 1, token_in)[0] <= wanted


@pytest.mark.parametrize("curve", [CONCENTRATED, COMPOUNDING])
@pytest.mark.parametrize("token_in", [0, 1])
def test_curve_does_not_pay_more_than_it_holds(curve: Curve, token_in: TokenIndex) -> None:
    held = curve.reserves()[1 - token_in]
    with pytest.raises(SwapRefusedError):
        curve.give_out(held + 1, token_in)


@pytest.mark.parametrize("token_in", [0, 1])
def test_price_does_not_leave_its_range(token_in: TokenIndex) -> None:
    with pytest.raises(SwapRefusedError):
        CONCENTRATED.take_in(10**13, token_in)


@pytest.mark.parametrize(
    "empty", [replace(CONCENTRATED, liquidity=0), CompoundingCurve(0, 5), CompoundingCurve(5, 0)]
)
@pytest.mark.parametrize("token_in", [0, 1])
def test_curve_without_liquidity_is_refused_and_not_divided_by(empty: Curve, token_in: TokenIndex) -> None:
    for ask in (empty.take_in, empty.give_out):
        with pytest.raises(SwapRefusedError):
            ask(1, token_in)


def test_concentrated_curve_at_an_end_of_its_range_pays_in_one_direction() -> None:
    at_bottom = replace(CONCENTRATED, sqrt_price=ONE // 2)
    at_top = replace(CONCENTRATED, sqrt_price=2 * ONE)
    assert (at_bottom.can_pay_for(0), at_bottom.can_pay_for(1)) == (False, True)
    assert (at_top.can_pay_for(0), at_top.can_pay_for(1)) == (True, False)


def test_compounded_fee_joins_the_reserve_of_b() -> None:
    assert COMPOUNDING.compounded(7).reserves() == (10**12, 2 * 10**12 + 7)
    with pytest.raises(SwapRefusedError):
        COMPOUNDING.compounded(U64_MAX)


def test_square_root_of_a_compounding_price_is_rounded_down() -> None:
    assert CompoundingCurve(1, 4).sqrt_price == 2 * ONE
    root = COMPOUNDING.sqrt_price
    assert root**2 <= 2 << 128 < (root + 1) ** 2
