"""What is still made of a message that breaks the rules."""

import json
from typing import Any

import pytest

from chalicelib.domain.queue_messages import OrderMessage, Remains, SubscribeMessage
from chalicelib.wire.queue_messages import render_message
from chalicelib.wire.unreadable_messages import remains
from tests.fakes.bad_messages import BAD_BODIES, BAD_ORDERS, an_order_body
from tests.fakes.orders import an_order


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_body_that_says_nothing_leaves_nothing(body: str) -> None:
    assert remains(body) == Remains()


@pytest.mark.parametrize("members", BAD_ORDERS.values(), ids=BAD_ORDERS)
def test_broken_order_leaves_its_connection_and_no_order_but_one_with_members_of_another_release(
    members: dict[str, Any],
) -> None:
    left = remains(an_order_body(**members))
    assert left.connection_id == "c="
    assert (left.order is None) == (members.keys() != {"limit_price"})


def test_broken_order_leaves_its_id() -> None:
    order = an_order()
    body = an_order_body(order_id=str(order.order_id), amount_units=-5)
    assert remains(body).order_id == order.order_id


def test_message_of_a_newer_release_leaves_the_order_whole() -> None:
    order = an_order(client_order_id="c")
    body = json.loads(render_message(OrderMessage(order=order, request_id="r")))
    body["order"]["limit_price"] = "150"
    body["added"] = {"since": "then"}
    assert remains(json.dumps(body)) == Remains(order.order_id, order, None, "r")


def test_broken_follow_leaves_its_order_and_its_connection() -> None:
    order_id = an_order().order_id
    body = render_message(SubscribeMessage(connection_id="c", account_id="a", order_id=order_id, after_seq=0))
    left = remains(body.replace('"after_seq":0', '"after_seq":-1'))
    assert left == Remains(order_id, None, "c", None)
