"""One poison order among good ones, through the real consumers: what is wrong with it stays with it."""

import json

import pytest
from sqlalchemy import text

from chalicelib.domain.errors import Code, ConflictError
from chalicelib.domain.queue_messages import OrderMessage, ResumeMessage
from chalicelib.domain.statuses import OrderStatus
from chalicelib.wire.queue_messages import render_message
from tests.fakes.bad_messages import BAD_BODIES, BAD_ORDERS, an_order_body
from tests.fakes.orders import VIEWS
from tests.fakes.ports import FakeConnections
from tests.integration.consumer import Consumer
from tests.integration.poison import (
    PoisonedTokens,
    accepted,
    an_order_now,
    defects,
    last_data,
    poisoned,
)


@pytest.mark.parametrize("fails_at", ["signing", "recording"])
def test_poison_before_anything_is_sent_ends_one_order_and_nine_are_confirmed(
    consumer: Consumer, fails_at: str, caplog: pytest.LogCaptureFixture
) -> None:
    chain = poisoned(consumer, fails_at)
    chain.poison, *others = accepted(consumer, 10)

    _, unfinished = consumer.run()

    assert unfinished == []
    assert {consumer.status(each) for each in others} == {OrderStatus.CONFIRMED}
    assert consumer.status(chain.poison) is OrderStatus.FAILED
    assert last_data(consumer, chain.poison)["code"] == Code.INTERNAL_ERROR
    (defect,) = defects(caplog)
    assert defect["order_id"] == str(chain.poison)


