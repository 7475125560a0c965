"""What would become of an order, in a sentence, for every kind of order that there is."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.errors import Code, RefusedError
from chalicelib.domain.launches import Sniper
from chalicelib.domain.previews import CheckResult, Judgement, Outlook
from chalicelib.domain.rates import Bound, Limit, Rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import TimeInForce
from chalicelib.domain.triggers import IfAlreadyMet, PriceSource, Trigger, When, trigger
from chalicelib.services.intake.outlook import Conditions, MarketSight, conditions_of, judged
from chalicelib.services.intake.wording import Wording
from chalicelib.wire.fields import validated
from chalicelib.wire.order_fields import SwapFields, swap_terms
from tests.fakes.orders import NOON, terms

TOKENS = load_tokens()
SOL, USDC = TOKENS["SOL"], TOKENS["USDC"]
MARKET = Conditions(slippage_bps=50, is_at_once=True, until=NOON)
NO_ROUTE = RefusedError(Code.NO_ROUTE, "no venue trades SOL to USDC")
MARK = Rate.of(150 * 10**6, 10**9)


def limit(price: str, bound: Bound, *, is_at_once: bool = False) -> Conditions:
    return Conditions(None, is_at_once, None, limit_price=price, bound=bound)


def a_trigger(price: str = "140", when: When = When.BELOW, **members: Any) -> Trigger:
    given: dict[str, Any] = {"source": None, "confirmations": None, "if_already_met": None} | members
    return trigger(price=price, when=when, input_token=SOL, output_token=USDC, price_base="SOL", **given)


def seen(
    swapped: tuple[int, int] | RefusedError = (1_500_000_000, 225_000_000), *, mark: Rate | None = MARK
) -> MarketSight:
    return MarketSight(swapped, mark, pools_of_pair=4)


def judgement(conditions: Conditions, at: MarketSight | None = None, **members: Any) -> Judgement:
    fields = validated(SwapFields, {"side": "sell", "amount": "1.5"} | members)
    wish = swap_terms(fields, TOKENS)
    words = Wording(wish, TOKENS[wish.input_token], TOKENS[wish.output_token])
    return judged(conditions, at or seen(), words)


def test_market_order_executes_now_within_its_slippage() -> None:
    found = judgement(MARKET)
    assert found.outlook is Outlook.EXECUTE_NOW
    assert found.sentence == (
        "Would sell 1.5 SOL now for about 225 USDC, and at least 223.875 USDC (50 bps of slippage)."
    )


def test_purchase_is_bounded_by_what_it_may_cost() -> None:
    found = judgement(MARKET, seen((150_000_000, 10**9)), side="buy", amount="1")
    assert "buy 1 SOL now for about 150 USDC, and at most 150.75 USDC" in found.sentence


@pytest.mark.parametrize(
    ("members", "action"),
    [
        ({"side": None, "inputToken": "USDC", "outputToken": "SOL", "amount": "3"}, "sell 3 USDC"),
        (
            {"side": None, "inputToken": "USDC", "outputToken": "SOL", "swapMode": "exactOut", "amount": "3"},
            "buy 3 SOL with USDC",
        ),
    ],
)
def test_order_by_tokens_is_told_by_tokens(members: dict[str, Any], action: str) -> None:
    assert action in judgement(MARKET, **members).sentence


def test_market_order_that_no_route_fills_would_fail_with_its_code() -> None:
    found = judgement(MARKET, seen(NO_ROUTE))
    assert found.outlook is Outlook.REFUSED
    assert found.sentence == "Would fail: no venue trades SOL to USDC."
    assert [check.code for check in found.checks] == [Code.NO_ROUTE]


@pytest.mark.parametrize(
    ("units", "outlook"), [(225_000_000, Outlook.EXECUTE_NOW), (225_000_001, Outlook.OPEN)]
)
def test_limit_is_kept_to_the_last_unit(units: int, outlook: Outlook) -> None:
    assert judgement(limit("150", Bound(SwapMode.EXACT_IN, units))).outlook is outlook


def test_limit_that_is_not_met_rests_and_says_how_far_the_market_is_away() -> None:
    found = judgement(limit("155", Bound(SwapMode.EXACT_IN, 232_500_000)))
    assert found.sentence == (
        "Would rest until it is canceled or until it can sell 1.5 SOL: the limit of 155 asks for at least"
        " 232.5 USDC; now it would be 225 USDC, 3.33 % away."
    )
    assert found.checks[-1].result is CheckResult.WAITING


def test_limit_of_a_purchase_is_the_most_that_it_pays() -> None:
    bound = Bound(SwapMode.EXACT_OUT, 140_000_000)
    found = judgement(limit("140", bound), seen((150_000_000, 10**9)), side="buy", amount="1")
    assert found.outlook is Outlook.OPEN
    assert "at most 140 USDC; now it would be 150 USDC, 6.67 % away" in found.sentence


def test_limit_without_a_route_rests_all_the_same() -> None:
    found = judgement(limit("155", Bound(SwapMode.EXACT_IN, 1)), seen(NO_ROUTE))
    assert found.outlook is Outlook.OPEN
    assert "now no venue trades SOL to USDC" in found.sentence


def test_limit_that_does_not_wait_would_expire_at_once() -> None:
    found = judgement(limit("155", Bound(SwapMode.EXACT_IN, 232_500_000), is_at_once=True))
    assert found.outlook is Outlook.REFUSED
    assert found.checks[-1].code is Code.LIMIT_NOT_MET
    assert found.sentence.startswith("Would expire at once")


def test_stop_rests_until_the_mark_has_held() -> None:
    conditions = Conditions(2_000, is_at_once=False, until=NOON, trigger=a_trigger())
    found = judgement(conditions)
    assert found.outlook is Outlook.OPEN
    assert found.sentence == (
        "Would rest until 2026-01-01T12:00:00.000Z, waiting for the mark to be at or below 140 for 2 blocks,"
        " and then sell 1.5 SOL at the market, within 2000 bps of the quote then; now the mark is 150."
    )


def test_stop_limit_says_its_limit() -> None:
    bound = Bound(SwapMode.EXACT_IN, 1_000_000)
    conditions = Conditions(
        None, is_at_once=False, until=None, limit_price="1", bound=bound, trigger=a_trigger()
    )
    assert "then sell 1.5 SOL for at least 1 USDC (limit 1)" in judgement(conditions).sentence


def test_trigger_that_is_met_already_is_refused_or_executed_as_it_says() -> None:
    met = Conditions(50, is_at_once=False, until=None, trigger=a_trigger("150"))
    refused = judgement(met)
    assert refused.outlook is Outlook.REFUSED
    assert refused.checks[0].code is Code.TRIGGER_ALREADY_MET
    for confirmations, begins in (
        (1, "Triggered at once: the mark is 150, which is at or below 150 already. Would sell 1.5 SOL now"),
        (7, "Triggered if that holds for 7 blocks: the mark is 150, which is at or below 150 already. Would"),
    ):
        trigger = a_trigger("150", if_already_met=IfAlreadyMet.EXECUTE, confirmations=confirmations)
        executed = judgement(Conditions(50, is_at_once=False, until=None, trigger=trigger))
        assert executed.outlook is Outlook.EXECUTE_NOW
        assert executed.sentence.startswith(begins)


def test_trigger_without_a_mark_rests() -> None:
    conditions = Conditions(50, is_at_once=False, until=None, trigger=a_trigger("150"))
    found = judgement(conditions, seen(mark=None))
    assert found.outlook is Outlook.OPEN
    assert "now the mark is unknown" in found.sentence


def test_executable_trigger_looks_at_the_rate_for_the_orders_size() -> None:
    take_profit = a_trigger("160", When.ABOVE, source=PriceSource.EXECUTABLE)
    conditions = Conditions(50, is_at_once=False, until=None, trigger=take_profit)
    assert "the rate for its size is 150" in judgement(conditions).sentence
    assert "the rate for its size is unknown" in judgement(conditions, seen(NO_ROUTE)).sentence


def test_sniper_says_which_pool_it_waits_for() -> None:
    sniper = Sniper("meteora", min_liquidity_units=10**12, max_fee_bps=100, max_delay_blocks=5)
    found = judgement(Conditions(50, is_at_once=False, until=None, sniper=sniper))
    assert found.outlook is Outlook.OPEN
    assert (
        "waiting for a pool of SOL and USDC to open on meteora (with at least 1000 SOL in it,"
        in found.sentence
    )
    assert "and then buy USDC with 1.5 SOL at the market" in found.sentence
    assert "4 pools of the two are open already" in found.sentence


def test_conditions_of_a_limit_order_are_its_bound_and_no_end() -> None:
    rate = Limit("155", Rate.of(155, 1_000))
    waiting = replace(terms(), limit=rate, slippage_bps=None, valid_for_s=None, time_in_force=TimeInForce.GTC)
    found = conditions_of(waiting, NOON)
    bound = Bound(SwapMode.EXACT_IN, 155_000_000)
    assert found == Conditions(None, is_at_once=False, until=None, limit_price="155", bound=bound)


def test_conditions_of_a_market_order_are_its_slippage_and_its_end() -> None:
    found = conditions_of(terms(), NOON)
    assert found == Conditions(50, is_at_once=True, until=NOON + timedelta(seconds=60))
