"""Batches: each order by itself, and what is told of a batch that broke off."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from chalicelib.domain.errors import Code, ExecutionError, FieldError, UnknownOutcomeError
from chalicelib.domain.orders import Order
from chalicelib.domain.queue_messages import OrderMessage
from chalicelib.domain.terms import OrderTerms
from chalicelib.services.intake.limits import OpenOrders, OrderLimits, OrderRate
from chalicelib.services.intake.submit import SubmitOrders
from chalicelib.services.intake.submit_batch import Result, SubmitBatch
from chalicelib.services.ports import QueueMessage, Sent
from tests.fakes.inline import InOneThread
from tests.fakes.orders import NOON, terms
from tests.fakes.ports import FakeKeys, FakeQueue, FrozenClock


class Intake:
    """The use case with the fakes behind it."""

    def __init__(self, queue: FakeQueue | None = None, *, burst: int = 100) -> None:
        self.queue, self.keys = queue or FakeQueue(), FakeKeys()
        self.clock = FrozenClock()
        open_orders = OpenOrders(lambda _account, _limit: 0, self.clock, InOneThread(), limit=1_000)
        limits = OrderLimits(OrderRate(1, burst, self.clock), open_orders)
        self.one = SubmitOrders(self.queue, self.keys, self.clock, limits)
        self.batch = SubmitBatch(self.one, self.queue)

    def submit(self, *asked: OrderTerms | ExecutionError) -> Sequence[Result]:
        return self.batch.submit(asked, "alice", connection_id="c=", request_id="r1")


def codes(results: Sequence[Result]) -> list[Code | None]:
    return [None if isinstance(each, Order) else each.code for each in results]


def named(count: int) -> list[OrderTerms]:
    return [terms(client_order_id=f"order {number}") for number in range(count)]


def test_each_order_of_a_batch_is_one_message_that_its_connection_follows() -> None:
    intake = Intake()
    results = intake.submit(*named(20))
    messages = intake.queue.messages
    assert [message.order for message in messages if isinstance(message, OrderMessage)] == results
    assert {getattr(message, "connection_id", None) for message in messages} == {"c="}


def test_order_that_is_none_does_not_cost_the_others_theirs() -> None:
    intake = Intake()
    broken = FieldError("amount", "is required")
    results = intake.submit(terms(), broken, terms())
    assert codes(results) == [None, Code.INVALID_REQUEST, None]
    assert len(intake.queue.sent) == 2


def test_batch_of_none_that_is_an_order_sends_nothing() -> None:
    intake = Intake()
    assert codes(intake.submit(FieldError("amount", "is required"))) == [Code.INVALID_REQUEST]
    assert intake.queue.sent == []


def test_limits_count_each_order_of_a_batch() -> None:
    intake = Intake(burst=3)
    assert codes(intake.submit(*named(5))) == [None] * 3 + [Code.RATE_LIMITED] * 2
    intake.clock.sleep(2)
    assert codes(intake.submit(*named(5))) == [None] * 2 + [Code.RATE_LIMITED] * 3


def test_order_that_the_queue_refuses_or_may_have_taken_is_told_as_that() -> None:
    intake = Intake()
    intake.queue.outcomes = {1: Sent.REFUSED, 2: Sent.UNKNOWN}
    results = intake.submit(*named(4))
    assert codes(results) == [None, Code.SERVICE_UNAVAILABLE, Code.OUTCOME_UNKNOWN, None]
    unknown = results[2]
    assert isinstance(unknown, UnknownOutcomeError)
    (again,) = intake.submit(named(3)[2])
    assert isinstance(again, Order)
    assert again.order_id == unknown.order_id


class BreaksOff(FakeQueue):
    """Takes the first ten messages, and is the last thing that its process does."""

    is_broken = False

    def send_each(self, messages: Sequence[QueueMessage]) -> Sequence[Sent]:
        if self.is_broken:
            return super().send_each(messages)
        self.is_broken = True
        self.sent += messages[:10]
        raise KeyboardInterrupt


def test_batch_that_broke_off_in_its_middle_is_the_same_orders_when_it_is_sent_again() -> None:
    intake = Intake(BreaksOff())
    with pytest.raises(KeyboardInterrupt):
        intake.submit(*named(20))
    results = intake.submit(*named(20))
    sent = [message.order.order_id for message in intake.queue.messages if isinstance(message, OrderMessage)]
    assert (len(sent), len(set(sent))) == (30, 20)
    assert [each.order_id for each in results if isinstance(each, Order)] == sent[10:]


def test_order_twice_in_a_batch_is_one_order_and_one_message() -> None:
    intake = Intake()
    one, other = intake.submit(terms(client_order_id="x"), terms(client_order_id="x"))
    assert isinstance(one, Order)
    assert one is other
    assert len(intake.queue.sent) == 1


@pytest.mark.parametrize("is_down", [False, True])
def test_second_of_two_contents_under_one_id_is_refused_also_without_the_record(*, is_down: bool) -> None:
    intake = Intake()
    intake.keys.is_down = is_down
    results = intake.submit(terms(client_order_id="x"), terms(client_order_id="x", amount_units=7))
    assert codes(results) == [None, Code.CLIENT_ORDER_ID_CONFLICT]


def test_content_that_is_another_orders_is_refused_each_time_it_comes() -> None:
    intake = Intake()
    intake.one.submit(terms(client_order_id="x", amount_units=7), "alice")
    results = intake.submit(terms(client_order_id="x"), terms(client_order_id="x"), terms())
    assert codes(results) == [Code.CLIENT_ORDER_ID_CONFLICT, Code.CLIENT_ORDER_ID_CONFLICT, None]


def test_record_that_does_not_answer_is_asked_once_for_a_batch() -> None:
    asked = []

    class Slow(FakeKeys):
        def reserve(self, account_id: str, client_order_id: str, content_sha256: str) -> bool:
            asked.append(client_order_id)
            return super().reserve(account_id, client_order_id, content_sha256)

    intake = Intake()
    keys = Slow()
    keys.is_down = True
    batch = SubmitBatch(SubmitOrders(intake.queue, keys, intake.clock), intake.queue)
    assert codes(batch.submit(named(20), "alice")) == [None] * 20
    assert asked == ["order 0"]


def test_orders_of_a_batch_live_as_long_as_single_ones() -> None:
    (order,) = Intake().submit(terms())
    assert isinstance(order, Order)
    assert order.valid_until == NOON + timedelta(seconds=60)
