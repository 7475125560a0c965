"""An order's owner is told of what happened although whoever made it happen dies right after the commit."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.amendments import Amendment
from chalicelib.domain.errors import RetryableError, UnansweredError, UnknownOutcomeError
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.progress import Subscription
from chalicelib.domain.queue_messages import ResumeMessage
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.consumer.batch import Incoming
from chalicelib.services.consumer.transitions import first_transition
from chalicelib.services.intake.cancel import CancelOrders
from chalicelib.services.intake.cancel_all import CancelAllOrders
from chalicelib.services.recovery.sweeper import Sweep
from tests.fakes.consumer import LEASE_S
from tests.fakes.inline import Unobserved
from tests.fakes.open_orders import MemoryOpenOrders
from tests.fakes.orders import an_order
from tests.fakes.ports import FakeConnections
from tests.fakes.queries import MemoryHousekeeping
from tests.unit.services.intake.test_amend import Desk
from tests.unit.services.resting.test_watcher import a_limit_order, dearer


class Killed(BaseException):
    """The process is gone: nothing catches it."""


def cancel_orders(desk: Desk) -> CancelOrders:
    parts = desk.parts
    return CancelOrders(
        parts.record, parts.queries, parts.publisher, Unobserved(), parts.queue, parts.clock, lookup_wait_ms=0
    )


def cancel_all(desk: Desk) -> int:
    parts = desk.parts
    open_orders = MemoryOpenOrders(parts.tables)
    use = CancelAllOrders(
        open_orders,
        parts.queries,
        parts.publisher,
        parts.queue,
        Unobserved(),
        parts.clock,
        at_once=2,
        per_call=10,
    )
    return use.cancel_all("alice", OrderFilter()).canceled


def swept(desk: Desk) -> list[object]:
    """Run the sweep a while later; return what it has consumers look at, once they have."""
    parts = desk.parts
    parts.clock.sleep(timedelta(minutes=1).total_seconds())
    before = len(parts.queue.messages)
    Sweep(MemoryHousekeeping(parts.tables), parts.queue, FakeConnections(), parts.subscriptions).run()
    found = [message for message in parts.queue.messages[before:] if isinstance(message, ResumeMessage)]
    for message in found:
        parts.execute_orders.execute([Incoming(message.order_id)])
    return [message.order_id for message in found]


def killed_before_publishing(
    desk: Desk, patched: pytest.MonkeyPatch, change: Callable[[], object], fault: BaseException
) -> None:
    def die(*_: object, **__: object) -> None:
        raise fault

    with patched.context() as context:
        for name in ("publish_to", "publish", "publish_buffered"):
            context.setattr(desk.parts.publisher, name, die)
        try:
            change()
        except Killed:
            assert isinstance(fault, Killed)


FAULTS = [Killed(), RetryableError("no subscriptions")]


@pytest.mark.parametrize("fault", FAULTS, ids=["killed", "unpublished"])
@pytest.mark.parametrize("way", ["cancel", "cancelAll", "amend"])
def test_change_is_told_by_the_sweep_although_its_process_dies_and_once(
    way: str, fault: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()
    order_id = desk.order.order_id
    change: dict[str, Callable[[], object]] = {
        "cancel": lambda: cancel_orders(desk).cancel("alice", order_id),
        "cancelAll": lambda: cancel_all(desk),
        "amend": desk.amend,
    }
    killed_before_publishing(desk, monkeypatch, change[way], fault)
    told = desk.parts.frames(desk.order)
    assert swept(desk) == [order_id]
    new = desk.parts.frames(desk.order)[len(told) :]
    assert [frame["seq"] for frame in new] == [3]
    assert new[0]["status"] == (OrderStatus.OPEN if way == "amend" else OrderStatus.CANCELED)
    assert swept(desk) == []
    assert not desk.parts.tables.unpublished


@pytest.mark.parametrize("way", ["cancel", "amend"])
def test_who_asked_has_its_answer_although_subscribers_cannot_be_found(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()
    order_id = desk.order.order_id
    with monkeypatch.context() as patched:
        patched.setattr(desk.parts.subscriptions, "of_orders", unreachable)
        ask(desk, way)
    (answer,) = desk.parts.connections.frames["asking="]
    assert (json.loads(answer)["requestId"], json.loads(answer)["seq"]) == ("r1", 3)
    assert swept(desk) == [order_id]


def test_who_cancels_has_its_answer_although_earlier_events_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    order_id = desk.order.order_id
    row = desk.parts.tables.orders[order_id]
    row.state = replace(row.state, published_seq=0)
    with monkeypatch.context() as patched:
        patched.setattr(desk.parts.queries, "events_of", unreachable)
        ask(desk, "cancel")
    (answer,) = desk.parts.connections.frames["asking="]
    assert (json.loads(answer)["requestId"], json.loads(answer)["seq"]) == ("r1", 3)
    assert swept(desk) == [order_id]


@pytest.mark.parametrize("way", ["cancel", "amend"])
def test_who_asked_has_one_answer_although_it_cannot_be_noted_that_it_was_sent(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()
    order_id = desk.order.order_id
    with monkeypatch.context() as patched:
        patched.setattr(desk.parts.record, "note_published", unreachable)
        ask(desk, way)
    (answer,) = desk.parts.connections.frames["asking="]
    assert json.loads(answer)["requestId"] == "r1"
    assert swept(desk) == [order_id]


def ask(desk: Desk, way: str) -> None:
    """Ask over a connection to have the order changed."""
    order_id = desk.order.order_id
    if way == "cancel":
        cancel_orders(desk).cancel("alice", order_id, connection_id="asking=", request_id="r1")
    else:
        desk.amend_orders.amend("alice", order_id, Amendment("220"), connection_id="asking=", request_id="r1")


def unreachable(*_: object, **__: object) -> list[Subscription]:
    raise RetryableError("no subscriptions")


def test_cancel_of_all_that_dies_in_its_middle_leaves_no_cancel_untold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    others = [a_limit_order() for _ in range(4)]
    desk.parts.execute(*others)
    publish, calls = desk.parts.publisher.publish, 0

    def die_at_the_second(*args: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Killed
        publish(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(desk.parts.publisher, "publish", die_at_the_second)
        with pytest.raises(Killed):
            cancel_all(desk)
    ended = [
        order for order in (desk.order, *others) if desk.parts.statuses(order)[-1] == OrderStatus.CANCELED
    ]
    assert len(ended) == 4
    assert len(swept(desk)) == 2
    assert [desk.parts.frames(order)[-1]["status"] for order in ended] == [OrderStatus.CANCELED] * 4


@pytest.mark.parametrize("way", ["expiry", "fired"])
def test_end_by_the_consumer_is_told_when_its_message_comes_again(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()
    parts, order = desk.parts, desk.order
    if way == "expiry":
        order = replace(a_limit_order(), valid_until=parts.clock.now() + timedelta(minutes=1))
        parts.execute(order)
        parts.clock.sleep(120)
        rows = parts.tables.watches.rows
        parts.tables.watches._fire(rows[order.order_id], "time", None)  # type: ignore[arg-type]
    else:
        dearer(parts)
        assert parts.price_watcher.look().fired == 1
    fired = Incoming(order.order_id, firing=1)
    killed_before_publishing(desk, monkeypatch, lambda: parts.execute_orders.execute([fired]), Killed())
    assert len(parts.statuses(order)) > 2
    assert parts.frames(order)[-1]["status"] == OrderStatus.OPEN
    parts.clock.sleep(LEASE_S + 1)
    parts.execute_orders.execute([replace(fired, delivery=2)])
    seqs = [frame["seq"] for frame in parts.frames(order)]
    assert sorted(seqs) == list(range(1, len(parts.statuses(order)) + 1))
    assert parts.statuses(order)[-1] == (OrderStatus.EXPIRED if way == "expiry" else OrderStatus.CONFIRMED)


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
    assert swept(desk) == [desk.order.order_id]
    assert desk.parts.frames(desk.order)[-1]["status"] == OrderStatus.CANCELED


def test_change_that_could_not_be_published_is_told_by_a_message_before_the_sweep_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    killed_before_publishing(
        desk, monkeypatch, lambda: cancel_orders(desk).cancel("alice", desk.order.order_id), FAULTS[1]
    )
    assert desk.parts.queue.messages == [ResumeMessage(order_id=desk.order.order_id)]


def test_cancel_that_was_told_is_not_told_again() -> None:
    desk = Desk()
    cancel_orders(desk).cancel("alice", desk.order.order_id)
    told = desk.parts.frames(desk.order)
    desk.parts.execute_orders.execute([Incoming(desk.order.order_id)])
    assert desk.parts.frames(desk.order) == told
    assert swept(desk) == []
    assert desk.parts.queue.messages == []


def test_order_that_was_never_told_of_is_told_of_whole_when_it_is_canceled() -> None:
    desk = Desk()
    order = an_order()
    desk.parts.record.create([first_transition(order, order.accepted_at, "c=")], lease_ms=1_000)
    cancel_orders(desk).cancel("alice", order.order_id)
    assert [frame["seq"] for frame in desk.parts.frames(order)] == [1, 2, 3]
    assert swept(desk) == []


def test_order_that_is_refused_an_amendment_is_not_said_to_have_changed() -> None:
    desk = Desk()
    with pytest.raises(Exception, match="last event is 2"):
        desk.amend_orders.amend("alice", desk.order.order_id, Amendment("220"), if_seq=1)
    assert swept(desk) == []
