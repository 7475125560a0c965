"""Replies: one frame for the one connection that asked."""

import json

from chalicelib.domain.errors import client_order_id_conflict
from chalicelib.services.delivery.replies import Replies
from chalicelib.services.ports import Delivery
from tests.fakes.orders import an_order
from tests.fakes.ports import FakeConnections


def test_reply_reaches_the_connection_that_asked_and_no_other() -> None:
    connections = FakeConnections()
    assert Replies(connections).send("c=", {"type": "pong"}) is Delivery.DELIVERED
    assert connections.frames == {"c=": ['{"type":"pong"}']}


def test_refusal_names_the_request_and_the_order() -> None:
    connections, order = FakeConnections(), an_order()
    Replies(connections).refuse("c=", "r1", client_order_id_conflict(), order_id=order.order_id)
    (frame,) = (json.loads(text) for text in connections.frames["c="])
    assert (frame["type"], frame["code"]) == ("error", "CLIENT_ORDER_ID_CONFLICT")
    assert (frame["requestId"], frame["orderId"]) == ("r1", str(order.order_id))


def test_outcome_of_a_reply_is_what_became_of_its_frame() -> None:
    connections = FakeConnections()
    connections.gone.add("gone=")
    connections.slow.add("slow=")
    replies = Replies(connections)
    assert replies.send("gone=", {}) is Delivery.GONE
    assert replies.send("slow=", {}) is Delivery.UNDELIVERED
