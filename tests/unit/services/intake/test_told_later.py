"""A change to an order that rests is told although the process that makes it dies in the middle."""

import pytest

from chalicelib.domain.amendments import Amendment
from chalicelib.domain.errors import UnansweredError, UnknownOutcomeError
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.consumer.batch import Incoming
from chalicelib.services.consumer.transitions import first_transition
from chalicelib.services.intake.cancel import CancelOrders
from chalicelib.wire.queue_messages import ResumeMessage
from tests.fakes.inline import Unobserved
from tests.fakes.orders import an_order
from tests.unit.services.intake.test_amend import Desk


class Killed(BaseException):
    """The process is gone: nothing catches it."""


def cancel_orders(desk: Desk) -> CancelOrders:
    parts = desk.parts
    return CancelOrders(
        parts.record, parts.publisher, Unobserved(), parts.queue, parts.clock, lookup_wait_ms=0
    )


def die_before_publishing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(desk.parts.publisher, "publish_to", die)


def come_back(desk: Desk) -> None:
    """Consume what is in the queue by now."""
    assert desk.parts.queue.messages == [ResumeMessage(order_id=desk.order.order_id)]
    desk.parts.execute_orders.execute([Incoming(desk.order.order_id)])


def test_cancel_of_an_order_that_rests_is_told_although_its_process_dies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    with monkeypatch.context() as patched:
        die_before_publishing(desk, patched)
        with pytest.raises(Killed):
            cancel_orders(desk).cancel("alice", desk.order.order_id)
    come_back(desk)
    assert desk.parts.frames(desk.order)[-1]["status"] == OrderStatus.CANCELED


def test_amendment_is_told_although_its_process_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    with monkeypatch.context() as patched:
        die_before_publishing(desk, patched)
        with pytest.raises(Killed):
            desk.amend()
    come_back(desk)
    assert desk.parts.frames(desk.order)[-1]["amended"] == {"limitPrice": "220"}


def test_cancel_whose_answer_is_lost_is_told_once_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    record = desk.parts.record
    commit = record.cancel

    def unanswered(*args: object) -> None:
        commit(*args)  # type: ignore[arg-type]
        raise UnansweredError("no answer")

    monkeypatch.setattr(record, "cancel", unanswered)
    with pytest.raises(UnknownOutcomeError):
        cancel_orders(desk).cancel("alice", desk.order.order_id)
    come_back(desk)
    assert desk.parts.frames(desk.order)[-1]["status"] == OrderStatus.CANCELED


def test_cancel_that_was_told_is_not_told_again() -> None:
    desk = Desk()
    cancel_orders(desk).cancel("alice", desk.order.order_id)
    told = desk.parts.frames(desk.order)
    come_back(desk)
    assert desk.parts.frames(desk.order) == told


def test_order_that_does_not_rest_has_a_message_of_its_own() -> None:
    desk = Desk()
    order = an_order()
    desk.parts.record.create([first_transition(order, order.accepted_at, None)], lease_ms=1_000)
    cancel_orders(desk).cancel("alice", order.order_id)
    assert desk.parts.statuses(order)[-1] == OrderStatus.CANCELED
    assert desk.parts.queue.messages == []


def test_order_that_is_refused_an_amendment_stays_as_it_is_when_its_message_comes() -> None:
    desk = Desk()
    with pytest.raises(Exception, match="last event is 2"):
        desk.amend_orders.amend("alice", desk.order.order_id, Amendment("220"), if_seq=1)
    before = desk.parts.statuses(desk.order)
    come_back(desk)
    assert desk.parts.statuses(desk.order) == before
