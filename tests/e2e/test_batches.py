"""Connections opened with ``?batch=1``: the same frames, several of them in one."""

import pytest
from websockets.exceptions import InvalidStatus

from tests.e2e.conftest import Connect
from tests.e2e.trader import LIFE, Frame, Trader, assert_whole, statuses
from tests.support.instance import Instance


def kinds(frame: Frame) -> list[str]:
    """What a batch holds: statuses of events, types of other frames."""
    return [member.get("status", member["type"]) for member in frame["frames"]]


def test_order_costs_few_frames_that_begin_with_its_acknowledgement(connect: Connect) -> None:
    trader = connect(batch="1")
    order_id = trader.submit(side="buy", amount="0.1", clientOrderId="batched")
    assert_whole(trader.finished(order_id))
    assert {frame["type"] for frame in trader.received} == {"batch"}
    assert [kind for frame in trader.received for kind in kinds(frame)] == ["accepted", *LIFE]
    assert len(trader.received) < len(LIFE)
    assert trader.frames[0]["clientOrderId"] == "batched"


def test_replay_is_one_batch_and_equals_what_was_seen_frame_by_frame(
    trader: Trader, connect: Connect
) -> None:
    order_id = trader.submit(side="sell", amount="0.1")
    live = trader.finished(order_id)
    subscriber = connect(orderId=order_id, batch="1")
    assert subscriber.finished(order_id) == live
    assert [kinds(frame) for frame in subscriber.received] == [LIFE]


def test_order_in_the_url_goes_with_batches(connect: Connect) -> None:
    trader = connect(inputToken="SOL", outputToken="USDC", amount="1.5", batch="1")
    events = trader.finished(trader.first_order())
    assert statuses(events) == LIFE
    assert {frame["type"] for frame in trader.received} == {"batch"}


def test_second_submission_is_acknowledged_by_its_own_mark(connect: Connect) -> None:
    trader = connect(batch="1")
    wish = {"side": "buy", "amount": "0.1", "clientOrderId": "batched twice"}
    order_id = trader.submit(**wish)
    first = trader.finished(order_id)
    before = len(trader.received)
    assert trader.submit(**wish) == order_id
    assert trader.until(lambda: all_of if len(all_of := trader.events(order_id)) >= 12 else None) == first * 2
    assert [kinds(frame) for frame in trader.received[before:]] == [["accepted", *LIFE]]


def test_answers_that_are_no_events_stay_as_they_are(connect: Connect) -> None:
    trader = connect(batch="1")
    assert trader.is_open()
    assert trader.ask(action="quote", side="buy", amount="1")["type"] == "quote"
    assert trader.ask(action="submit", side="buy", amount="-1")["type"] == "error"
    assert trader.ask(action="subscribe")["type"] == "subscribed"
    assert [frame["type"] for frame in trader.received] == ["pong", "quote", "error", "subscribed"]


@pytest.mark.parametrize("query", [{}, {"batch": "0"}])
def test_connection_that_does_not_ask_for_batches_gets_none(connect: Connect, query: dict[str, str]) -> None:
    trader = connect(**query)
    trader.finished(trader.submit(side="buy", amount="0.1"))
    assert {frame["type"] for frame in trader.received} == {"accepted", "order"}


def test_any_other_wish_is_refused_at_the_handshake(instance: Instance) -> None:
    with pytest.raises(InvalidStatus) as refused:
        Trader(instance.websocket_url, {"batch": "yes"})
    assert refused.value.response.status_code == 400
