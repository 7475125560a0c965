"""Server frames: the shapes that clients are written against."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from chalicelib.domain.errors import FieldError, NotFoundError
from chalicelib.domain.orders import OrderState
from chalicelib.domain.statuses import OrderStatus
from chalicelib.wire.moments import rfc3339
from chalicelib.wire.server_frames import (
    BATCH_BYTES_MAX,
    accepted,
    batch_texts,
    error,
    error_body,
    json_text,
    pong,
    subscribed,
)
from tests.fakes.orders import NOON, VIEWS, advanced, an_order


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
    assert VIEWS.frame("mine", event) == {
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


def test_batch_holds_its_frames_as_they_are_and_in_order() -> None:
    texts = [json_text({"seq": number, "é": "\u2028"}) for number in range(3)]
    (batch,) = batch_texts(texts)
    assert json.loads(batch) == {"type": "batch", "frames": [json.loads(text) for text in texts]}


def test_nothing_to_say_is_no_batch() -> None:
    assert list(batch_texts([])) == []


def test_batches_are_cut_before_they_cost_a_second_message_and_no_earlier() -> None:
    texts = [json_text({"text": "é" * 500})] * 200
    batches = list(batch_texts(texts))
    assert sum(len(json.loads(batch)["frames"]) for batch in batches) == 200
    sizes = [len(batch.encode()) for batch in batches]
    assert max(sizes) <= BATCH_BYTES_MAX
    assert min(sizes[:-1]) > BATCH_BYTES_MAX - 1_100


@pytest.mark.parametrize(("beyond", "batches"), [(0, 1), (1, 2)])
def test_batch_may_be_full_to_the_last_byte(beyond: int, batches: int) -> None:
    room = BATCH_BYTES_MAX - len('{"type":"batch","frames":[,]}')
    texts = [json_text("x" * (room - 102)), json_text("x" * (98 + beyond))]
    found = list(batch_texts(texts))
    assert len(found) == batches
    assert beyond or len(found[0]) == BATCH_BYTES_MAX


def test_frame_too_large_for_a_batch_travels_alone() -> None:
    small, large = json_text("x"), json_text("x" * BATCH_BYTES_MAX)
    batches = [json.loads(batch)["frames"] for batch in batch_texts([small, large, small])]
    assert [len(frames) for frames in batches] == [1, 1, 1]
