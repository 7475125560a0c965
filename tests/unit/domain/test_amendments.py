"""Other terms for an order that rests: what may change, and what stays."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.amendments import Amendment, amended
from chalicelib.domain.errors import FieldError
from chalicelib.domain.orders import OrderState
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from tests.fakes.orders import NOON, an_order, changed

STOP = Trigger(
    "140", When.BELOW, Rate.of(140, 1_000), Direction.AT_MOST, PriceSource.MARK, 2, IfAlreadyMet.REFUSE
)


def resting(**terms: Any) -> OrderState:
    said = {
        "order_type": OrderType.LIMIT,
        "limit": Limit("138", Rate.of(138, 1_000)),
        "trigger": STOP,
        "slippage_bps": None,
        "valid_for_s": None,
        "time_in_force": TimeInForce.GTC,
    }
    return OrderState(replace(changed(an_order(), **(said | terms)), valid_until=None))


def test_what_is_named_changes_and_all_else_stays() -> None:
    state = resting()
    changes = Amendment("137", "139", "2.5", NOON + timedelta(days=2))
    order = amended(state, changes, load_tokens(), NOON)
    terms = order.terms
    assert terms.limit == Limit("137", Rate.of(137, 1_000))
    assert terms.trigger == replace(STOP, price="139", rate=Rate.of(139, 1_000))
    assert (terms.amount_units, terms.time_in_force) == (2_500_000_000, TimeInForce.GTD)
    assert order.valid_until == terms.expires_at == NOON + timedelta(days=2)
    assert (order.order_id, order.content_sha256) == (state.order.order_id, state.order.content_sha256)
    assert amended(state, Amendment("137"), load_tokens(), NOON).terms.trigger == STOP


def test_end_that_is_not_named_stays() -> None:
    ends = NOON + timedelta(days=3)
    order = resting(time_in_force=TimeInForce.GTD, expires_at=ends).order
    after = amended(OrderState(replace(order, valid_until=ends)), Amendment("137"), load_tokens(), NOON)
    assert (after.valid_until, after.terms.expires_at, after.terms.time_in_force) == (
        ends, ends, TimeInForce.GTD
    )  # fmt: skip
    waits = amended(resting(), Amendment("137"), load_tokens(), NOON)
    assert (waits.valid_until, waits.terms.time_in_force) == (None, TimeInForce.GTC)


def a_buy() -> OrderState:
    """An order for an exact output, whose amount is of SOL and whose bound is of USDC."""
    return resting(
        swap_mode=SwapMode.EXACT_OUT,
        input_token="USDC",
        output_token="SOL",
        trigger=None,
        limit=Limit("138", Rate.of(1_000, 138)),
    )


@pytest.mark.parametrize("state", [resting(), a_buy()])
def test_amount_is_of_the_token_that_the_order_names_up_to_the_most_of_it(state: OrderState) -> None:
    for amount, units in (("2.5", 2_500_000_000), ("20000", 20_000 * 10**9)):
        after = amended(state, Amendment(None, None, amount), load_tokens(), NOON)
        assert after.terms.amount_units == units
    with pytest.raises(FieldError, match="amount must be at most 20000 SOL"):
        amended(state, Amendment(None, None, "20000.000000001"), load_tokens(), NOON)


def test_bound_that_no_trade_could_keep_is_named_in_the_other_token() -> None:
    with pytest.raises(FieldError, match=r"leaves less than 0\.000001 USDC"):
        amended(a_buy(), Amendment("0.0000001"), load_tokens(), NOON)
    with pytest.raises(FieldError, match=r"asks for more than [0-9.]+ USDC"):
        amended(resting(), Amendment("9" * 30), load_tokens(), NOON)


@pytest.mark.parametrize(
    ("state", "changes", "problem"),
    [
        (resting(limit=None, slippage_bps=50), Amendment("137"), "limitPrice is not among the terms"),
        (resting(trigger=None), Amendment(None, "137"), "triggerPrice is not among the terms"),
        (
            replace(resting(), is_triggered=True),
            Amendment(None, "137"),
            "triggerPrice cannot change any more",
        ),
        (resting(), Amendment("0"), "limitPrice must be greater than 0"),
        (resting(), Amendment(""), "limitPrice must be a plain positive decimal number"),
        (resting(), Amendment("9" * 30), "limitPrice asks for more than"),
        (resting(), Amendment(None, None, "0"), "amount must be greater than 0"),
        (resting(), Amendment(None, None, "20001"), "amount must be at most"),
        (resting(), Amendment(None, None, None, NOON), "expiresAt must be in the future"),
        (
            resting(),
            Amendment(None, None, None, NOON + timedelta(days=31)),
            "expiresAt must be within 30 days",
        ),
    ],
)
def test_bad_change_is_refused_by_its_field(state: OrderState, changes: Amendment, problem: str) -> None:
    with pytest.raises(FieldError, match=problem):
        amended(state, changes, load_tokens(), NOON)
