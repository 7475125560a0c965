"""What an order's owner is told of a refusal: the order's own bound only where that was passed."""

from typing import Any

import pytest

from chalicelib.domain.errors import Code
from chalicelib.domain.rates import Limit, Rate
from chalicelib.services.consumer.refusals import refusal
from tests.fakes.orders import an_order, changed

LIMIT = {"limit": Limit("155", Rate.of(155, 1_000)), "slippage_bps": None}


@pytest.mark.parametrize(
    ("code", "terms", "is_of_a_leg", "message"),
    [
        (Code.SLIPPAGE_EXCEEDED, {}, False, "the price moved by more than 50 bps before"),
        (Code.SLIPPAGE_EXCEEDED, LIMIT, False, "the price moved beyond the order's limit before"),
        (Code.SLIPPAGE_EXCEEDED, {}, True, "in one pool the price moved by more than its part"),
        (Code.SLIPPAGE_EXCEEDED, LIMIT, True, "in one pool the price moved by more than its part"),
        (Code.INSUFFICIENT_LIQUIDITY, {}, False, "the pools could no longer fill the order"),
        (Code.INSUFFICIENT_LIQUIDITY, {}, True, "one pool could no longer fill its part"),
        (Code.INSUFFICIENT_FUNDS, {}, True, "the account does not hold enough SOL"),
        (Code.TRANSACTION_FAILED, {}, True, "the chain refused the transaction"),
    ],
)
def test_bound_is_named_where_it_was_passed(
    code: Code, terms: dict[str, Any], is_of_a_leg: bool, message: str
) -> None:
    found = refusal(code, changed(an_order(), **terms), "ByItsName", is_of_a_leg=is_of_a_leg)
    assert found.code is code
    assert found.message.startswith(message)
    assert found.message.endswith("(ByItsName)")


def test_owner_of_what_a_desk_swaps_may_have_approved_too_little_and_pays_for_no_account() -> None:
    found = refusal(Code.INSUFFICIENT_FUNDS, an_order(), is_for_a_fee=True, is_delegated=True)
    assert found.message == "the wallet no longer holds enough SOL, or has approved the desk for less of it"


def test_wallet_that_pays_for_accounts_may_lack_what_they_cost() -> None:
    found = refusal(Code.INSUFFICIENT_FUNDS, an_order(), is_for_a_fee=True)
    assert found.message == (
        "the account does not hold enough SOL, or not enough SOL for the token accounts that the swap opens"
    )
