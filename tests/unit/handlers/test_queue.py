"""The consumers as Lambda calls them: exactly what is unfinished is reported back."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.bootstrap import Services
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.queue_messages import OrderMessage
from chalicelib.domain.statuses import OrderStatus as Status
from chalicelib.domain.transactions import SignatureStatus
from chalicelib.handlers.queue import (
    SENT_BACK_AFTER_S,
    UNREADABLE_AGAIN_S,
    execute_orders,
    settle_dead_letters,
)
from chalicelib.services.consumer.dead_letters import ResolveDeadLetters
from chalicelib.services.consumer.whole_batches import UnfinishedError
from chalicelib.wire.queue_messages import render_message
from tests.deploy.events import queue_event
from tests.fakes.orders import LIFE, an_order
from tests.unit.handlers.conftest import Wired


def event_of(*bodies: str, receive_count: int = 1) -> dict[str, Any]:
    """An event of several messages, whose ids and receipt handles are m0, m1, …"""
    records = []
    for place, body in enumerate(bodies):
        (record,) = queue_event("orders", body, receive_count=receive_count)["Records"]
        records.append({**record, "messageId": f"m{place}", "receiptHandle": f"m{place}"})
    return {"Records": records}


def unfinished(response: Any) -> list[str]:
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def body_of(order: Any) -> str:
    return render_message(OrderMessage(order=order, connection_id="c="))


def test_executed_orders_are_not_reported(wired: Wired) -> None:
    orders = [an_order() for _ in range(3)]
    assert unfinished(execute_orders(event_of(*map(body_of, orders)))) == []
    assert [wired.parts.statuses(order) for order in orders] == [LIFE] * 3
    assert wired.observer.flushed == 1


def test_undecided_order_is_reported_and_comes_back_after_a_pause(wired: Wired) -> None:
    wired.parts.chain.status = SignatureStatus.UNKNOWN
    assert unfinished(execute_orders(event_of(body_of(an_order())))) == ["m0"]
    assert wired.parts.queue.retries == [("m0", 1)]


def test_body_that_is_no_message_of_ours_is_reported_alone_and_comes_back_after_a_pause(wired: Wired) -> None:
    order = an_order()
    assert unfinished(execute_orders(event_of("hello", body_of(order), "{}"))) == ["m0", "m2"]
    assert wired.parts.statuses(order) == LIFE
    assert wired.parts.queue.retries == [("m0", UNREADABLE_AGAIN_S), ("m2", UNREADABLE_AGAIN_S)]


def test_batch_of_nothing_but_unreadable_messages_is_reported_whole(wired: Wired) -> None:
    assert unfinished(execute_orders(event_of("hello", ""))) == ["m0", "m1"]
    assert wired.observer.flushed == 1


def test_fault_before_anything_is_begun_reports_all(wired: Wired) -> None:
    class PutOff:
        def consume(self, _: object) -> list[bool]:
            raise RetryableError("a secret cannot be read")

    vars(wired.services)["consume_messages"] = PutOff()
    assert unfinished(execute_orders(event_of(body_of(an_order()), "hello"))) == ["m0", "m1"]


def test_how_often_a_message_was_received_counts_as_the_queue_says(wired: Wired) -> None:
    wired.parts.chain.status = SignatureStatus.UNKNOWN
    execute_orders(event_of(body_of(an_order()), receive_count=6))
    assert wired.parts.queue.retries == [("m0", 8)]


@pytest.mark.parametrize(
    ("sent_after_s", "told"), [(SENT_BACK_AFTER_S, []), (SENT_BACK_AFTER_S + 1, [3, 4, 5, 6])]
)
def test_order_that_is_sent_back_from_the_dead_letters_is_told_what_was_not_published(
    wired: Wired, sent_after_s: int, told: list[int]
) -> None:
    order = an_order()
    execute_orders(event_of(body_of(order)))
    row = wired.parts.tables.orders[order.order_id]
    row.state = replace(row.state, published_seq=2)
    wired.parts.connections.frames.clear()
    event = event_of(body_of(order), receive_count=1)
    sent_at = order.accepted_at + timedelta(seconds=sent_after_s)
    event["Records"][0]["attributes"]["SentTimestamp"] = str(round(sent_at.timestamp() * 1000))
    assert unfinished(execute_orders(event)) == []
    assert [frame["seq"] for frame in wired.parts.frames(order)] == told


def test_batch_is_finished_silently_where_its_mapping_takes_no_partial_response(wired: Wired) -> None:
    wired.set(PARTIAL_BATCH_RESPONSES="")
    assert unfinished(execute_orders(event_of(body_of(an_order())))) == []
    assert wired.received.deleted == []


@pytest.mark.parametrize("is_down", [False, True])
def test_batch_fails_whole_without_what_is_finished_where_its_mapping_takes_no_partial_response(
    wired: Wired, *, is_down: bool
) -> None:
    wired.set(PARTIAL_BATCH_RESPONSES="")
    wired.received.is_down = is_down
    with pytest.raises(UnfinishedError, match="2 of 3"):
        execute_orders(event_of("hello", body_of(an_order()), ""))
    assert wired.received.deleted == ([] if is_down else ["m1"])


def test_dead_letters_fail_whole_where_their_mapping_takes_no_partial_response(wired: Wired) -> None:
    wired.set(PARTIAL_BATCH_RESPONSES="")
    undecided = an_order()
    wired.parts.chain.status = SignatureStatus.UNKNOWN
    wired.parts.execute(undecided)
    with pytest.raises(UnfinishedError):
        settle_dead_letters(event_of(body_of(undecided), "hello"))
    assert wired.received.deleted == ["m1"]


def test_dead_letters_that_end_are_counted_and_those_that_stay_are_reported(wired: Wired) -> None:
    sound, undecided = an_order(), an_order()
    wired.parts.chain.status = SignatureStatus.UNKNOWN
    wired.parts.execute(undecided)
    response = settle_dead_letters(event_of(body_of(sound), body_of(undecided), "hello"))
    assert unfinished(response) == ["m1"]
    assert wired.observer.counts == {"DeadLettersResolved": 2}
    assert wired.parts.statuses(sound)[-1] is Status.FAILED


def test_dead_letters_that_nothing_can_be_done_about_now_are_all_reported(wired: Wired) -> None:
    class Unmade(Services):
        """Services of which one cannot be made now."""

        @property
        def resolve_dead_letters(self) -> ResolveDeadLetters:
            raise RetryableError("a secret cannot be read")

    wired.services.__class__ = Unmade
    assert unfinished(settle_dead_letters(event_of("a", "b"))) == ["m0", "m1"]
    assert wired.observer.counts == {"DeadLettersResolved": 0}


def test_batch_tells_that_its_consumer_runs_and_is_done_if_that_cannot_be_told(wired: Wired) -> None:
    execute_orders(event_of(body_of(an_order())))
    assert len(wired.consumers.noted) == 1
    wired.consumers.error = KeyError("a defect")
    wired.parts.clock.sleep(60)
    order = an_order(accepted_at=wired.parts.clock.now())
    assert unfinished(execute_orders(event_of(body_of(order)))) == []
    assert wired.parts.statuses(order) == LIFE


ODD_NUMBERS: list[Any] = [None, "", "x", "1.5", "-1", "9" * 5_000, float("inf"), [], {"a": 1}]
"""What no queue says of a message; None stands for nothing."""


def with_odd(event: dict[str, Any], name: str, number: object, *, of: int = 0) -> dict[str, Any]:
    attributes = event["Records"][of]["attributes"]
    attributes[name] = number
    if number is None:
        del attributes[name]
    return event


@pytest.mark.parametrize("number", ODD_NUMBERS)
@pytest.mark.parametrize("name", ["ApproximateReceiveCount", "SentTimestamp"])
def test_number_that_a_queue_does_not_say_keeps_no_order_of_the_batch(
    wired: Wired, name: str, number: object
) -> None:
    orders = [an_order() for _ in range(3)]
    event = with_odd(event_of(*map(body_of, orders)), name, number, of=1)
    assert unfinished(execute_orders(event)) == []
    assert [wired.parts.statuses(order) for order in orders] == [LIFE] * 3
    assert len(wired.consumers.noted) == 1


def test_messages_without_any_attributes_are_worked_on(wired: Wired) -> None:
    order = an_order()
    event = event_of(body_of(order), "hello")
    for record in event["Records"]:
        del record["attributes"]
    assert unfinished(execute_orders(event)) == ["m1"]
    assert wired.parts.statuses(order) == LIFE


def test_order_of_which_it_is_not_said_how_often_it_came_is_told_what_was_not_published(wired: Wired) -> None:
    order = an_order()
    execute_orders(event_of(body_of(order)))
    row = wired.parts.tables.orders[order.order_id]
    row.state = replace(row.state, published_seq=2)
    wired.parts.connections.frames.clear()
    assert unfinished(execute_orders(with_odd(event_of(body_of(order)), "ApproximateReceiveCount", ""))) == []
    assert [frame["seq"] for frame in wired.parts.frames(order)] == [3, 4, 5, 6]


@pytest.mark.parametrize("number", ODD_NUMBERS)
def test_dead_letter_of_which_it_is_not_said_how_often_it_came_is_settled(
    wired: Wired, number: object
) -> None:
    order = an_order()
    event = with_odd(event_of(body_of(order), "hello"), "ApproximateReceiveCount", number)
    assert unfinished(settle_dead_letters(event)) == []
    assert wired.parts.statuses(order)[-1] is Status.FAILED
