"""Queue messages: what is sent is what is received, and nothing else passes."""

from uuid import uuid4

import pytest

from chalicelib.wire.queue_messages import FollowMessage, Message, OrderMessage, ResumeMessage, parse_message
from tests.fakes.orders import an_order


@pytest.mark.parametrize(
    "message",
    [
        OrderMessage(order=an_order()),
        OrderMessage(order=an_order(client_order_id="é\u2028"), connection_id="c=", request_id="r"),
        OrderMessage(order=an_order(amount_units=2**64 - 1)),
        ResumeMessage(order_id=uuid4()),
        FollowMessage(connection_id="c", account_id="a", order_id=uuid4(), after_seq=3, is_new=True),
    ],
    ids=lambda message: message.kind,
)
def test_message_survives_the_queue_unchanged(message: Message) -> None:
    assert parse_message(message.model_dump_json()) == message


@pytest.mark.parametrize("body", ["", "{}", "null", '{"kind":"other"}', '{"kind":"resume"}', "hello"])
def test_body_that_is_not_ours_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        parse_message(body)


def test_member_that_nobody_knows_is_refused() -> None:
    body = ResumeMessage(order_id=uuid4()).model_dump_json().replace("{", '{"extra":1,', 1)
    with pytest.raises(ValueError, match="extra"):
        parse_message(body)
