"""Fields of orders that wait: both forms, and no field that was meant is dropped in silence."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.amounts import MAX_UNITS, format_units
from chalicelib.domain.errors import FieldError, InvalidRequestError
from chalicelib.domain.launches import Sniper
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.resting import RestingTerms
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.domain.tokens import Token, TokenPair, Tokens
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource
from chalicelib.wire.json_text import parse_object
from chalicelib.wire.order_fields import OrderFields, SwapFields, swap_terms
from chalicelib.wire.resting_fields import EVERYWHERE, RestingFields, meant_fields, names_of

TOKENS = load_tokens()
SELL = {"side": "sell", "baseAsset": "SOL", "quoteAsset": "USDC", "amount": "1.5"}
BUY = SELL | {"side": "buy"}
BY_TOKENS = {"inputToken": "USDC", "outputToken": "SOL", "amount": "150"}


class WaitingOrder(RestingFields, SwapFields):
    """As the model of all order fields will include them."""


def terms_of(members: dict[str, Any]) -> RestingTerms:
    fields = meant_fields(WaitingOrder, members)
    return fields.resting_terms(swap_terms(fields, TOKENS), TOKENS)


def refusal_of(members: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as refused:
        terms_of(members)
    return {problem.field: problem.problem for problem in refused.value.details}


def test_limit_of_a_sell_is_quote_per_base() -> None:
    terms = terms_of(SELL | {"type": "limit", "limitPrice": "155"})
    assert (terms.limit, terms.slippage_bps) == (Limit("155", Rate.of(155 * 10**6, 10**9)), None)
    assert terms.lifetime.time_in_force is TimeInForce.GTC


def test_limit_of_a_buy_is_the_same_price_the_other_way_round() -> None:
    limit = terms_of(BUY | {"type": "limit", "limitPrice": "155"}).limit
    assert limit == Limit("155", Rate.of(10**9, 155 * 10**6))


def test_limit_by_tokens_is_output_per_input() -> None:
    limit = terms_of(BY_TOKENS | {"type": "limit", "limitPrice": "0.0065"}).limit
    assert limit == Limit("0.0065", Rate.of(65 * 10**5, 10**6))


def test_price_may_be_a_json_number_and_keeps_its_digits() -> None:
    text = '{"side":"sell","amount":1.5,"type":"limit","limitPrice":155.000000000000000001}'
    limit = terms_of(parse_object(text)).limit
    assert limit is not None
    assert limit.rate == Rate.of(155_000_000_000_000_000_001 * 10**6, 10 ** (18 + 9))


def test_market_order_says_nothing_and_gets_the_defaults() -> None:
    terms = terms_of(SELL)
    assert (terms.limit, terms.trigger, terms.sniper) == (None, None, None)
    assert (terms.slippage_bps, terms.lifetime.time_in_force, terms.lifetime.valid_for_s) == (
        50,
        TimeInForce.IOC,
        60,
    )


def test_stop_waits_for_the_mark_to_hold_and_tolerates_more() -> None:
    terms = terms_of(SELL | {"trigger": {"price": "140", "when": "below"}})
    assert terms.trigger is not None
    assert terms.trigger.direction is Direction.AT_MOST
    assert (terms.trigger.source, terms.trigger.confirmations) == (PriceSource.MARK, 2)
    assert (terms.slippage_bps, terms.lifetime.time_in_force) == (2_000, TimeInForce.GTC)


def test_take_profit_tolerates_as_little_as_a_market_order() -> None:
    said = {"price": 180, "when": "above", "source": "executable", "ifAlreadyMet": "execute"}
    terms = terms_of(SELL | {"trigger": said})
    assert terms.trigger is not None
    assert terms.trigger.if_already_met is IfAlreadyMet.EXECUTE
    assert terms.slippage_bps == 50


def test_stop_limit_has_both() -> None:
    terms = terms_of(
        SELL | {"type": "limit", "limitPrice": "138", "trigger": {"price": "140", "when": "below"}}
    )
    assert terms.trigger is not None
    assert terms.limit is not None
    assert terms.slippage_bps is None


def test_sniper_order_has_filters_in_base_units() -> None:
    filters = {"venue": "meteora", "minLiquidity": "10", "maxFeeBps": 100, "maxDelayBlocks": 5}
    terms = terms_of(BY_TOKENS | {"type": "sniper", "sniper": filters})
    assert terms.sniper == Sniper("meteora", 10_000_000, 100, 5)
    assert terms_of(BY_TOKENS | {"type": "sniper"}).sniper == Sniper()


def test_moment_is_read_with_any_offset() -> None:
    said = {"type": "limit", "limitPrice": "155", "expiresAt": "2026-12-04T01:00:00.5+01:00"}
    lifetime = terms_of(SELL | said).lifetime
    assert lifetime.expires_at == datetime(2026, 12, 4, 0, 0, 0, 500_000, tzinfo=UTC)
    assert lifetime.time_in_force is TimeInForce.GTD


def test_moment_is_read_as_languages_with_finer_clocks_write_it() -> None:
    said = {"type": "limit", "limitPrice": "155", "expiresAt": "2026-12-04T00:00:00.123456789Z"}
    assert terms_of(SELL | said).lifetime.expires_at == datetime(2026, 12, 4, 0, 0, 0, 123_456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("members", "field", "problem"),
    [
        ({"limitPrice": "155"}, "limitPrice", "does not go with a market order"),
        ({"type": "limit"}, "limitPrice", "is required for a limit order"),
        ({"type": "limit", "limitPrice": "155", "slippageBps": 50}, "slippageBps",
         "does not go with limitPrice"),
        ({"type": "limit", "limitPrice": "-5"}, "limitPrice", "plain positive decimal"),
        ({"type": "limit", "limitPrice": "1" + "0" * 30}, "limitPrice",
         "asks for more than 18446744073709.551615 USDC,"),
        ({"side": "buy", "type": "limit", "limitPrice": "0.0000000001"}, "limitPrice",
         "leaves less than 0.000001 USDC to pay with"),
        ({"sniper": {}}, "sniper", "goes with"),
        ({"type": "sniper", "trigger": {"price": 1, "when": "above"}}, "trigger",
         "does not go with a sniper"),
        ({"trigger": {"price": "140"}}, "trigger.when", "is required"),
        ({"trigger": {"price": "140", "when": "under"}}, "trigger.when", "must be"),
        ({"trigger": {"price": "140", "when": "below", "confirmations": 11}}, "trigger.confirmations",
         "must be"),
        ({"trigger": "140"}, "trigger", "must be"),
        ({"type": "limit", "limitPrice": "1", "expiresAt": "2026-12-04"}, "expiresAt", "RFC 3339"),
        ({"type": "limit", "limitPrice": "1", "expiresAt": "2026-12-04T00:00:00"}, "expiresAt", "RFC 3339"),
        ({"type": "limit", "limitPrice": "1", "expiresAt": "2026-13-04T00:00:00Z"}, "expiresAt", "RFC 3339"),
        ({"type": "limit", "limitPrice": "1", "expiresAt": "0001-01-01T00:00:00+23:59"}, "expiresAt",
         "RFC 3339"),
        ({"type": "limit", "limitPrice": "1", "expiresAt": 1764806400}, "expiresAt", "RFC 3339"),
        ({"type": "limit", "limitPrice": "1", "validForSeconds": 2_592_001}, "validForSeconds", "must be"),
        ({"slipageBps": 10}, "slipageBps", "did you mean slippageBps?"),
        ({"type": "limit", "limit_price": "155"}, "limit_price", "did you mean limitPrice?"),
        ({"stopPrice": "140"}, "stopPrice", "did you mean trigger.price?"),
        ({"trigger": {"price": 1, "when": "above", "confirms": 3}}, "trigger.confirms", None),
        ({"trigger": {"price": 1, "when": "above", "confirmation": 3}}, "trigger.confirmation",
         "did you mean"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_by_field(
    members: dict[str, Any], field: str, problem: str | None
) -> None:
    if problem is None:
        terms_of(SELL | members)  # not near enough to any name
    else:
        assert problem in refusal_of(SELL | members)[field]


def test_bound_that_leaves_nothing_to_pay_is_refused() -> None:
    tiny = BUY | {"amount": "0.000000001", "type": "limit", "limitPrice": "0.5"}
    assert "leaves less than 0.000001 USDC" in refusal_of(tiny)["limitPrice"]


def test_exact_out_sniper_is_refused() -> None:
    assert "must be exactIn" in refusal_of(BY_TOKENS | {"type": "sniper", "swapMode": "exactOut"})["swapMode"]


def test_every_problem_of_an_order_is_named_at_once() -> None:
    found = refusal_of(SELL | {"slipageBps": 10, "amount": True, "expires_at": "x"})
    assert found.keys() == {"slipageBps", "expires_at", "amount"}


def test_fields_of_the_frame_and_notes_are_no_concern_of_the_order() -> None:
    terms = terms_of(SELL | {"action": "submit", "requestId": "r1", "dryRun": True, "note": "mine"})
    assert terms.limit is None
    assert {"limitPrice", "trigger", "sniper", "expiresAt"} <= names_of(WaitingOrder)
    assert not EVERYWHERE & names_of(WaitingOrder)


def test_type_is_market_unless_told_otherwise() -> None:
    assert meant_fields(WaitingOrder, SELL).type is OrderType.MARKET


@given(
    price=st.from_regex(r"[0-9]{1,12}(\.[0-9]{1,18})?", fullmatch=True).filter(
        lambda text: Fraction(text) > 0
    ),
    scales=st.tuples(st.integers(0, 18), st.integers(0, 18)),
    units=st.integers(1, MAX_UNITS),
    form=st.sampled_from(["sell", "buy", "exactIn", "exactOut"]),
)
def test_bound_of_a_limit_as_it_was_sent_is_never_worse_than_the_price(
    price: str, scales: tuple[int, int], units: int, form: str
) -> None:
    one, other = (
        Token(name, f"mint {name}", scale, MAX_UNITS, 0) for name, scale in zip("XY", scales, strict=True)
    )
    is_by_side = form in {"sell", "buy"}
    moved = other if form == "exactOut" else one
    said = {"type": "limit", "limitPrice": price, "amount": format_units(units, moved.scale)}
    said |= {"side": form, "baseAsset": "X", "quoteAsset": "Y"} if is_by_side else {}
    said |= {} if is_by_side else {"swapMode": form, "inputToken": "X", "outputToken": "Y"}
    try:
        terms = meant_fields(OrderFields, said).terms(Tokens([one, other], TokenPair("X", "Y")))
    except FieldError as refused:
        if refused.details[0].field != "limitPrice":
            raise
        return  # no amount that an account holds would keep it
    bound = terms.bound
    assert bound is not None
    # In whole tokens, as the trader sees it: Y per X, whichever of them is given.
    quote, base = (bound.units, units) if form != "exactOut" else (units, bound.units)
    at_bound = Fraction(quote, 10**other.scale) / Fraction(base, 10**one.scale)
    assert at_bound <= Fraction(price) if form == "buy" else at_bound >= Fraction(price)
