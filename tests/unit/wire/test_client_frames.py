"""Client frames: what each means, and what is said of one that means nothing."""

import json
from uuid import UUID

import pytest
from pydantic.alias_generators import to_camel

from chalicelib.domain.errors import Code, InvalidRequestError
from chalicelib.wire.client_frames import (
    ACTIONS,
    CancelFields,
    PingFields,
    SubscribeFields,
    UnsubscribeFields,
    parse_client_frame,
    request_id_of,
)
from chalicelib.wire.order_fields import OrderFields, SwapFields
from chalicelib.wire.resting_frames import CancelAllFields, SubmitBatchFields

ORDER_ID = "0192f3a4-5b6c-7d8e-9f01-23456789abcd"
ORDER: dict[str, object] = {"inputToken": "SOL", "outputToken": "USDC", "amount": "1"}


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"action": "submit"} | ORDER, OrderFields),
        ({"action": "quote"} | ORDER, SwapFields),
        ({"action": "subscribe", "orderId": ORDER_ID, "afterSeq": 3}, SubscribeFields),
        ({"action": "subscribe"}, SubscribeFields),
        ({"action": "unsubscribe"}, UnsubscribeFields),
        ({"action": "cancel", "orderId": ORDER_ID}, CancelFields),
        ({"action": "ping"}, PingFields),
        ({"action": "submitBatch", "orders": [ORDER]}, SubmitBatchFields),
        ({"action": "cancelAll"}, CancelAllFields),
        ({"action": "cancelAll", "baseAsset": "SOL", "types": ["limit"]}, CancelAllFields),
        (ORDER, OrderFields),
        ({"side": "buy", "amount": 1}, OrderFields),
        ({"orderId": ORDER_ID}, SubscribeFields),
        ({"orderId": ORDER_ID} | ORDER, OrderFields),
    ],
)
def test_frame_means_what_its_action_or_its_members_say(members: dict[str, object], kind: type) -> None:
    assert type(parse_client_frame(json.dumps(members)).fields) is kind


def test_request_id_is_handed_back() -> None:
    assert parse_client_frame('{"action":"ping","requestId":"r1"}').request_id == "r1"
    assert parse_client_frame('{"action":"ping"}').request_id is None


def test_order_id_is_read_in_any_case() -> None:
    fields = parse_client_frame(json.dumps({"orderId": ORDER_ID.upper()})).fields
    assert isinstance(fields, SubscribeFields)
    assert fields.order_id == UUID(ORDER_ID)


@pytest.mark.parametrize(
    "text", ["{}", '{"action":"fly"}', '{"action":null}', '{"action":["ping"]}', '{"requestId":"r"}']
)
def test_frame_that_asks_for_nothing_known_is_told_every_action(text: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_client_frame(text)
    assert refused.value.code is Code.UNKNOWN_ACTION
    assert all(action in refused.value.message for action in ACTIONS)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"action": "cancel"}, "orderId"),
        ({"action": "cancel", "orderId": None}, "orderId"),
        ({"orderId": "{" + ORDER_ID + "}"}, "orderId"),
        ({"orderId": ORDER_ID.replace("-", "")}, "orderId"),
        ({"orderId": "urn:uuid:" + ORDER_ID}, "orderId"),
        ({"orderId": ORDER_ID, "afterSeq": -1}, "afterSeq"),
        ({"orderId": ORDER_ID, "afterSeq": 2**31}, "afterSeq"),
        ({"orderId": ORDER_ID, "afterSeq": "3"}, "afterSeq"),
        ({"action": "ping", "requestId": 7}, "requestId"),
        ({"action": "ping", "requestId": ""}, "requestId"),
        ({"action": "ping", "requestId": "x" * 129}, "requestId"),
        ({"action": "ping", "requestId": "a\nb"}, "requestId"),
    ],
)
def test_broken_rule_is_told_with_its_field(members: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_client_frame(json.dumps(members))
    assert [detail.field for detail in refused.value.details] == [field]


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ('{"requestId":"r1","action":7}', "r1"),
        ('{"requestId":7}', None),
        ('{"requestId":"r1","amount":"1","amount":"2"}', "r1"),
        ("[]", None),
        ("{", None),
        ("", None),
        ('{"requestId":"r1","amount":"' + "1" * 20_000 + '"}', "r1"),
        ('{"requestId":"r1","amount":' + "[" * 50 + "]" * 50 + "}", "r1"),
        ('{"requestId":"r1","amount":"' + "1" * 40_000 + '"}', None),
    ],
)
def test_mark_of_a_bad_frame_is_found_if_it_is_sound(text: str, mark: str | None) -> None:
    assert request_id_of(text) == mark


