"""What a client of a run holds an order's end against: chaos may fail some, and no release any other."""

from typing import Any

import pytest

from tests.chaos.clients import SLIPPAGES
from tests.chaos.waiting import LOOSE_BPS, broken_promises

MARKET = {"inputToken": "SOL", "outputToken": "USDC", "amount": "0.5"}
LIMIT = {"side": "sell", "amount": "0.5", "type": "limit", "limitPrice": "150"}
TRIGGER = {"price": "149", "when": "below"}
SNIPER = {"type": "sniper", "inputToken": "USDC", "outputToken": "RAY", "amount": "20", "sniper": {}}


def problems(order: dict[str, Any], code: str, message: str = "so") -> list[str]:
    failed = {"status": "failed", "code": code, "message": message}
    return list(broken_promises(order, [{"status": "pending"}, failed]))


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (MARKET, "RETRIES_EXHAUSTED"),
        (MARKET, "DEADLINE_EXCEEDED"),
        (MARKET, "SLIPPAGE_EXCEEDED"),
        ({**MARKET, "slippageBps": LOOSE_BPS - 1}, "SLIPPAGE_EXCEEDED"),
        ({**LIMIT, "timeInForce": "ioc"}, "RETRIES_EXHAUSTED"),
        ({**MARKET, "trigger": TRIGGER}, "SLIPPAGE_EXCEEDED"),
        ({**MARKET, "trigger": {**TRIGGER, "ifAlreadyMet": "refuse"}}, "TRIGGER_ALREADY_MET"),
        (SNIPER, "LAUNCH_FILTERED"),
    ],
)
def test_failure_that_its_terms_or_the_faults_of_a_run_allow_breaks_no_promise(
    order: dict[str, Any], code: str
) -> None:
    assert problems(order, code) == []


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (MARKET, "INTERNAL_ERROR"),
        (MARKET, "INSUFFICIENT_FUNDS"),
        (MARKET, "NO_ROUTE"),
        (MARKET, "TRIGGER_ALREADY_MET"),
        (MARKET, "LAUNCH_FILTERED"),
        ({**MARKET, "slippageBps": LOOSE_BPS}, "SLIPPAGE_EXCEEDED"),
        (LIMIT, "SLIPPAGE_EXCEEDED"),
        (LIMIT, "RETRIES_EXHAUSTED"),
        ({**LIMIT, "timeInForce": "ioc"}, "SLIPPAGE_EXCEEDED"),
        ({**LIMIT, "validForSeconds": 2}, "DEADLINE_EXCEEDED"),
        ({**MARKET, "trigger": {**TRIGGER, "ifAlreadyMet": "execute"}}, "TRIGGER_ALREADY_MET"),
        (SNIPER, "INTERNAL_ERROR"),
    ],
)
def test_failure_of_an_order_that_had_to_be_executed_is_a_broken_promise(
    order: dict[str, Any], code: str
) -> None:
    assert problems(order, code) == [f"failed with {code}, which nothing of it allows: so"]


def test_orders_that_no_node_answers_for_in_three_tries_may_fail() -> None:
    assert problems(MARKET, "NO_ROUTE", "no venue answered (raydium: no node answered in time)") == []


def test_order_that_waits_may_fail_once_its_message_was_received_too_often() -> None:
    given_up = "the order could not be executed and was given up"
    assert problems(LIMIT, "RETRIES_EXHAUSTED", given_up) == []


def test_some_orders_of_a_run_have_bounds_that_no_move_of_its_prices_reaches() -> None:
    assert max(SLIPPAGES) >= LOOSE_BPS > min(SLIPPAGES)
