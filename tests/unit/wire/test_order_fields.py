"""Orders as clients write them: both forms, and every refusal."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.adapters.simulated_market.definition import VENUES
from chalicelib.adapters.solana.programs import VENUES as VENUES_ON_SOLANA
from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.amounts import format_units
from chalicelib.domain.errors import InvalidRequestError
from chalicelib.domain.launches import SNIPER_VENUES, Sniper
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderTerms, OrderType, TimeInForce
from chalicelib.domain.tokens import Tokens, new_token
from chalicelib.wire.fields import validated
from chalicelib.wire.json_text import parse_object
from chalicelib.wire.order_fields import OrderFields, order_fields_from_query
from chalicelib.wire.resting_fields import meant_fields

TOKENS = load_tokens()
BY_TOKENS = {"inputToken": "SOL", "outputToken": "USDC", "amount": "1.5"}
BY_SIDE = {"side": "buy", "baseAsset": "ETH", "quoteAsset": "USDC", "amount": "0.5"}


def terms_of(members: dict[str, Any]) -> OrderTerms:
    return validated(OrderFields, members).terms(TOKENS)


def refusal_of(members: dict[str, Any]) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as refused:
        terms_of(members)
    return refused.value


def test_by_tokens_is_exact_in_unless_told_otherwise() -> None:
    terms = terms_of(BY_TOKENS)
    assert (terms.swap_mode, terms.input_token, terms.output_token) == (SwapMode.EXACT_IN, "SOL", "USDC")
    assert (terms.amount_units, terms.price_base) == (1_500_000_000, "SOL")
    assert (terms.slippage_bps, terms.valid_for_s, terms.client_order_id) == (50, 60, None)


def test_market_order_keeps_the_end_that_it_says() -> None:
    said = {"expiresAt": "2026-12-04T00:00:00Z"}
    terms = terms_of(BY_TOKENS | said)
    assert (terms.expires_at, terms.valid_for_s) == (datetime(2026, 12, 4, tzinfo=UTC), None)
    terms = terms_of(BY_TOKENS | {"validForSeconds": 7})
    assert (terms.expires_at, terms.valid_for_s) == (None, 7)


def test_by_tokens_exact_out_is_an_amount_of_the_output() -> None:
    terms = terms_of(BY_TOKENS | {"swapMode": "exactOut"})
    assert (terms.swap_mode, terms.amount_units) == (SwapMode.EXACT_OUT, 1_500_000)


def test_buy_is_exact_out_of_the_base() -> None:
    terms = terms_of(BY_SIDE)
    assert (terms.swap_mode, terms.input_token, terms.output_token) == (SwapMode.EXACT_OUT, "USDC", "ETH")
    assert (terms.amount_units, terms.price_base) == (50_000_000, "ETH")


def test_sell_is_exact_in_of_the_base() -> None:
    terms = terms_of(BY_SIDE | {"side": "sell"})
    assert (terms.swap_mode, terms.input_token, terms.output_token) == (SwapMode.EXACT_IN, "ETH", "USDC")


@pytest.mark.parametrize(
    ("said", "again"),
    [
        ({"amount": "1.5"}, {"amount": "01.50"}),
        ({"type": "limit", "limitPrice": "155.5"}, {"type": "limit", "limitPrice": "0155.500"}),
        ({"type": "limit", "limitPrice": "20"}, {"type": "limit", "limitPrice": "20.0"}),
        (
            {"trigger": {"price": "0.5", "when": "below"}},
            {"trigger": {"price": "00.50", "when": "below"}},
        ),
        ({"expiresAt": "2026-12-04T00:00:00Z"}, {"expiresAt": "2026-12-04T01:00:00.000+01:00"}),
    ],
)
def test_order_that_is_said_again_in_other_digits_is_the_same_order(
    said: dict[str, Any], again: dict[str, Any]
) -> None:
    assert terms_of(BY_TOKENS | said).sha256 == terms_of(BY_TOKENS | again).sha256


def test_side_and_amount_alone_mean_the_default_pair() -> None:
    terms = terms_of({"side": "buy", "amount": "0.01"})
    assert (terms.input_token, terms.output_token, terms.price_base) == ("USDC", "SOL", "SOL")


def test_tokens_are_named_by_mint_or_in_any_case() -> None:
    assert terms_of(BY_TOKENS | {"inputToken": "msol"}).input_token == "mSOL"
    assert terms_of(BY_TOKENS | {"inputToken": TOKENS["RAY"].mint}).input_token == "RAY"


def test_members_that_nobody_knows_are_ignored() -> None:
    assert terms_of(BY_TOKENS | {"clientId": "user01", "__proto__": {}}) == terms_of(BY_TOKENS)


@pytest.mark.parametrize("amount", ["1.5", "1.50", "0001.5"])
def test_same_amount_written_differently_is_the_same_wish(amount: str) -> None:
    assert terms_of(BY_TOKENS | {"amount": amount}).sha256 == terms_of(BY_TOKENS).sha256


def test_amount_of_all_that_may_be_asked_for_is_taken() -> None:
    most = TOKENS["SOL"].max_order_units
    assert terms_of(BY_TOKENS | {"amount": format_units(most, 9)}).amount_units == most
    over = refusal_of(BY_TOKENS | {"amount": format_units(most + 1, 9)})
    assert [detail.field for detail in over.details] == ["amount"]


def test_whole_number_is_taken_by_its_digits() -> None:
    assert terms_of(BY_TOKENS | {"amount": 10}).amount_units == 10**10


def test_url_carries_whole_numbers_as_text() -> None:
    query = BY_TOKENS | {"slippageBps": "75", "validForSeconds": "5"}
    terms = order_fields_from_query(query).terms(TOKENS)
    assert (terms.slippage_bps, terms.valid_for_s) == (75, 5)
    with pytest.raises(InvalidRequestError, match="slippageBps must be a whole number"):
        order_fields_from_query(BY_TOKENS | {"slippageBps": "7.5"})
    assert order_fields_from_query(BY_TOKENS | {"clientOrderId": "7"}).client_order_id == "7"


@pytest.mark.parametrize("number", ["１２", "9" * 5_000, "-5", "1e400", ""])
def test_url_with_a_number_that_is_none_is_refused_by_name(number: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        order_fields_from_query(BY_TOKENS | {"validForSeconds": number}).terms(TOKENS)
    assert [detail.field for detail in refused.value.details] == ["validForSeconds"]


@pytest.mark.parametrize(
    "beside", [{"trigger": "x", "trigger.price": "140"}, {"trigger.price": "140", "trigger": "x"}]
)
def test_url_with_a_trigger_in_both_ways_is_refused_by_name(beside: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        order_fields_from_query(BY_SIDE | beside)
    assert [detail.field for detail in refused.value.details] == ["trigger"]


def test_url_carries_the_members_of_a_trigger_by_their_own_names() -> None:
    query = BY_SIDE | {"type": "limit", "limitPrice": "138", "trigger.price": "140", "trigger.when": "below"}
    terms = order_fields_from_query(query | {"trigger.confirmations": "3", "batch": "1"}).terms(TOKENS)
    assert terms.limit is not None
    assert terms.trigger is not None
    assert (terms.trigger.price, terms.trigger.confirmations, terms.slippage_bps) == ("140", 3, None)
    with pytest.raises(InvalidRequestError, match="trigger must be given by its members"):
        order_fields_from_query(BY_SIDE | {"trigger": "140"})
    with pytest.raises(
        InvalidRequestError,
        match=r"trigger\.confirmation is not a field; did you mean trigger\.confirmations",
    ):
        order_fields_from_query(query | {"trigger.confirmation": "3"})


def test_sniper_order_waits_until_it_is_canceled_and_says_what_for() -> None:
    terms = terms_of(BY_TOKENS | {"type": "sniper", "sniper": {"venue": "meteora", "maxFeeBps": 100}})
    assert terms.sniper == Sniper("meteora", max_fee_bps=100)
    assert (terms.time_in_force, terms.waits) == (TimeInForce.GTC, True)


def test_sniper_order_for_a_venue_that_there_is_not_is_refused_rather_than_resting_for_ever() -> None:
    with pytest.raises(
        InvalidRequestError, match=r"sniper\.venue must be one of meteora, raydium"
    ) as refused:
        terms_of(BY_TOKENS | {"type": "sniper", "sniper": {"venue": "uniswap"}})
    assert [problem.field for problem in refused.value.details] == ["sniper.venue"]


def test_venues_of_sniper_orders_are_those_of_both_markets() -> None:
    assert SNIPER_VENUES == set(VENUES.values()) == set(VENUES_ON_SOLANA.values())


MINT = "7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2zz"


def test_sniper_order_alone_may_buy_a_mint_that_is_not_listed() -> None:
    sniper = {"type": "sniper", "inputToken": "USDC", "outputToken": MINT, "amount": "5"}
    assert terms_of(sniper).output_token == MINT
    for members, field in (
        (sniper | {"type": "market"}, "outputToken"),
        (sniper | {"limitPrice": "2"}, "limitPrice"),
        (sniper | {"swapMode": "exactOut"}, "swapMode"),
        (sniper | {"outputToken": MINT[:-4]}, "outputToken"),
        (sniper | {"inputToken": MINT, "outputToken": "USDC"}, "inputToken"),
    ):
        assert refusal_of(members).details[0].field == field


@pytest.mark.parametrize(
    ("price", "decimals", "least"),
    # Five USDC buy at least so many base units: rounded up, never down.
    [("2", 9, 10 * 10**9), ("0.3333333333", 0, 2), ("0.0000000001", 9, 1), ("3", 18, 15 * 10**18)],
)
def test_limit_of_a_new_mint_is_the_bound_in_base_units_by_the_decimals_that_are_said(
    price: str, decimals: int, least: int
) -> None:
    sniper = {"type": "sniper", "inputToken": "USDC", "outputToken": MINT, "amount": "5", "limitPrice": price}
    assert "needs sniper.decimals" in refusal_of(sniper).message
    terms = terms_of(sniper | {"sniper": {"decimals": decimals}})
    assert terms.output_decimals == decimals
    assert terms.bound is not None
    assert terms.bound.units == least
    by_side = {"type": "sniper", "side": "sell", "baseAsset": "USDC", "quoteAsset": MINT, "amount": "5"}
    assert terms_of(by_side | {"limitPrice": price, "sniper": {"decimals": decimals}}) == terms
    query = {name: value for name, value in sniper.items() if isinstance(value, str)}
    assert order_fields_from_query(query | {"sniper.decimals": str(decimals)}).terms(TOKENS) == terms


def test_sniper_order_that_buys_is_refused_by_the_field_that_says_so() -> None:
    buys = {"type": "sniper", "side": "buy", "baseAsset": "SOL", "quoteAsset": "USDC", "amount": "5"}
    assert refusal_of(buys).message == "side must be sell for a sniper order: it names what it gives"
    exact_out = BY_TOKENS | {"type": "sniper", "swapMode": "exactOut"}
    assert refusal_of(exact_out).details[0].field == "swapMode"


def test_decimals_of_a_listed_token_may_be_said_if_they_are_right() -> None:
    sniper = BY_TOKENS | {"type": "sniper", "limitPrice": "1"}
    assert terms_of(sniper | {"sniper": {"decimals": TOKENS["USDC"].scale}}).output_decimals == 6
    refused = refusal_of(sniper | {"sniper": {"decimals": 9}})
    assert refused.message == "sniper.decimals must be 6: USDC is listed"
    for wrong in (-1, 19, "6", 1.5, True):
        assert refusal_of(sniper | {"sniper": {"decimals": wrong}}).details[0].field == "sniper.decimals"
    with pytest.raises(InvalidRequestError, match=r"did you mean sniper\.decimals\?"):
        meant_fields(OrderFields, sniper | {"sniper": {"scale": 6}})
    with pytest.raises(InvalidRequestError, match=r"decimals is not a field; did you mean sniper\.decimals"):
        meant_fields(OrderFields, sniper | {"decimals": 6})
    assert meant_fields(OrderFields, BY_TOKENS | {"decimals": 6}).type is OrderType.MARKET  # a note


def test_order_may_name_a_mint_of_which_a_pool_is_known() -> None:
    mint = "AccoZ3F1v4q5rTfF1Kq6cVn6wqTqTzq1v4Yb3j6d9Qsw"
    sale = {"inputToken": mint, "outputToken": "USDC", "amount": "1.00001"}
    assert "a mint of which a pool is known" in refusal_of(sale).message
    tokens = Tokens(TOKENS, TOKENS.default_pair)
    tokens.learn(new_token(mint, 5))
    assert OrderFields.model_validate(sale).terms(tokens).amount_units == 100_001
    stop = sale | {"type": "limit", "limitPrice": "0.5", "trigger": {"price": "0.6", "when": "below"}}
    terms = OrderFields.model_validate(stop).terms(tokens)
    assert terms.bound is not None
    assert terms.bound.units == 500_005
    purchase = {"side": "buy", "baseAsset": mint, "quoteAsset": "USDC", "amount": "2"}
    assert OrderFields.model_validate(purchase).terms(tokens).amount_units == 200_000


@pytest.mark.parametrize(
    ("members", "field"),
    [
        (BY_TOKENS | {"inputToken": None}, "inputToken"),
        (BY_TOKENS | {"outputToken": "SOL"}, "outputToken"),
        (BY_TOKENS | {"outputToken": TOKENS["SOL"].mint}, "outputToken"),
        (BY_TOKENS | {"inputToken": "DOGE"}, "inputToken"),
        (BY_TOKENS | {"inputToken": "x" * 129}, "inputToken"),
        (BY_TOKENS | {"swapMode": "EXACT_IN"}, "swapMode"),
        (BY_TOKENS | {"amount": "20000.000000001"}, "amount"),
        (BY_TOKENS | {"amount": 10**200}, "amount"),
        (BY_TOKENS | {"amount": 1.5}, "amount"),
        (BY_TOKENS | {"slippageBps": -1}, "slippageBps"),
        (BY_TOKENS | {"slippageBps": True}, "slippageBps"),
        (BY_TOKENS | {"validForSeconds": 0}, "validForSeconds"),
        (BY_TOKENS | {"validForSeconds": 3601}, "validForSeconds"),
        (BY_TOKENS | {"timeInForce": "gtc"}, "timeInForce"),
        (BY_TOKENS | {"limitPrice": "1"}, "limitPrice"),
        (BY_TOKENS | {"expiresAt": "2027-01-01"}, "expiresAt"),
        (BY_TOKENS | {"type": "limit"}, "limitPrice"),
        (BY_TOKENS | {"clientOrderId": ""}, "clientOrderId"),
        (BY_TOKENS | {"clientOrderId": "x" * 65}, "clientOrderId"),
        (BY_TOKENS | {"side": "buy"}, "inputToken"),
        ({"outputToken": "SOL", "side": "buy", "amount": "1"}, "outputToken"),
        (BY_SIDE | {"swapMode": "exactIn"}, "swapMode"),
        (BY_SIDE | {"side": None}, "side"),
        (BY_SIDE | {"quoteAsset": "ETH"}, "quoteAsset"),
        (BY_SIDE | {"baseAsset": None}, "baseAsset"),
        (BY_SIDE | {"amount": "150.00000001"}, "amount"),
        ({"baseAsset": "ETH", "amount": "1"}, "side"),
        ({"quoteAsset": "USDC", "amount": "1"}, "side"),
    ],
)
def test_broken_rule_is_told_with_its_field(members: dict[str, Any], field: str) -> None:
    refusal = refusal_of(members)
    assert [detail.field for detail in refusal.details] == [field]


def test_every_broken_rule_of_the_shape_is_told_at_once() -> None:
    refusal = refusal_of({"inputToken": 1, "outputToken": [], "amount": None, "slippageBps": "x"})
    assert [detail.field for detail in refusal.details] == [
        "inputToken", "outputToken", "amount", "slippageBps"
    ]  # fmt: skip


def test_refusal_never_speaks_the_parsers_language() -> None:
    refusal = refusal_of({"inputToken": 1, "amount": "1" * 129, "clientOrderId": "\ud800"})
    assert not {"Input", "String", "Value", "should", "items"} & set(refusal.message.split())


def amount_of(number: str) -> int:
    members = parse_object(f'{{"side":"sell","amount":{number}}}')
    return validated(OrderFields, members).terms(TOKENS).amount_units


@pytest.mark.parametrize(
    ("number", "units"),
    [
        ("1e-05", 10_000), ("1E-9", 1), ("1e0", 10**9), ("15e-1", 1_500_000_000), ("1.50E+1", 15 * 10**9),
        ("0.0000000015e2", 150), ("100e-2", 10**9), ("1000000000e-9", 10**9), ("1.5e-00", 1_500_000_000),
    ],
)  # fmt: skip
def test_number_with_an_exponent_is_exact(number: str, units: int) -> None:
    assert amount_of(number) == units


@pytest.mark.parametrize(
    "number",
    [
        "1e999999999", "1e-999999999", "1e9999999999999999999999", "1e9999", "1e-9999", "0e5", "-1e-5",
        "1e-10", "1.5e-9", "1e30", "NaN", "Infinity", "-Infinity", '"1e-05"', '"1E5"',
    ],
)  # fmt: skip
def test_number_with_an_exponent_that_is_no_amount_is_refused_by_name(number: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        amount_of(number)
    assert {problem.field for problem in refused.value.details} == {"amount"}


@pytest.mark.parametrize("number", ["50", "50.0", "5e1", "500e-1"])
def test_whole_number_may_be_written_in_any_way_that_json_has(number: str) -> None:
    members = parse_object(f'{{"side":"sell","amount":"1","slippageBps":{number}}}')
    assert validated(OrderFields, members).slippage_bps == 50


@pytest.mark.parametrize("number", ["50.5", "5e-1", "1e999999999", "NaN", '"50"', "1e40"])
def test_number_that_is_not_whole_or_far_too_large_is_refused(number: str) -> None:
    with pytest.raises(InvalidRequestError, match="slippageBps"):
        validated(OrderFields, parse_object(f'{{"side":"sell","amount":"1","slippageBps":{number}}}'))


@pytest.mark.parametrize("number", ["1.5", "1e5", "NaN", "Infinity", "15"])
@pytest.mark.parametrize("field", ["clientOrderId", "inputToken"])
def test_number_is_no_text(field: str, number: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"{field} must be text"):
        validated(OrderFields, parse_object(f'{{"amount":"1","{field}":{number}}}'))
