"""Queue messages: what is sent is what is received, and nothing else passes."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.orders import Order
from chalicelib.domain.queue_messages import (
    Message,
    OrderMessage,
    ResumeMessage,
    SubscribeMessage,
    UnreadableMessageError,
)
from chalicelib.wire.queue_messages import parse_message, render_message
from tests.fakes.bad_messages import BAD_BODIES, BAD_ORDERS, BAD_SUBSCRIPTIONS, an_order_body
from tests.fakes.orders import an_order

# As the first release wrote them: no submission, no correlation, nothing owed.
FIRST_ORDER = (
    '{"kind":"order","order":{"order_id":"019b796d-d600-79d4-a29f-e4f3deb17bcd","account_id":"alice",'
    '"client_order_id":"c1","order_type":"market","swap_mode":"exact_in","input_token":"SOL","output_token":"USDC",'
    '"amount_units":1000000000,"price_base":"SOL","slippage_bps":50,"accepted_at":"2026-01-01T12:00:00.123456Z",'
    '"valid_until":"2026-01-01T12:01:00.123456Z","content_sha256":"af26812da3ef9ec4"},'
    '"connection_id":"c=","request_id":null}'
)
FIRST_SUBSCRIPTION = (
    '{"kind":"follow","connection_id":"c=","account_id":"alice",'
    '"order_id":"019b796d-d600-79d4-a29f-e4f3deb17bcd","after_seq":0,"is_new":true}'
)


@pytest.mark.parametrize(
    "message",
    [
        OrderMessage(order=an_order()),
        OrderMessage(order=an_order(client_order_id="é"), connection_id="c=", request_id="r"),
        OrderMessage(order=an_order(amount_units=2**64 - 1)),
        ResumeMessage(order_id=uuid4()),
        SubscribeMessage(connection_id="c", account_id="a", order_id=uuid4(), after_seq=3, is_new=True),
    ],
    ids=lambda message: type(message).__name__,
)
def test_message_survives_the_queue_unchanged(message: Message) -> None:
    assert parse_message(render_message(message)) == message


def test_messages_of_the_first_release_are_read() -> None:
    order, subscription = parse_message(FIRST_ORDER), parse_message(FIRST_SUBSCRIPTION)
    assert isinstance(order, OrderMessage)
    assert (order.order.terms.client_order_id, order.order.submission_id, order.deferred_acknowledgement) == (
        "c1",
        None,
        None,
    )
    assert isinstance(subscription, SubscribeMessage)
    assert (subscription.is_new, subscription.content_sha256) == (True, None)


def test_token_that_is_listed_no_more_is_left_to_planning() -> None:
    message = parse_message(an_order_body(output_token="GONE"))  # no password
    assert isinstance(message, OrderMessage)
    assert message.order.terms.output_token == "GONE"


@pytest.mark.parametrize("body", ["", "{}", "null", '{"kind":"other"}', '{"kind":"resume"}', "hello"])
def test_body_that_is_not_ours_is_refused(body: str) -> None:
    with pytest.raises(UnreadableMessageError):
        parse_message(body)


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_body_that_no_release_wrote_is_refused(body: str) -> None:
    with pytest.raises(UnreadableMessageError):
        parse_message(body)


@pytest.mark.parametrize("members", BAD_ORDERS.values(), ids=BAD_ORDERS)
def test_order_that_no_frame_could_have_said_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(UnreadableMessageError):
        parse_message(an_order_body(**members))


RESTS: dict[str, Any] = {"time_in_force": "gtc", "valid_until": None}
LIMIT = {"price": "155", "rate": {"output_units": 31, "input_units": 200}}
TRIGGER = {
    "price": "140", "when": "below", "rate": {"output_units": 7, "input_units": 50}, "direction": "at_most",
    "source": "mark", "confirmations": 2, "if_already_met": "refuse",
}  # fmt: skip
SNIPER = {"venue": "meteora", "min_liquidity_units": 5, "max_fee_bps": 100, "max_delay_blocks": 5}
OF_LIMIT = {**RESTS, "order_type": "limit", "slippage_bps": None, "limit": LIMIT}
OF_TRIGGER = {**RESTS, "trigger": TRIGGER}
OF_SNIPER = {**RESTS, "order_type": "sniper", "sniper": SNIPER}


@pytest.mark.parametrize(
    "members", [OF_LIMIT, OF_TRIGGER, OF_SNIPER, {"valid_until": "2026-01-01T12:00:00Z"}]
)
def test_order_that_a_frame_could_have_said_is_read(members: dict[str, Any]) -> None:
    assert isinstance(parse_message(an_order_body(**members)), OrderMessage)


@pytest.mark.parametrize(
    ("members", "rule"),
    [
        ({**OF_LIMIT, "limit": None}, "limit must be there"),
        ({**OF_LIMIT, "slippage_bps": 50}, "slippage_bps or limit"),
        ({**OF_LIMIT, "order_type": "market"}, "limit must be there"),
        ({**OF_LIMIT, "limit": {**LIMIT, "rate": {"output_units": 2**512, "input_units": 3}}}, "512 bits"),
        ({**OF_LIMIT, "limit": {**LIMIT, "rate": {"output_units": 1, "input_units": 2**512}}}, "512 bits"),
        (
            {**OF_LIMIT, "limit": {**LIMIT, "rate": {"output_units": 2**65, "input_units": 1}}},
            "limit must be",
        ),
        ({**OF_TRIGGER, "trigger": {**TRIGGER, "confirmations": 0}}, "trigger.confirmations must be"),
        ({**OF_TRIGGER, "trigger": {**TRIGGER, "confirmations": 10**6}}, "trigger.confirmations must be"),
        ({**OF_TRIGGER, "trigger": {**TRIGGER, "price": ""}}, "trigger.price must be"),
        ({**OF_TRIGGER, "trigger": {**TRIGGER, "price": "1\0"}}, "trigger.price must be"),
        ({**OF_SNIPER, "sniper": None}, "sniper must be there"),
        ({**OF_SNIPER, "order_type": "market"}, "sniper must be there"),
        ({**OF_SNIPER, "trigger": TRIGGER}, "exact in and has no trigger"),
        ({**OF_SNIPER, "swap_mode": "exact_out"}, "exact in and has no trigger"),
        ({**OF_SNIPER, "output_decimals": -1}, "output_decimals must be"),
        ({"time_in_force": "gtc", "valid_until": None}, "time_in_force must be ioc"),
        ({"valid_until": None}, "valid_until must be there"),
        ({"slippage_bps": None}, "slippage_bps or limit"),
        ({**OF_LIMIT, "accepted_at": "2026-01-01T12:00:00"}, "accepted_at must have a time zone"),
    ],
)
def test_conditions_that_contradict_each_other_are_refused_by_their_rule(
    members: dict[str, Any], rule: str
) -> None:
    with pytest.raises(UnreadableMessageError, match=rule):
        parse_message(an_order_body(**members))


@pytest.mark.parametrize("members", BAD_SUBSCRIPTIONS.values(), ids=BAD_SUBSCRIPTIONS)
def test_follow_that_no_frame_could_have_said_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(UnreadableMessageError):
        parse_message(json.dumps(json.loads(FIRST_SUBSCRIPTION) | members))


@pytest.mark.parametrize("member", ["connection_id", "request_id", "correlation_id"])
@pytest.mark.parametrize("value", ["", "a\x00b", "x" * 129, 7])
def test_mark_around_an_order_that_could_not_be_stored_is_refused(member: str, value: object) -> None:
    with pytest.raises(ValueError, match=member):
        parse_message(json.dumps(json.loads(FIRST_ORDER) | {member: value}))


@pytest.mark.parametrize("broken", [{"connection_id": ""}, {"request_id": ""}, {"request_id": "a\x00"}])
def test_acknowledgement_owed_to_nobody_is_refused(broken: dict[str, str]) -> None:
    owed = {"connection_id": "c=", "request_id": "r"}
    body = json.loads(FIRST_ORDER)
    parse_message(json.dumps(body | {"owed": owed}))
    with pytest.raises(ValueError, match="owed"):
        parse_message(json.dumps(body | {"owed": owed | broken}))


def test_rule_is_named_with_its_field() -> None:
    with pytest.raises(ValueError, match="amount_units must be 1 to 18446744073709551615"):
        parse_message(an_order_body(amount_units=0))


def test_refusal_says_nothing_of_what_the_message_says() -> None:
    with pytest.raises(UnreadableMessageError) as refused:
        parse_message(an_order_body(account_id="hush" * 1_000, amount_units=-7_331))
    assert "hush" not in str(refused.value)
    assert "7331" not in str(refused.value)


def test_member_that_nobody_knows_is_refused() -> None:
    body = render_message(ResumeMessage(order_id=uuid4())).replace("{", '{"extra":1,', 1)
    with pytest.raises(ValueError, match="extra"):
        parse_message(body)


def test_order_that_could_not_be_read_is_not_written() -> None:
    bad = an_order(amount_units=0)
    with pytest.raises(ValueError, match="amount_units"):
        render_message(OrderMessage(order=bad))


@pytest.mark.parametrize("mark", ["connection_id", "request_id", "correlation_id"])
def test_mark_that_could_not_be_read_is_not_written(mark: str) -> None:
    with pytest.raises(ValueError, match=mark):
        render_message(OrderMessage(order=an_order(), **{mark: "a\x00b"}))  # type: ignore[arg-type]  # a mark


def test_every_sound_order_is_read_back() -> None:
    order: Order = an_order(order_id=UUID(int=1), account_id="~" * 128, client_order_id="c" * 64)
    message = parse_message(render_message(OrderMessage(order=order)))
    assert isinstance(message, OrderMessage)
    assert message.order == order


def test_deferred_acknowledgement_is_called_owed_in_json_as_it_always_was() -> None:
    acknowledgement = Acknowledgement("c=", "r1")
    message = OrderMessage(order=an_order(), deferred_acknowledgement=acknowledgement)
    body = json.loads(render_message(message))
    assert body["owed"] == {"connection_id": "c=", "request_id": "r1"}
    assert "deferred_acknowledgement" not in body
    read = parse_message(json.dumps(body))
    assert isinstance(read, OrderMessage)
    assert read.deferred_acknowledgement == acknowledgement


def test_subscribe_message_is_called_follow_in_json_as_it_always_was() -> None:
    message = SubscribeMessage(
        connection_id="c=",
        account_id="alice",
        order_id=uuid4(),
        after_seq=3,
        deferred_acknowledgement=Acknowledgement("c=", None),
    )
    body = json.loads(render_message(message))
    assert (body["kind"], body["owed"]) == ("follow", {"connection_id": "c=", "request_id": None})
    assert parse_message(json.dumps(body)) == message
