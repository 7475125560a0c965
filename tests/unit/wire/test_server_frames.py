"""Server frames: the shapes that clients are written against."""

import json
from datetime import datetime, timedelta, timezone

from chalicelib.domain.errors import FieldError, NotFoundError
from chalicelib.domain.orders import OrderState
from chalicelib.domain.statuses import OrderStatus
from chalicelib.wire.server_frames import (
    accepted,
    error,
    error_body,
    json_text,
    order_event,
    pong,
    rfc3339,
    subscribed,
)
from tests.fakes.orders import NOON, advanced, an_order


def test_times_are_utc_with_milliseconds_and_z() -> None:
    assert rfc3339(NOON) == "2026-01-01T12:00:00.000Z"
    east = datetime(2026, 1, 1, 14, 0, 0, 123999, tzinfo=timezone(timedelta(hours=2)))
    assert rfc3339(east) == "2026-01-01T12:00:00.123Z"


def test_accepted_names_the_request_and_the_order() -> None:
    order = an_order(client_order_id="mine")
    assert accepted("r1", order) == {
        "type": "accepted",
        "requestId": "r1",
        "orderId": str(order.order_id),
        "clientOrderId": "mine",
        "at": "2026-01-01T12:00:00.000Z",
    }


def test_event_carries_the_fields_of_its_status() -> None:
    _, (event,) = advanced(OrderState(an_order()), OrderStatus.PENDING, data={"inputToken": "SOL"})
    assert order_event("mine", event) == {
        "type": "order",
        "orderId": str(event.order_id),
        "clientOrderId": "mine",
        "seq": 1,
        "status": "pending",
        "attempt": 1,
        "at": "2026-01-01T12:00:00.000Z",
        "inputToken": "SOL",
    }


def test_error_names_field_and_rule_and_the_order_if_there_is_one() -> None:
    order_id = an_order().order_id
    frame = error("r1", FieldError("amount", "must be greater than 0"), order_id=order_id)
    assert frame == {
        "type": "error",
        "requestId": "r1",
        "code": "INVALID_REQUEST",
        "message": "amount must be greater than 0",
        "details": [{"field": "amount", "problem": "must be greater than 0"}],
        "orderId": str(order_id),
    }
    assert "orderId" not in error(None, NotFoundError())


def test_error_body_is_the_frame_without_its_envelope() -> None:
    refusal = NotFoundError()
    frame = error("r1", refusal)
    assert error_body(refusal) == {key: frame[key] for key in ("code", "message", "details")}


def test_replies_name_their_request() -> None:
    assert subscribed("r1", None) == {"type": "subscribed", "requestId": "r1", "orderId": None}
    assert pong(None) == {"type": "pong", "requestId": None}


def test_text_is_compact_and_keeps_every_character() -> None:
    assert json_text({"a": ["é", 1]}) == '{"a":["é",1]}'
    assert json.loads(json_text({"a": "\u2028"})) == {"a": "\u2028"}
