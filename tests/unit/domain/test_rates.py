"""Limit prices: exact in both directions, and never worse than what was asked, by not one unit."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.domain.amounts import MAX_UNITS
from chalicelib.domain.errors import FieldError
from chalicelib.domain.rates import KEY_DIGITS, Bound, Limit, Rate, limit_rate, spelled_price
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.tokens import Token

UNITS = st.integers(1, MAX_UNITS)
SCALES = st.integers(0, 18)
SIDES = st.integers(1, 2**256)
RATES = st.builds(Rate.of, SIDES, SIDES)
PRICES = st.from_regex(r"[0-9]{1,20}(\.[0-9]{1,30})?", fullmatch=True).filter(lambda text: Decimal(text) > 0)
BASES = st.sampled_from(["IN", "OUT"])


def a_token(symbol: str, scale: int) -> Token:
    return Token(symbol, f"mint of {symbol}", scale, max_order_units=MAX_UNITS, leg_cost_units=0)


def a_rate(price: str, base: str, scale_in: int = 9, scale_out: int = 6) -> Rate:
    return limit_rate(
        price,
        input_token=a_token("IN", scale_in),
        output_token=a_token("OUT", scale_out),
        price_base=base,
        field="limitPrice",
    )


def asked_output_per_input(price: str, base: str) -> Fraction:
    """In token units, by the definition of the field."""
    return Fraction(price) if base == "IN" else 1 / Fraction(price)


def is_accepted(limit: Limit, mode: SwapMode, amount: int, other: Token) -> bool:
    try:
        limit.check(mode, amount, other)
    except FieldError:
        return False
    return True


@given(price=PRICES, zeros=st.integers(0, 3))
@example(price="100", zeros=0)
@example(price="0.10", zeros=1)
def test_equal_prices_have_one_spelling_of_the_same_value(price: str, zeros: int) -> None:
    other = "0" * zeros + price + ("" if "." in price else ".0") + "0" * zeros
    assert spelled_price(price) == spelled_price(other)
    assert Decimal(spelled_price(price)) == Decimal(price)


@given(price=PRICES, base=BASES, scale_in=SCALES, scale_out=SCALES, amount=UNITS)
@example(price="3", base="OUT", scale_in=0, scale_out=18, amount=1)
@example(price="0.000000000000000001", base="IN", scale_in=18, scale_out=0, amount=MAX_UNITS)
def test_least_output_keeps_the_price_and_one_unit_less_would_not(
    price: str, base: str, scale_in: int, scale_out: int, amount: int
) -> None:
    least = a_rate(price, base, scale_in, scale_out).least_output(amount)
    given_tokens = Fraction(amount, 10**scale_in)
    asked = asked_output_per_input(price, base)
    assert Fraction(least, 10**scale_out) / given_tokens >= asked
    assert Fraction(least - 1, 10**scale_out) / given_tokens < asked


@given(price=PRICES, base=BASES, scale_in=SCALES, scale_out=SCALES, amount=UNITS)
@example(price="7", base="IN", scale_in=0, scale_out=0, amount=1)
def test_most_input_keeps_the_price_and_one_unit_more_would_not(
    price: str, base: str, scale_in: int, scale_out: int, amount: int
) -> None:
    most = a_rate(price, base, scale_in, scale_out).most_input(amount)
    got_tokens = Fraction(amount, 10**scale_out)
    asked = asked_output_per_input(price, base)
    assert most == 0 or got_tokens / Fraction(most, 10**scale_in) >= asked
    assert got_tokens / Fraction(most + 1, 10**scale_in) < asked


@given(
    price=PRICES, base=BASES, scale_in=SCALES, scale_out=SCALES, mode=st.sampled_from(SwapMode), amount=UNITS
)
@example(price="3", base="OUT", scale_in=0, scale_out=18, mode=SwapMode.EXACT_IN, amount=1)
@example(price="7", base="IN", scale_in=6, scale_out=6, mode=SwapMode.EXACT_OUT, amount=20)
@example(price="1", base="IN", scale_in=6, scale_out=6, mode=SwapMode.EXACT_IN, amount=MAX_UNITS)
@example(price="1", base="IN", scale_in=6, scale_out=6, mode=SwapMode.EXACT_OUT, amount=MAX_UNITS)
def test_bound_is_the_last_unit_that_keeps_the_price_and_both_ways_to_it_agree(
    price: str, base: str, scale_in: int, scale_out: int, mode: SwapMode, amount: int
) -> None:
    rate, asked = a_rate(price, base, scale_in, scale_out), asked_output_per_input(price, base)
    other = a_token("OTHER", scale_out if mode is SwapMode.EXACT_IN else scale_in)

    def keeps(units: int) -> bool:
        given_units, got_units = (amount, units) if mode is SwapMode.EXACT_IN else (units, amount)
        return Fraction(got_units, 10**scale_out) >= asked * Fraction(given_units, 10**scale_in)

    def worse(bound: Bound) -> int:
        return bound.units - 1 if mode is SwapMode.EXACT_IN else bound.units + 1

    limit = Limit(price, rate)
    bound = limit.bound(mode, amount)
    assert keeps(bound.units)
    assert not keeps(worse(bound)) or bound.units == MAX_UNITS
    # Whether any trade that an account could make keeps it.
    assert is_accepted(limit, mode, amount, other) is keeps(MAX_UNITS if mode is SwapMode.EXACT_IN else 1)


@given(rate=RATES, mode=st.sampled_from(SwapMode), amount=UNITS, other=UNITS)
def test_trade_within_the_bound_is_a_trade_that_keeps_the_rate(
    rate: Rate, mode: SwapMode, amount: int, other: int
) -> None:
    amounts = (amount, other) if mode is SwapMode.EXACT_IN else (other, amount)
    limit = Limit("1", rate)
    if is_accepted(limit, mode, amount, a_token("OTHER", 6)):
        assert limit.bound(mode, amount).is_kept_by(*amounts) == rate.is_kept_by(*amounts)
    else:
        assert not rate.is_kept_by(*amounts)


@given(rate=RATES, market=RATES)
def test_keys_never_hide_a_rate_that_is_met(rate: Rate, market: Rate) -> None:
    if market.is_at_least(rate):
        assert rate.key_down() <= market.key_up()
    if rate.is_at_least(market):
        assert rate.key_up() >= market.key_down()


@given(rate=RATES)
def test_keys_stand_on_their_own_side_of_the_rate_and_close_to_it(rate: Rate) -> None:
    exact = Fraction(rate.output_units, rate.input_units)
    low, high = Fraction(rate.key_down()), Fraction(rate.key_up())
    assert low <= exact <= high
    assert high - low <= exact / 10 ** (KEY_DIGITS - 1)


@given(one=RATES, other=RATES)
def test_rates_are_ordered_as_fractions_are(one: Rate, other: Rate) -> None:
    as_fractions = [Fraction(rate.output_units, rate.input_units) for rate in (one, other)]
    assert one.is_at_least(other) == (as_fractions[0] >= as_fractions[1])
    assert one.inverse().is_at_least(other.inverse()) == (as_fractions[0] <= as_fractions[1])


def test_price_of_a_sell_is_its_rate_and_that_of_a_buy_the_inverse() -> None:
    assert a_rate("155.5", "IN") == Rate.of(155_500_000, 10**9)
    assert a_rate("155.5", "OUT", scale_in=6, scale_out=9) == Rate.of(10**9, 155_500_000)


def test_zeros_after_the_point_change_nothing() -> None:
    assert a_rate("155.500", "IN") == a_rate("155.5", "IN")


@pytest.mark.parametrize(
    "price", ["", "0", "0.000", "-1", "+1", "1e3", "NaN", "1.", ".5", "1,5", "١", "1" * 41]
)
def test_price_that_is_no_plain_positive_decimal_is_refused(price: str) -> None:
    with pytest.raises(FieldError, match="limitPrice"):
        a_rate(price, "IN")


def test_price_of_more_digits_than_any_has_is_told_so() -> None:
    assert a_rate("155.5" + "0" * 60, "IN") == a_rate("155.5", "IN")
    for price in ("1." + "0" * 40 + "1", "1" * 41):
        with pytest.raises(FieldError, match="at most 40 digits before the point and 40 behind it"):
            a_rate(price, "IN")


def test_bound_that_no_trade_could_keep_is_refused_by_name() -> None:
    out, paid = a_token("OUT", 6), a_token("IN", 9)
    with pytest.raises(FieldError, match=r"asks for more than 18446744073709\.551615 OUT"):
        Limit("2", Rate(2, 1)).check(SwapMode.EXACT_IN, MAX_UNITS, out)
    assert is_accepted(Limit("1", Rate(1, 1)), SwapMode.EXACT_IN, MAX_UNITS, out)
    with pytest.raises(FieldError, match=r"leaves less than 0\.000000001 IN"):
        Limit("2", Rate(2, 1)).check(SwapMode.EXACT_OUT, 1, paid)


def test_most_input_beyond_what_an_instruction_carries_is_no_tighter_than_that() -> None:
    limit = Limit("1", Rate(1, 2))
    assert is_accepted(limit, SwapMode.EXACT_OUT, MAX_UNITS, a_token("IN", 9))
    assert limit.bound(SwapMode.EXACT_OUT, MAX_UNITS).units == MAX_UNITS