@pytest.mark.parametrize(("wish", "is_dry"), [(True, True), (False, False), (None, False)])
def test_dry_run_is_what_a_submit_says(*, wish: object, is_dry: bool) -> None:
    assert parse_client_frame(json.dumps({"dryRun": wish} | ORDER)).is_dry_run is is_dry


@pytest.mark.parametrize(
    "members",
    [
        {"dryRun": "yes"} | ORDER,
        {"action": "cancel", "orderId": ORDER_ID, "dryRun": True},
        {"action": "cancelAll", "dryRun": True},
        {"action": "submitBatch", "orders": [ORDER], "dryRun": True},
    ],
)
def test_dry_run_that_would_not_be_one_is_refused(members: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_client_frame(json.dumps(members))
    assert [problem.field for problem in refused.value.details] == ["dryRun"]


def test_batch_that_asks_for_what_is_not_offered_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="each order of a batch is accepted or refused by itself"):
        parse_client_frame(json.dumps({"action": "submitBatch", "orders": [ORDER], "atomic": True}))


SALE = {"side": "sell", "amount": "1"}
TRIGGER = {"price": "140", "when": "below"}
AMEND = {"action": "amend", "orderId": ORDER_ID, "limitPrice": "1"}


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({**SALE, "trigger": {**TRIGGER, "limitPrice": "139"}}, "trigger.limitPrice"),
        ({**SALE, "trigger": {**TRIGGER, "slippageBps": 10}}, "trigger.slippageBps"),
        ({**SALE, "trigger": TRIGGER, "source": "executable"}, "source"),
        ({**SALE, "trigger": TRIGGER, "ifAlreadyMet": "execute"}, "ifAlreadyMet"),
        ({**SALE, "type": "sniper", "maxFeeBps": 100}, "maxFeeBps"),
        ({**SALE, "type": "sniper", "venue": "raydium"}, "venue"),
        ({**AMEND, "stopPrice": "2"}, "stopPrice"),
        ({**AMEND, "trigger": {"price": "2"}}, "trigger"),
        ({**AMEND, "slippageBps": 2}, "slippageBps"),
        ({**AMEND, "validForSeconds": 60}, "validForSeconds"),
        ({**AMEND, "confirmations": 3}, "confirmations"),
        ({**AMEND, "afterSeq": 3}, "afterSeq"),
        ({**AMEND, "action": "subscribe", "order_id": "x"}, "order_id"),
        ({"action": "subscribe", "order_id": ORDER_ID}, "order_id"),
        ({"action": "unsubscribe", "order_id": ORDER_ID}, "order_id"),
        ({"action": "quote", **SALE, "swap_mode": "exactOut"}, "swap_mode"),
        ({"orderId": ORDER_ID, "limitPrice": "1"}, "action"),
        ({"orderId": ORDER_ID, "amount": "1"}, "action"),
        ({"action": "subscribe", "clientOrderId": "mine"}, "clientOrderId"),
        ({"action": "subscribe", "orderId": None, "symbol": "SOL"}, "symbol"),
        ({"action": "subscribe", "status": "open"}, "status"),
        ({"action": "unsubscribe", "clientOrderId": "mine"}, "clientOrderId"),
        ({"action": "unsubscribe", "types": ["limit"]}, "types"),
        ({"action": "cancel", "orderId": ORDER_ID, "ifSeq": 3}, "ifSeq"),
        ({"action": "cancel", "orderId": ORDER_ID, "if_seq": 3}, "if_seq"),
        ({"action": "submitBatch", "orders": [ORDER], "slippageBps": 5}, "slippageBps"),
        ({"action": "submitBatch", "orders": [ORDER], "slippage": 5}, "slippage"),
        ({"action": "submitBatch", "orders": [ORDER], "stopPrice": "2"}, "stopPrice"),
        ({"action": "submitBatch", "orders": [ORDER], "clientOrderId": "mine"}, "clientOrderId"),
    ],
)
def test_member_that_was_meant_is_refused_wherever_it_stands(members: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_client_frame(json.dumps(members))
    assert [problem.field for problem in refused.value.details] == [field]


@pytest.mark.parametrize(
    "members",
    [
        {**SALE, "trigger": {**TRIGGER, "note": "x", "source": "mark"}, "source": "bot", "note": "x"},
        {**SALE, "source": "bot", "when": "now"},
        {**AMEND, "note": "x", "clientOrderId": "mine", "source": "bot"},
        {"action": "subscribe", "note": "x", "type": "subscribe", "status": None},
        {"action": "subscribe", "orderId": ORDER_ID, "clientOrderId": "mine", "status": "open"},
        {"action": "unsubscribe", "orderId": ORDER_ID, "clientOrderId": "mine"},
        {"action": "cancel", "orderId": ORDER_ID, "clientOrderId": "mine", "status": "open"},
        {"action": "submitBatch", "orders": [ORDER], "note": "x"},
        {"action": "ping", "at": 1},
    ],
)
def test_member_that_means_nothing_here_is_ignored(members: dict[str, object]) -> None:
    parse_client_frame(json.dumps(members))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({**SALE, "trigger": "140"}, "trigger must be a JSON object"),
        ({"action": "cancelAll", "types": "limit"}, "types must be a list"),
        ({"action": "cancelAll", "types": []}, "types must not be empty"),
        ({"action": "cancelAll", "types": ["stop"]}, "types.0 must be 'market', 'limit' or 'sniper'"),
    ],
)
def test_value_of_another_shape_is_told_in_words_of_json(members: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_client_frame(json.dumps(members))
    assert refused.value.message == message


REQUIRED: dict[str, dict[str, object]] = {
    "submit": ORDER,
    "submitBatch": {"orders": [ORDER]},
    "subscribe": {},
    "unsubscribe": {},
    "cancel": {"orderId": ORDER_ID},
    "cancelAll": {},
    "amend": {"orderId": ORDER_ID, "limitPrice": "1"},
    "quote": ORDER,
    "ping": {},
}


@pytest.mark.parametrize("action", ACTIONS)
def test_member_that_may_be_left_out_may_be_null(action: str) -> None:
    members: dict[str, object] = {"action": action} | REQUIRED[action]
    left_out = {"requestId", "dryRun"} | {
        to_camel(name) for name, field in ACTIONS[action].model_fields.items() if not field.is_required()
    }
    nulls = dict.fromkeys(left_out - members.keys())
    assert parse_client_frame(json.dumps(members | nulls)) == parse_client_frame(json.dumps(members))


@pytest.mark.parametrize("members", [ORDER, {"orderId": ORDER_ID}])
def test_action_that_is_null_is_implied_as_if_it_were_left_out(members: dict[str, str]) -> None:
    nulls = {"action": None, **dict.fromkeys(["limitPrice", "side"])}
    assert parse_client_frame(json.dumps(nulls | members)) == parse_client_frame(json.dumps(members))


def test_frame_of_nulls_alone_asks_for_nothing() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_client_frame(json.dumps({"orderId": None, "amount": None}))
    assert refused.value.code is Code.UNKNOWN_ACTION
