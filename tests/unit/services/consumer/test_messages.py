"""The queue's messages: each has done its work or comes back, whatever the one beside it does."""

import json
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.queue_messages import Message, OrderMessage, ResumeMessage, SubscribeMessage
from chalicelib.domain.statuses import OrderStatus as Status
from chalicelib.domain.transactions import SignatureStatus
from chalicelib.services.consumer.messages import Received
from chalicelib.services.ports import OrderView
from tests.fakes.consumer import ConsumerOnFakes
from tests.fakes.orders import LIFE, an_order

UNREACHABLE = RetryableError("the database is down")


@pytest.fixture
def consumer() -> ConsumerOnFakes:
    return ConsumerOnFakes()


def submitted(order: Order, connection_id: str | None = "c=") -> OrderMessage:
    return OrderMessage(order=order, connection_id=connection_id, request_id="r1")


def subscribed(
    order_id: UUID, *, content_sha256: str | None = None, is_new: bool = False, connection_id: str = "d="
) -> SubscribeMessage:
    return SubscribeMessage(
        connection_id=connection_id,
        account_id="alice",
        order_id=order_id,
        after_seq=0,
        content_sha256=content_sha256,
        is_new=is_new,
    )


def consumed(consumer: ConsumerOnFakes, *messages: Message, receive_count: int = 1) -> list[bool]:
    """Consume a batch; receipt handles are places in it."""
    batch = [Received(message, str(place), receive_count) for place, message in enumerate(messages)]
    return list(consumer.consume_messages.consume(batch))


def pauses(consumer: ConsumerOnFakes) -> dict[str, int]:
    return dict(consumer.queue.retries)


def an_executed_order(consumer: ConsumerOnFakes) -> Order:
    order = replace(an_order(client_order_id="own"), submission_id=uuid4())
    consumed(consumer, submitted(order))
    return order


def test_order_is_executed_and_a_subscription_beside_it_is_caught_up(consumer: ConsumerOnFakes) -> None:
    earlier, order = an_executed_order(consumer), an_order()
    assert consumed(consumer, subscribed(earlier.order_id, is_new=True), submitted(order)) == [True, True]
    assert consumer.statuses(order) == LIFE
    assert [frame["seq"] for frame in consumer.frames(earlier, "d=")] == [1, 2, 3, 4, 5, 6]
    assert pauses(consumer) == {}


def test_message_that_is_not_done_comes_back_after_its_own_pause_and_the_others_do_not(
    consumer: ConsumerOnFakes,
) -> None:
    earlier, order = an_executed_order(consumer), an_order()
    consumer.chain.status = SignatureStatus.UNKNOWN
    done = consumed(consumer, subscribed(earlier.order_id), submitted(order), submitted(earlier))
    assert done == [True, False, True]
    assert pauses(consumer) == {"1": 1}


