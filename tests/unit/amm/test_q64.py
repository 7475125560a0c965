"""Powers in 64.64 fixed point: close to the real ones, truncated, and refused where they do not fit."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.amm.q64 import EXPONENT_MAX, ONE, power
from chalicelib.amm.swaps import SwapRefusedError


@pytest.mark.parametrize("base", [1, ONE // 2, ONE, 3 * ONE])
def test_power_of_zero_is_one(base: int) -> None:
    assert power(base, 0) == ONE


@given(st.integers(1, 400), st.integers(-200, 200))
def test_power_is_the_real_one_within_its_precision(step_bps: int, exponent: int) -> None:
    base = ONE + (step_bps << 64) // 10_000
    real = Fraction(base, ONE) ** exponent
    assert abs(Fraction(power(base, exponent), ONE) / real - 1) < Fraction(1, 2**48)


@given(st.integers(1, 100), st.integers(1, 1_000))
def test_greater_exponent_never_gives_less(step_bps: int, exponent: int) -> None:
    base = ONE + (step_bps << 64) // 10_000
    assert power(base, exponent) >= power(base, exponent - 1)


@pytest.mark.parametrize("exponent", [EXPONENT_MAX, -EXPONENT_MAX])
def test_exponent_beyond_the_programs_is_refused(exponent: int) -> None:
    with pytest.raises(SwapRefusedError):
        power(ONE + 1, exponent)
    assert power(ONE + 1, exponent - exponent // abs(exponent))


@pytest.mark.parametrize(("base", "exponent"), [(2 * ONE, 64), (2 * ONE, -65), (ONE // 2, 65)])
def test_result_that_does_not_fit_is_refused(base: int, exponent: int) -> None:
    with pytest.raises(SwapRefusedError):
        power(base, exponent)
