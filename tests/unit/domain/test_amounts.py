"""Amounts: exact both ways, refused rather than rounded."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.amounts import (
    BPS_PER_UNIT,
    MAX_UNITS,
    ceil_div,
    format_units,
    max_in_units,
    min_out_units,
    parse_units,
    price_text,
)
from chalicelib.domain.errors import Code, FieldError

UNITS = st.integers(1, MAX_UNITS)
SCALES = st.integers(0, 18)
BPS = st.integers(0, BPS_PER_UNIT)


@given(units=UNITS, scale=SCALES)
def test_what_is_formatted_parses_to_the_same_units(units: int, scale: int) -> None:
    assert parse_units(format_units(units, scale), scale, field="amount") == units


@given(units=UNITS, scale=SCALES)
def test_formatted_text_is_the_exact_value_in_its_shortest_form(units: int, scale: int) -> None:
    shown = format_units(units, scale)
    assert Decimal(shown) == Decimal(units).scaleb(-scale)
    assert "." not in shown or shown[-1] not in "0."


@given(text=st.from_regex(r"[0-9]{1,12}(\.[0-9]{1,12})?", fullmatch=True), scale=SCALES)
def test_parsed_units_equal_the_text_or_it_is_refused(text: str, scale: int) -> None:
    exact = Decimal(text).scaleb(scale)
    try:
        units = parse_units(text, scale, field="amount")
    except FieldError:
        assert exact != exact.to_integral_value() or exact == 0 or exact > MAX_UNITS
    else:
        assert units == exact


@given(text=st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    with suppress(FieldError):
        assert 0 < parse_units(text, 9, field="amount") <= MAX_UNITS


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "+1", "-1", "1e3", "1_000", "1,5", ".5", "5.", "NaN", "0x1", "١", "1\n"]
)
def test_anything_but_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match="plain positive decimal"):
        parse_units(text, 9, field="amount")


def test_excess_decimals_are_refused_and_trailing_zeros_are_not() -> None:
    assert parse_units("1.500000000000", 6, field="amount") == 1_500_000
    with pytest.raises(FieldError, match="at most 6 decimals"):
        parse_units("1.0000001", 6, field="amount")


@pytest.mark.parametrize("decimals", [41, 100])
def test_rule_is_the_same_however_many_digits_there_are(decimals: int) -> None:
    assert parse_units("1." + "0" * decimals, 9, field="amount") == 10**9
    with pytest.raises(FieldError, match="at most 9 decimals") as refused:
        parse_units("0." + "0" * (decimals - 1) + "1", 9, field="amount")
    assert refused.value.code is Code.TOO_MANY_DECIMALS
    with pytest.raises(FieldError, match="at most 18446744073"):
        parse_units("1" * decimals, 9, field="amount")


def test_largest_amount_is_that_of_the_chain() -> None:
    assert parse_units(str(MAX_UNITS), 0, field="amount") == MAX_UNITS
    with pytest.raises(FieldError, match="at most 18446744073709551615"):
        parse_units(str(MAX_UNITS + 1), 0, field="amount")


@pytest.mark.parametrize("text", ["0", "0.0", "000"])
def test_zero_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match="greater than 0"):
        parse_units(text, 9, field="amount")


def test_negative_units_are_shown_with_their_sign() -> None:
    assert format_units(-1_500_000, 6) == "-1.5"
    assert [format_units(units, 6) for units in (-2_000_000, 0)] == ["-2", "0"]


@given(quoted=UNITS, slippage_bps=BPS)
def test_limits_are_rounded_in_the_traders_favour(quoted: int, slippage_bps: int) -> None:
    least, most = min_out_units(quoted, slippage_bps), max_in_units(quoted, slippage_bps)
    assert least >= 1
    assert least == 1 or (least - 1) * BPS_PER_UNIT < quoted * (BPS_PER_UNIT - slippage_bps)
    assert least * BPS_PER_UNIT >= quoted * (BPS_PER_UNIT - slippage_bps)
    assert quoted <= most <= MAX_UNITS
    allowed = quoted * (BPS_PER_UNIT + slippage_bps)
    assert most == MAX_UNITS or allowed < (most + 1) * BPS_PER_UNIT
    assert most * BPS_PER_UNIT <= allowed


@given(dividend=UNITS, divisor=UNITS)
def test_ceil_div_is_the_least_integer_not_below_the_ratio(dividend: int, divisor: int) -> None:
    quotient = ceil_div(dividend, divisor)
    assert (quotient - 1) * divisor < dividend <= quotient * divisor


def test_price_is_in_token_units_with_twelve_digits() -> None:
    assert price_text(150_000_000, 6, 1_000_000_000, 9) == "150"
    assert price_text(1, 0, 3, 0) == "0.333333333333"
    assert price_text(2, 5, 10**9, 9) == "0.00002"


def test_price_per_nothing_is_none() -> None:
    assert price_text(1, 6, 0, 9) is None