def test_resume_goes_on_with_an_order_from_where_it_stands(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    consumer.chain.status = SignatureStatus.UNKNOWN
    consumed(consumer, submitted(order))
    consumer.chain.status = SignatureStatus.LANDED
    assert consumed(consumer, ResumeMessage(order_id=order.order_id)) == [True]
    assert consumer.statuses(order) == LIFE


def test_outage_brings_all_orders_back_later_each_time_and_never_later_than_a_minute(
    consumer: ConsumerOnFakes,
) -> None:
    for venue in consumer.venues:
        venue.fault = UNREACHABLE
    found = []
    for receive_count in (1, 3, 4, 5, 6, 1_000):
        messages = [submitted(an_order()), submitted(an_order())]
        assert consumed(consumer, *messages, receive_count=receive_count) == [False, False]
        found.append(set(pauses(consumer).values()))
    assert found == [{2}, {8}, {16}, {32}, {60}, {60}]


def test_second_submission_of_an_order_sees_all_of_it_and_executes_nothing(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_executed_order(consumer)
    again = replace(order, submission_id=uuid4())
    assert consumed(consumer, submitted(again, "d=")) == [True]
    assert consumed(consumer, submitted(replace(order, submission_id=uuid4()), None)) == [True]
    assert [frame["seq"] for frame in consumer.frames(order, "d=")] == [1, 2, 3, 4, 5, 6]
    assert consumer.connections.frames.keys() == {"c=", "d="}
    assert len(consumer.chain.sent) == 1


@pytest.mark.parametrize("are_together", [True, False], ids=["in one batch", "while it is under way"])
def test_second_submission_of_an_unfinished_order_sees_all_of_it(
    consumer: ConsumerOnFakes, *, are_together: bool
) -> None:
    order = replace(an_order(client_order_id="own"), submission_id=uuid4())
    first, second = submitted(order), submitted(replace(order, submission_id=uuid4()), "d=")
    if are_together:
        assert consumed(consumer, first, second) == [True, True]
    else:
        consumer.chain.status = SignatureStatus.UNKNOWN
        consumed(consumer, first)
        consumer.chain.status = SignatureStatus.LANDED
        assert consumed(consumer, second) == [True]
    assert [frame["seq"] for frame in consumer.frames(order, "d=")] == [1, 2, 3, 4, 5, 6]
    assert len(consumer.chain.signed) == 1


@pytest.mark.parametrize("is_signed_ahead", [True, False])
def test_deferred_acknowledgement_goes_ahead_of_its_orders_first_events(
    consumer: ConsumerOnFakes, *, is_signed_ahead: bool
) -> None:
    order, other = an_order(), an_order()
    message = replace(submitted(order), deferred_acknowledgement=Acknowledgement("c=", "r1"))
    # A message that was delivered before has its order claimed first.
    batch = [Received(message, "0", 1), Received(submitted(other), "1", 1 if is_signed_ahead else 3)]
    assert consumer.consume_messages.consume(batch) == [True, True]
    told = [json.loads(text) for text in consumer.connections.frames["c="]]
    frames = [frame for each in told for frame in each.get("frames", [each])]
    kinds = [frame["type"] for frame in frames if frame["orderId"] == str(order.order_id)]
    assert kinds == ["accepted", *["order"] * 6]
    assert [frame["type"] for frame in frames if frame["orderId"] == str(other.order_id)] == ["order"] * 6


def test_submission_of_other_terms_under_a_taken_id_is_refused_and_sees_nothing(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_executed_order(consumer)
    other = replace(order, submission_id=uuid4(), content_sha256="0" * 64)
    assert consumed(consumer, submitted(other, "d=")) == [True]
    (frame,) = consumer.frames(order, "d=")
    assert (frame["type"], frame["code"], frame["requestId"]) == ("error", "CLIENT_ORDER_ID_CONFLICT", "r1")


def test_refusal_that_was_not_delivered_brings_its_message_back(consumer: ConsumerOnFakes) -> None:
    order = an_executed_order(consumer)
    consumer.connections.slow.add("d=")
    other = replace(order, submission_id=uuid4(), content_sha256="0" * 64)
    assert consumed(consumer, submitted(other, "d=")) == [False]


def test_subscription_to_an_accepted_order_that_is_not_on_record_yet_comes_back(
    consumer: ConsumerOnFakes,
) -> None:
    assert consumed(consumer, subscribed(uuid4(), content_sha256="0" * 64, is_new=True)) == [False]
    assert consumer.connections.frames == {}


def test_subscription_to_no_order_is_refused_if_its_connection_waits_for_an_answer(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_order()
    assert consumed(consumer, subscribed(order.order_id, is_new=True)) == [True]
    assert [frame["code"] for frame in consumer.frames(order, "d=")] == ["ORDER_NOT_FOUND"]


def test_subscription_to_an_order_of_other_content_is_refused_as_soon_as_that_is_delivered(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_executed_order(consumer)
    message = subscribed(order.order_id, content_sha256="0" * 64, is_new=True)
    consumer.connections.slow.add("d=")
    assert consumed(consumer, message) == [False]
    consumer.connections.slow.clear()
    assert consumed(consumer, message, receive_count=2) == [True]
    assert [frame["code"] for frame in consumer.frames(order, "d=")] == ["CLIENT_ORDER_ID_CONFLICT"]
    assert ("d=", order.order_id) not in consumer.tables.subscriptions


def test_message_does_not_subscribe_a_connection_again_that_has_unsubscribed_meanwhile(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_executed_order(consumer)
    assert consumed(consumer, subscribed(order.order_id)) == [True]
    assert ("d=", order.order_id) not in consumer.tables.subscriptions
    assert consumer.connections.frames.get("d=") is None


def test_catching_up_with_no_order_is_no_work_and_answered_by_nothing(consumer: ConsumerOnFakes) -> None:
    assert consumed(consumer, subscribed(uuid4())) == [True]
    assert consumer.connections.frames == {}


def test_connection_that_is_not_established_yet_is_refused_at_the_second_delivery(
    consumer: ConsumerOnFakes,
) -> None:
    consumer.connections.gone.add("d=")
    message = subscribed(uuid4(), is_new=True)
    assert consumed(consumer, message) == [False]
    assert consumed(consumer, message, receive_count=2) == [True]


def test_order_of_another_account_is_not_shown(consumer: ConsumerOnFakes) -> None:
    order = an_executed_order(consumer)
    foreign = replace(subscribed(order.order_id, connection_id="c="), account_id="mallory")
    before = len(consumer.frames(order, "c="))
    assert consumed(consumer, foreign) == [True]
    assert len(consumer.frames(order, "c=")) == before


def test_defect_over_one_subscription_brings_that_message_back_and_no_other(
    consumer: ConsumerOnFakes,
) -> None:
    earlier, order = an_executed_order(consumer), an_order()
    poison = uuid4()
    find = consumer.queries.find

    def defective(account_id: str, order_id: UUID) -> OrderView | None:
        if order_id == earlier.order_id:
            raise KeyError("planted")
        return find(account_id, order_id)

    consumer.queries.find = defective  # type: ignore[method-assign]
    messages: Sequence[Message] = [
        subscribed(earlier.order_id, is_new=True),
        subscribed(poison, is_new=True),
        submitted(order),
    ]
    assert consumed(consumer, *messages) == [False, True, True]
    assert consumer.statuses(order)[-1] is Status.CONFIRMED


def test_order_of_a_batch_that_reaches_nobody_still_executes(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    consumer.connections.gone.add("c=")
    assert consumed(consumer, submitted(order)) == [True]
    assert consumer.statuses(order) == LIFE
