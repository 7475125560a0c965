"""Ticks and their prices, to the program's last digit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.amm.clmm_tick import (
    SQRT_PRICE_MAX,
    SQRT_PRICE_MIN,
    TICK_MAX,
    sqrt_price_at,
    tick_at,
    tick_near,
)


@pytest.mark.parametrize(
    ("tick", "sqrt_price"),
    [
        (0, 1 << 64),
        (1, 18447666387855957090),
        (-1, 18445821805675395072),
        (60, 18502164624211742928),
        (-32400, 3650882344299191026),
        (-TICK_MAX, SQRT_PRICE_MIN),
        (TICK_MAX, SQRT_PRICE_MAX),
    ],
)
def test_tick_price_has_the_programs_last_digits(tick: int, sqrt_price: int) -> None:
    assert sqrt_price_at(tick) == sqrt_price


@pytest.mark.parametrize("tick", [-TICK_MAX + 1, -28861, -60, -1, 0, 1, 60, 28861, TICK_MAX - 1])
def test_tick_of_a_price_is_the_greatest_at_or_below_it(tick: int) -> None:
    assert tick_at(sqrt_price_at(tick)) == tick
    assert tick_at(sqrt_price_at(tick) - 1) == tick - 1
    assert tick_at(sqrt_price_at(tick + 1) - 1) == tick


@pytest.mark.parametrize("guess", [-TICK_MAX - 1, -TICK_MAX, -7, -6, -5, 0, TICK_MAX])
def test_tick_near_is_the_same_tick_whatever_the_guess(guess: int) -> None:
    for price in (
        SQRT_PRICE_MIN,
        sqrt_price_at(-6) - 1,
        sqrt_price_at(-6),
        sqrt_price_at(-5) - 1,
        3651942632306380802,
    ):
        assert tick_near(price, guess) == tick_at(price)


def test_ticks_and_prices_out_of_range_are_errors() -> None:
    with pytest.raises(ValueError, match="tick must be"):
        sqrt_price_at(TICK_MAX + 1)
    for sqrt_price in (SQRT_PRICE_MIN - 1, SQRT_PRICE_MAX):
        with pytest.raises(ValueError, match="sqrt_price must be"):
            tick_at(sqrt_price)


@given(st.integers(SQRT_PRICE_MIN, SQRT_PRICE_MAX - 1))
def test_every_price_lies_between_its_tick_and_the_next(sqrt_price: int) -> None:
    tick = tick_at(sqrt_price)
    assert sqrt_price_at(tick) <= sqrt_price
    assert tick == TICK_MAX or sqrt_price < sqrt_price_at(tick + 1)