def test_order_that_cannot_be_planned_fails_alone(
    consumer: Consumer, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = consumer.services.tokens
    vars(consumer.services)["tokens"] = PoisonedTokens(tokens, tokens.default_pair)
    (poison,) = accepted(consumer, 1, output_token=PoisonedTokens.poison)
    others = accepted(consumer, 9)

    _, unfinished = consumer.run()

    assert unfinished == []
    assert {consumer.status(each) for each in others} == {OrderStatus.CONFIRMED}
    assert last_data(consumer, poison)["code"] == Code.INTERNAL_ERROR
    (defect,) = defects(caplog)
    assert (defect["order_id"], defect["doing"]) == (str(poison), "planning")
    assert defect["raised"] == "ZeroDivisionError('planted')"


@pytest.mark.parametrize("fails_at", ["viewing", "confirming"])
def test_poison_after_the_send_comes_back_alone_and_is_confirmed_once_cured(
    consumer: Consumer, fails_at: str, caplog: pytest.LogCaptureFixture
) -> None:
    chain = poisoned(consumer, fails_at)
    chain.poison, *others = accepted(consumer, 10)

    received, unfinished = consumer.run()

    assert len(received) == 10
    assert len(unfinished) == 1
    assert {consumer.status(each) for each in others} == {OrderStatus.CONFIRMED}
    assert consumer.status(chain.poison) is OrderStatus.SUBMITTED
    assert {each["order_id"] for each in defects(caplog)} == {str(chain.poison)}

    chain.fails_at = ""
    consumer.put(render_message(ResumeMessage(order_id=chain.poison)))
    consumer.run()
    assert consumer.status(chain.poison) is OrderStatus.CONFIRMED


def test_poison_while_sending_keeps_no_other_from_being_sent(consumer: Consumer) -> None:
    chain = poisoned(consumer, "sending")
    chain.poison, *others = accepted(consumer, 10)
    consumer.services.settings = consumer.services.settings.model_copy(update={"confirmation_wait_ms": 500})

    _, unfinished = consumer.run()

    assert len(unfinished) == 1
    assert {consumer.status(each) for each in others} == {OrderStatus.CONFIRMED}
    assert consumer.status(chain.poison) is OrderStatus.SUBMITTED


BAD = {**BAD_BODIES, **{name: an_order_body(**members) for name, members in BAD_ORDERS.items()}}
# SQS itself refuses these characters, and so no message has them.
NOT_FOR_SQS = {"nothing", "lone surrogate", "NUL"}
SENDABLE = [body for name, body in BAD.items() if name not in NOT_FOR_SQS]


@pytest.mark.parametrize("start", range(0, len(SENDABLE), 9))
def test_bad_messages_are_reported_alone_and_the_good_one_among_them_is_confirmed(
    consumer: Consumer, start: int
) -> None:
    bad = SENDABLE[start : start + 9]
    consumer.put(*bad)
    (good,) = accepted(consumer, 1)

    received, unfinished = consumer.run()

    assert len(received) == len(bad) + 1
    assert len(unfinished) == len(bad)
    assert consumer.status(good) is OrderStatus.CONFIRMED


@pytest.mark.parametrize("start", range(0, len(SENDABLE), 9))
def test_bad_dead_letters_are_archived_each_and_the_good_one_among_them_ends(
    consumer: Consumer, start: int
) -> None:
    connections = FakeConnections()  # nothing listens where the fixture's point to
    vars(consumer.services)["connections"] = connections
    bad = SENDABLE[start : start + 9]
    good = an_order_now()
    consumer.put(*bad, render_message(OrderMessage(order=good)))

    received, stay = consumer.resolve()

    assert stay == []
    assert consumer.status(good.order_id) is OrderStatus.FAILED
    reasons = archived(consumer, received)
    assert len(reasons) == len(received)
    assert sum(reason.startswith("not a message of this engine: ") for reason in reasons) == len(bad)


def test_connection_is_told_that_its_order_could_not_be_read(consumer: Consumer) -> None:
    connections = FakeConnections()
    vars(consumer.services)["connections"] = connections
    order = an_order_now()
    consumer.put(an_order_body(order_id=str(order.order_id), amount_units=-5))

    consumer.resolve()

    (frame,) = map(json.loads, connections.frames["c="])
    assert (frame["type"], frame["code"]) == ("error", Code.INTERNAL_ERROR)
    assert frame["orderId"] == str(order.order_id)


def test_dead_letter_of_a_newer_release_ends_its_order_without_executing_it(consumer: Consumer) -> None:
    order = an_order_now()
    message = json.loads(render_message(OrderMessage(order=order)))
    message["order"]["limit_price"] = "150"
    consumer.put(json.dumps(message))

    _, stay = consumer.resolve()

    assert stay == []
    events = consumer.services.queries.events_after(order.order_id, 0, limit=100)
    assert [event.status for event in events] == [OrderStatus.PENDING, OrderStatus.FAILED]
    assert VIEWS.fields(events[-1])["code"] == Code.INTERNAL_ERROR


def test_unreadable_dead_letter_leaves_its_order_on_record_to_the_sweep(consumer: Consumer) -> None:
    chain = poisoned(consumer, "viewing")
    (chain.poison,) = accepted(consumer, 1)
    consumer.run()
    consumer.put(an_order_body(order_id=str(chain.poison), amount_units=-5))

    received, stay = consumer.resolve()

    assert stay == []
    assert len(archived(consumer, received)) == 1
    assert consumer.status(chain.poison) is OrderStatus.SUBMITTED


def test_dead_letter_that_runs_into_a_defect_is_archived_and_the_others_are_resolved(
    consumer: Consumer, caplog: pytest.LogCaptureFixture
) -> None:
    chain = poisoned(consumer, "viewing")
    (chain.poison,) = accepted(consumer, 1)
    consumer.run()
    others = [an_order_now() for _ in range(9)]
    caplog.clear()
    consumer.put(
        render_message(ResumeMessage(order_id=chain.poison)),
        *(render_message(OrderMessage(order=each)) for each in others),
    )

    received, stay = consumer.resolve()

    assert stay == []
    assert {consumer.status(each.order_id) for each in others} == {OrderStatus.FAILED}
    assert "a defect of ours: IndexError" in archived(consumer, received)
    assert {each["order_id"] for each in defects(caplog)} == {str(chain.poison)}


def archived(consumer: Consumer, message_ids: list[str]) -> list[str]:
    with consumer.services.engine.connect() as connection:
        found = connection.execute(
            text("SELECT reason FROM dead_letters WHERE message_id = ANY(:ids)"), {"ids": message_ids}
        )
        return list(found.scalars())


def test_archived_order_that_is_not_on_record_is_sent_again_and_executed_once(consumer: Consumer) -> None:
    order = an_order_now()
    with consumer.services.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO dead_letters (message_id, order_id, body, receive_count, reason)"
                " VALUES ('m1', CAST(:id AS uuid), :body, 10, 'a defect of ours')"
            ),
            {"id": str(order.order_id), "body": render_message(OrderMessage(order=order))},
        )
    redrive = consumer.services.redrive_dead_letters
    # Twice, as two operators may at the same moment.
    assert redrive.redrive("m1", operator="olga") == redrive.redrive("m1", operator="omar") == order.order_id
    consumer.run()
    assert consumer.status(order.order_id) is OrderStatus.CONFIRMED
    with consumer.services.engine.connect() as connection:
        attempts = text("SELECT count(*) FROM attempts WHERE order_id = CAST(:id AS uuid)")
        assert connection.execute(attempts, {"id": str(order.order_id)}).scalar_one() == 1
    with pytest.raises(ConflictError):
        redrive.redrive("m1", operator="olga")
