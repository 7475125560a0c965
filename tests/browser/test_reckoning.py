"""What the console reckons and words by itself, case by case: amounts to the last unit, kinds, distances."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chromium import Chromium, Page
from tests.browser.conftest import opened
from tests.browser.told import all_told, told
from tests.support.instance import Instance


@pytest.fixture(scope="module")
def page(chromium: Chromium, instance: Instance) -> Iterator[Page]:
    """One page for all: what is asked of it reckons, and changes nothing in it."""
    with opened(chromium, instance, "#/audit") as page:
        yield page


def test_amounts_are_scaled_and_compared_to_the_last_unit(page: Page) -> None:
    all_told(
        page,
        "decimals",
        {
            "scaled('1.5', 1, 10, 9)": "0.15",
            "scaled('1.5', 10, 1, 9)": "15",
            "scaled('0.000000003', 1, 2, 9)": "0.000000001",
            "scaled('90071992547409.931234567', 2, 1, 9)": "180143985094819.862469134",
            "scaled('1.5e3', 1, 2, 9)": None,
            "difference('149.2', '149.25')": "-0.05",
            "difference('90071992.000000001', '90071992')": "0.000000001",
            "difference('2', '2.000')": "0",
            "difference('10', '9.5')": "0.5",
            "difference('1', undefined)": None,
            "difference('', '1')": None,
        },
    )


def test_decimals_are_rounded_for_reading_and_shown_without_empty_places(page: Page) -> None:
    all_told(
        page,
        "decimals",
        {
            "rounded('1.005', 2)": "1.01",
            "rounded('1.004999', 2)": "1",
            "rounded('-1.005', 2)": "-1.01",
            "rounded('-0.994', 2)": "-0.99",
            "rounded('12.30', 2)": "12.30",
            "rounded('99.999', 2)": "100",
            "rounded('no number', 2)": "no number",
            "formatted(-5n, 2)": "-0.05",
            "formatted(1000n, 0)": "1000",
            "formatted(0n, 3)": "0",
            "formatted(1200n, 3)": "1.2",
        },
    )


def test_distances_are_of_the_price_that_they_start_from(page: Page) -> None:
    all_told(
        page,
        "decimals",
        {
            "distanceBps('150', '300')": 10_000,
            "distanceBps('150', '148.5')": -100,
            "distanceBps('150.00', '151')": 66,
            "distanceBps('150', '149')": -66,
            "distanceBps('0.00001', '0.000011')": 1_000,
            "distanceBps('0', '1')": None,
            "distanceBps('-1', '1')": None,
            "distanceBps(null, '1')": None,
            "distanceBps('1', 'x')": None,
            # SOL per USDC, where the mark is in USDC per SOL: 0.01 is 100, and 1 / 150 is the mark.
            "distanceFromInverseBps('150', '0.01')": 5_000,
            "distanceFromInverseBps('200', '0.004')": -2_000,
            "distanceFromInverseBps('0.5', '2')": 0,
            "distanceFromInverseBps('0', '2')": None,
            "distanceFromInverseBps('2', null)": None,
        },
    )


def test_figures_are_worded_with_their_sign_and_what_is_tiny_is_not_nothing(page: Page) -> None:
    all_told(
        page,
        "words",
        {
            "percent(10000)": "+100.00 %",
            "percent(-66)": "−0.66 %",
            "percent(-1205)": "−12.05 %",
            "percent(0)": "0.00 %",
            "percent(1)": "+0.01 %",
            "percent(null)": "–",
            "bps('0.004')": "< 0.01 bps",
            "bps('0.005')": "0.01 bps",
            "bps('0.000')": "0 bps",
            "bps('12.345')": "12.35 bps",
            "bps(50)": "50 bps",
            "bps(0)": "0 bps",
            "bps(null)": "–",
            "bps(undefined)": "–",
            "age(0, 59999)": "59 s",
            "age(0, 60000)": "1 min",
            "age(0, 3599999)": "59 min",
            "age(0, 3600000)": "1 h",
            "age(0, 86399999)": "23 h",
            "age(0, 86400000)": "1 d",
            "age(5000, 0)": "0 s",
            "shortId('01234567-89ab-7cde-8f01-23456789abcd')": "01234567…abcd",
        },
    )


SELLS = {"inputToken": "SOL", "outputToken": "USDC", "swapMode": "exactIn", "amount": "1.5"}
BUYS = {"inputToken": "USDC", "outputToken": "SOL", "swapMode": "exactOut", "amount": "1.5"}
SPENDS = {"inputToken": "USDC", "outputToken": "SOL", "swapMode": "exactIn", "amount": "1.5"}
GETS = {"inputToken": "SOL", "outputToken": "USDC", "swapMode": "exactOut", "amount": "1.5"}


@pytest.mark.parametrize(
    ("terms", "sentence", "token"),
    [
        (SELLS, "sell 1.5 SOL for USDC", "SOL"),
        (GETS, "sell SOL for exactly 1.5 USDC", "USDC"),
        (BUYS, "buy 1.5 SOL with USDC", "SOL"),
        (SPENDS, "spend 1.5 USDC on SOL", "USDC"),
    ],
)
def test_order_says_which_of_its_tokens_the_amount_is_of(
    page: Page, terms: dict[str, str], sentence: str, token: str
) -> None:
    order = json.dumps(terms)
    all_told(page, "words", {f"inASentence({order})": sentence, f"amountToken({order})": token})


@pytest.mark.parametrize(
    ("terms", "base", "when", "kind"),
    [
        (SELLS, "SOL", "below", "stop"),
        (SELLS, "SOL", "above", "take profit"),
        (BUYS, "SOL", "above", "stop"),
        (BUYS, "SOL", "below", "take profit"),
        # In the prices of the other token all is the other way round.
        (SPENDS, "USDC", "below", "stop"),
        (SPENDS, "USDC", "above", "take profit"),
    ],
)
def test_trigger_on_the_side_where_the_trade_gets_worse_is_a_stop(
    page: Page, terms: dict[str, str], base: str, when: str, kind: str
) -> None:
    order = terms | {"priceBase": base, "type": "market", "trigger": {"price": "100", "when": when}}
    assert told(page, "words", f"kindOf({json.dumps(order)})") == kind
    assert told(page, "words", f"kindOf({json.dumps(order | {'type': 'limit'})})") == f"{kind} limit"
    assert told(page, "words", f"kindOf({json.dumps(terms | {'type': 'limit'})})") == "limit"


def test_limits_and_triggers_are_shown_in_the_prices_that_they_were_given_in(page: Page) -> None:
    sells = SELLS | {"priceBase": "SOL"}
    spends = SPENDS | {"priceBase": "USDC"}
    trigger = {"price": "140", "when": "below"}
    cases: dict[str, list[tuple[dict[str, Any], Any]]] = {
        "bound": [(sells, None), (sells | {"limitPrice": "9"}, "9"), (sells | {"trigger": trigger}, "140")],
        "boundWords": [
            (sells, "–"),
            (sells | {"limitPrice": "150"}, "150"),
            (sells | {"limitPrice": "139", "trigger": trigger}, "≤ 140"),
            (sells | {"trigger": trigger | {"when": "above"}}, "≥ 140"),
            (spends | {"limitPrice": "0.01"}, "0.01 SOL/USDC"),
        ],
        "priceUnit": [(sells, "USDC per SOL"), (spends, "SOL per USDC"), (SELLS, "")],
        "placeOnAxis": [(sells | {"limitPrice": "150"}, 150), (spends | {"limitPrice": "0.01"}, 100)],
        "pairOf": [
            (sells, {"base": "SOL", "quote": "USDC", "side": "sell", "name": "SOL/USDC"}),
            (BUYS, {"base": "SOL", "quote": "USDC", "side": "buy", "name": "SOL/USDC"}),
            (
                {"inputToken": "USDT", "outputToken": "USDC"},
                {"base": "USDT", "quote": "USDC", "side": "sell", "name": "USDT/USDC"},
            ),
            (
                {"inputToken": "SOL", "outputToken": "JUP"},
                {"base": "JUP", "quote": "SOL", "side": "buy", "name": "JUP/SOL"},
            ),
            (
                {"inputToken": "JUP", "outputToken": "BONK"},
                {"base": "JUP", "quote": "BONK", "side": "sell", "name": "JUP/BONK"},
            ),
            ({"inputToken": "SOL"}, {"base": "", "quote": "", "side": "", "name": ""}),
        ],
    }
    for name, each in cases.items():
        all_told(page, "words", {f"{name}({json.dumps(order)})": expected for order, expected in each})
    all_told(
        page,
        "words",
        {
            f"away('150', {json.dumps(sells | {'limitPrice': '300'})})": 10_000,
            f"away('150', {json.dumps(spends | {'limitPrice': '0.01'})})": 5_000,
        },
    )


FORM = {
    "kind": "market", "side": "sell", "baseAsset": "SOL", "quoteAsset": "USDC", "amount": "1.5",
    "slippageBps": "30", "limitPrice": "149", "timeInForce": "gtd", "validForSeconds": "60",
    "triggerPrice": "140", "when": "below", "source": "mark", "confirmations": "3", "ifAlreadyMet": "execute",
    "venue": "raydium", "minLiquidity": "10.5", "maxFeeBps": "25", "maxDelayBlocks": "4",
    "mint": "", "decimals": "6",
}  # fmt: skip
"""Everything is filled in: what a type has no field for is left from another, and is not to be sent."""
SIDED = {"side": "sell", "baseAsset": "SOL", "quoteAsset": "USDC", "amount": "1.5", "validForSeconds": 60}
TRIGGER = {
    "price": "140", "when": "below", "source": "mark", "confirmations": 3, "ifAlreadyMet": "execute",
}  # fmt: skip
SNIPED = {
    "type": "sniper", "amount": "1.5", "inputToken": "USDC", "swapMode": "exactIn", "limitPrice": "149",
    "validForSeconds": 60,
}  # fmt: skip
SNIPER = {"venue": "raydium", "minLiquidity": "10.5", "maxFeeBps": 25, "maxDelayBlocks": 4}


@pytest.mark.parametrize(
    ("changes", "order"),
    [
        ({}, SIDED | {"type": "market", "slippageBps": 30}),
        ({"side": "buy"}, SIDED | {"side": "buy", "type": "market", "slippageBps": 30}),
        ({"slippageBps": "", "validForSeconds": ""}, {**SIDED, "type": "market", "validForSeconds": None}),
        ({"slippageBps": "0.5"}, SIDED | {"type": "market", "slippageBps": "0.5"}),
        ({"kind": "limit"}, SIDED | {"type": "limit", "limitPrice": "149", "timeInForce": "gtd"}),
        ({"kind": "limit", "timeInForce": ""}, SIDED | {"type": "limit", "limitPrice": "149"}),
        ({"kind": "stop"}, SIDED | {"type": "market", "slippageBps": 30, "trigger": TRIGGER}),
        ({"kind": "stopLimit"}, SIDED | {"type": "limit", "limitPrice": "149", "trigger": TRIGGER}),
        (
            {"kind": "stop", "source": "executable", "ifAlreadyMet": "", "when": "above"},
            SIDED | {
                "type": "market",
                "slippageBps": 30,
                "trigger": {"price": "140", "when": "above", "source": "executable"},
            },
        ),
        ({"kind": "sniper"}, SNIPED | {"outputToken": "SOL", "sniper": SNIPER}),
        (
            {"kind": "sniper", "mint": "m1"},
            SNIPED | {"outputToken": "m1", "sniper": SNIPER | {"decimals": 6}},
        ),
        (
            {"kind": "sniper", "limitPrice": "", "venue": "", "maxFeeBps": ""},
            SNIPED | {
                "outputToken": "SOL",
                "limitPrice": None,
                "slippageBps": 30,
                "sniper": {"minLiquidity": "10.5", "maxDelayBlocks": 4},
            },
        ),
    ],
)  # fmt: skip
def test_order_has_the_fields_of_its_type_as_they_were_typed_and_no_other(
    page: Page, changes: dict[str, str], order: dict[str, Any]
) -> None:
    sent = told(page, "order_form", f"orderOf({json.dumps(FORM | changes)})")
    assert sent == {name: value for name, value in order.items() if value is not None}


NOW = {"inputAmount": "224.1", "outputAmount": "223.9", "price": "149.3", "priceImpactBps": "1.2"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "Sell 1.5 SOL for USDC. Right now it would bring 223.9 USDC, 149.3 USDC per SOL"),
        ({"side": "buy"}, "Buy 1.5 SOL with USDC. Right now it would cost 224.1 USDC, 149.3 USDC per SOL"),
        (
            {"kind": "limit"},
            (
                "Sell 1.5 SOL for USDC, at 149 USDC per SOL or better, fees and impact included."
                " Right now it would bring 223.9 USDC, 149.3 USDC per SOL"
            ),
        ),
        (
            {"kind": "stopLimit", "side": "buy", "when": "above", "source": "executable"},
            (
                "Buy 1.5 SOL with USDC, once the executable rate is at or above 140,"
                " at 149 USDC per SOL or better, fees and impact included."
                " Right now it would cost 224.1 USDC, 149.3 USDC per SOL"
            ),
        ),
        (
            {"kind": "stop"},
            (
                "Sell 1.5 SOL for USDC, once the mark is at or below 140."
                " Right now it would bring 223.9 USDC, 149.3 USDC per SOL"
            ),
        ),
        (
            {"kind": "sniper", "side": "sell", "limitPrice": ""},
            (
                "Spend 1.5 USDC on SOL when a pool of them opens."
                " Right now it would bring 223.9 SOL, 149.3 SOL per USDC"
            ),
        ),
        (
            {"kind": "sniper", "side": "buy", "mint": "m1"},
            (
                "Spend 1.5 USDC on m1 when a pool of them opens,"
                " for at least 149 m1 per USDC, fees and impact included."
                " Right now it would bring 223.9 m1, 149.3 m1 per USDC"
            ),
        ),
    ],
)
def test_sentence_before_an_order_says_what_is_sent_and_what_it_would_get(
    page: Page, changes: dict[str, str], sentence: str
) -> None:
    asked, now = json.dumps(FORM | changes), json.dumps(NOW)
    said = told(page, "order_form", f"sentence({asked}, {now})")
    assert said == f"{sentence}, with an impact of 1.2 bps."
    alone = told(page, "order_form", f"sentence({asked})")
    assert alone == sentence.partition(" Right now")[0]


def test_limit_is_asked_for_in_the_unit_that_it_is_sent_in(page: Page) -> None:
    sniper = FORM | {"kind": "sniper"}
    labels = {
        json.dumps(FORM | {"kind": "limit"}): "Limit price, USDC per SOL",
        json.dumps(sniper): "At least SOL per USDC",
        json.dumps(sniper | {"mint": "m1"}): "At least m1 per USDC",
    }
    all_told(page, "order_form", {f"limitLabel({form})": label for form, label in labels.items()})
