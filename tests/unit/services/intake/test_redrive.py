"""Sending an archived message again."""

import pytest

from chalicelib.domain.errors import Code, ConflictError, RefusedError, RetryableError
from chalicelib.domain.queue_messages import OrderMessage
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.intake.redrive import RedriveDeadLetters
from tests.fakes.operations import FakeOperations, a_letter
from tests.fakes.orders import an_order
from tests.fakes.ports import FakeQueue

ORDER = an_order()
MESSAGE = OrderMessage(order=ORDER, connection_id="c=", request_id="r1")


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue()


@pytest.fixture
def operations() -> FakeOperations:
    return FakeOperations()


@pytest.fixture
def redrive(operations: FakeOperations, queue: FakeQueue) -> RedriveDeadLetters:
    return RedriveDeadLetters(operations, queue)


def test_order_that_is_not_on_record_is_sent_as_it_was_accepted_and_noted_in_the_log(
    redrive: RedriveDeadLetters,
    operations: FakeOperations,
    queue: FakeQueue,
    caplog: pytest.LogCaptureFixture,
) -> None:
    operations.letters = [a_letter("m1", message=MESSAGE)]
    assert redrive.redrive("m1", operator="olga") == ORDER.order_id
    assert queue.messages == [MESSAGE]
    assert queue.sent[0].account_id == ORDER.account_id
    (record,) = caplog.records
    noted = vars(record)
    assert (record.levelname, record.message) == ("WARNING", "dead letter sent again")
    assert (noted["account_id"], noted["message_id"]) == ("olga", "m1")
    assert noted["order_id"] == str(ORDER.order_id)


def test_order_on_record_is_not_sent(
    redrive: RedriveDeadLetters, operations: FakeOperations, queue: FakeQueue
) -> None:
    operations.letters = [a_letter("m1", status=OrderStatus.CONFIRMED, message=MESSAGE)]
    with pytest.raises(ConflictError) as refused:
        redrive.redrive("m1", operator="olga")
    assert refused.value.code is Code.REDRIVE_REFUSED
    assert "final" in refused.value.message
    assert queue.sent == []


def test_letter_that_there_is_not_is_not_found(redrive: RedriveDeadLetters, queue: FakeQueue) -> None:
    with pytest.raises(RefusedError) as refused:
        redrive.redrive("m1", operator="olga")
    assert refused.value.code is Code.NOT_FOUND
    assert queue.sent == []


def test_queue_that_is_down_is_a_passing_fault(
    redrive: RedriveDeadLetters,
    operations: FakeOperations,
    queue: FakeQueue,
    caplog: pytest.LogCaptureFixture,
) -> None:
    operations.letters = [a_letter("m1", message=MESSAGE)]
    queue.is_down = True
    with pytest.raises(RetryableError):
        redrive.redrive("m1", operator="olga")
    assert caplog.records == []
