"""Triggers: stop or take-profit by side and when, in either way of quoting a price."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import FieldError
from chalicelib.domain.rates import Rate
from chalicelib.domain.tokens import Token
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When, trigger

SOL = Token("SOL", "mint of SOL", 9, 10**18, 0)
USDC = Token("USDC", "mint of USDC", 6, 10**18, 0)


def a_trigger(*, sells: bool = True, **fields: Any) -> Trigger:
    given_token, wanted = (SOL, USDC) if sells else (USDC, SOL)
    said = {"price": "140", "when": When.BELOW, "source": None, "confirmations": None, "if_already_met": None}
    return trigger(**(said | fields), input_token=given_token, output_token=wanted, price_base="SOL")


@pytest.mark.parametrize(
    ("sells", "when", "is_stop"),
    [
        (True, When.BELOW, True),
        (True, When.ABOVE, False),
        (False, When.ABOVE, True),
        (False, When.BELOW, False),
    ],
)
def test_side_and_when_tell_a_stop_from_a_take_profit(*, sells: bool, when: When, is_stop: bool) -> None:
    assert a_trigger(sells=sells, when=when).is_stop == is_stop


@given(
    sells=st.booleans(),
    when=st.sampled_from(When),
    asked=st.integers(1, 10**6),
    seen=st.integers(1, 10**6),
)
def test_trigger_fires_where_the_quoted_price_says_so_and_at_the_price_itself(
    *, sells: bool, when: When, asked: int, seen: int
) -> None:
    made = a_trigger(sells=sells, when=when, price=str(asked))
    per_sol = Rate.of(seen * 10**6, 10**9)
    seen_rate = per_sol if sells else per_sol.inverse()
    assert made.is_met_by(seen_rate) == (seen >= asked if when is When.ABOVE else seen <= asked)


def test_mark_is_looked_at_twice_unless_told_otherwise() -> None:
    made = a_trigger()
    assert (made.source, made.confirmations, made.if_already_met) == (
        PriceSource.MARK,
        2,
        IfAlreadyMet.REFUSE,
    )
    assert made.direction is Direction.AT_MOST


def test_executable_rate_needs_no_second_look() -> None:
    assert a_trigger(when=When.ABOVE, source=PriceSource.EXECUTABLE).confirmations == 1
    with pytest.raises(FieldError, match=r"trigger\.confirmations goes with source mark"):
        a_trigger(when=When.ABOVE, source=PriceSource.EXECUTABLE, confirmations=2)


def test_stop_may_look_at_what_its_own_size_gets() -> None:
    made = a_trigger(when=When.BELOW, source=PriceSource.EXECUTABLE)
    assert (made.is_stop, made.confirmations) == (True, 1)


@pytest.mark.parametrize("confirmations", [1, 10])
@pytest.mark.parametrize("if_already_met", IfAlreadyMet)
def test_what_is_said_of_confirmations_and_of_a_price_already_met_is_taken(
    confirmations: int, if_already_met: IfAlreadyMet
) -> None:
    made = a_trigger(confirmations=confirmations, if_already_met=if_already_met)
    assert (made.confirmations, made.if_already_met) == (confirmations, if_already_met)


@pytest.mark.parametrize("confirmations", [0, 11, -1])
def test_confirmations_out_of_range_are_refused(confirmations: int) -> None:
    with pytest.raises(FieldError, match=r"trigger\.confirmations must be from 1 to 10"):
        a_trigger(confirmations=confirmations)


def test_bad_price_is_refused_by_the_triggers_field() -> None:
    with pytest.raises(FieldError, match=r"trigger\.price must be"):
        a_trigger(price="-1")
