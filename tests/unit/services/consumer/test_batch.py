"""A batch's own knowledge: which message asks for what, and whether an order's events may be unpublished."""

from dataclasses import replace
from uuid import uuid4

import pytest

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import ClaimedOrder
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.consumer.batch import Batch, Incoming
from tests.fakes.orders import an_order


@pytest.fixture
def order() -> Order:
    return replace(an_order(), submission_id=uuid4())


def asked(order: Order, delivery: int = 1) -> Incoming:
    return Incoming(order.order_id, order, "c=", "request", delivery)


def test_requests_for_one_order_are_kept_together_in_their_order(order: Order) -> None:
    other = an_order()
    first, second, third = asked(order), asked(other), asked(order, delivery=4)
    batch = Batch.of([first, second, third])
    assert batch.requests == {order.order_id: [first, third], other.order_id: [second]}
    assert batch.delivery(order.order_id) == 4


@pytest.mark.parametrize(
    ("delivery", "has_order", "is_repeated"), [(1, True, False), (2, True, True), (1, False, True)]
)
def test_request_is_repeated_that_came_before_or_names_an_order_on_record(
    order: Order, delivery: int, *, has_order: bool, is_repeated: bool
) -> None:
    request = Incoming(order.order_id, order if has_order else None, delivery=delivery)
    assert request.is_repeated is is_repeated
    assert Batch.of([request]).may_be_unpublished(OrderState(order)) is is_repeated


def test_reclaimed_order_may_have_events_that_were_not_published(order: Order) -> None:
    batch = Batch.of([asked(order)])
    batch.claimed[order.order_id] = ClaimedOrder(OrderState(order), fence=2)
    assert batch.may_be_unpublished(OrderState(order))


@pytest.mark.parametrize(
    ("delivery", "status", "may_be"),
    [
        (1, OrderStatus.CONFIRMED, False),
        (1, OrderStatus.EXPIRED, False),
        # What cancels has no message that comes again.
        (1, OrderStatus.CANCELED, True),
        (1, OrderStatus.SUBMITTED, True),
        (2, OrderStatus.CONFIRMED, True),
    ],
)
def test_order_that_ended_by_another_message_of_its_firing_is_published_by_that(
    order: Order, delivery: int, status: OrderStatus, *, may_be: bool
) -> None:
    batch = Batch.of([Incoming(order.order_id, delivery=delivery, firing=1)])
    assert batch.may_be_unpublished(OrderState(order, status)) is may_be


def test_order_was_made_from_the_submission_that_it_names_and_from_no_other(order: Order) -> None:
    other = asked(replace(order, submission_id=uuid4()))
    own = asked(order)
    assert Batch.of([other, own]).creator(order) is own
    assert Batch.of([other]).creator(order) is None


def test_order_is_acknowledged_once_something_of_it_was_published_or_its_own_request_is_here(
    order: Order,
) -> None:
    here, elsewhere = Batch.of([asked(order)]), Batch.of([Incoming(order.order_id)])
    assert here.is_acknowledged(OrderState(order))
    assert not elsewhere.is_acknowledged(OrderState(order))
    assert elsewhere.is_acknowledged(OrderState(order, published_seq=1))


def test_order_whose_events_a_defect_kept_back_is_not_acknowledged_and_not_defective(order: Order) -> None:
    batch = Batch.of([replace(asked(order), deferred_acknowledgement=Acknowledgement("c=", None))])
    batch.leave_unpublished(order.order_id, KeyError("planted"))
    assert not batch.is_acknowledged(OrderState(order, published_seq=1))
    assert batch.defective == set()
    batch.hit_defect(order.order_id, KeyError("planted"), "planning")
    assert batch.defective == {order.order_id}
