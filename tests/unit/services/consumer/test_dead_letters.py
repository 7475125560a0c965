"""Dead letters: what happened is found out and written down, and nothing is tried again."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from chalicelib.domain.errors import Code, RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import NewOrder, Subscribed
from chalicelib.domain.queue_messages import (
    Message,
    OrderMessage,
    ResumeMessage,
    SubscribeMessage,
)
from chalicelib.domain.statuses import OrderStatus as Status
from chalicelib.domain.transactions import SignatureStatus
from chalicelib.services.consumer.confirmation import DEADNESS_MARGIN_BLOCKS
from chalicelib.services.consumer.dead_letter_batches import resolve_each
from chalicelib.services.consumer.dead_letters import DeadLetter
from chalicelib.services.ports import Delivery, Frame
from chalicelib.wire.queue_messages import render_message
from tests.fakes.bad_messages import an_order_body
from tests.fakes.consumer import LEASE_MS, ConsumerOnFakes
from tests.fakes.market import VALIDITY_BLOCKS
from tests.fakes.orders import LIFE, NOON, an_order
from tests.fakes.tables import SubscriptionRow

SENT = LIFE[:5]


@pytest.fixture
def consumer() -> ConsumerOnFakes:
    return ConsumerOnFakes()


def letter(message: Message | str, message_id: str = "m1") -> DeadLetter:
    body = message if isinstance(message, str) else render_message(message)
    return DeadLetter(message_id, body, receive_count=10)


def of_order(order: Order, connection_id: str | None = "c=") -> OrderMessage:
    return OrderMessage(order=order, connection_id=connection_id, request_id="r1")


def resolved(consumer: ConsumerOnFakes, message: Message | str) -> bool:
    return consumer.resolve_dead_letters.resolve(letter(message))


def reason(consumer: ConsumerOnFakes, message_id: str = "m1") -> str:
    """Why a letter was archived."""
    return consumer.tables.dead_letters[message_id][1]


def sent_and_undecided(consumer: ConsumerOnFakes, order: Order | None = None) -> Order:
    """An order whose transaction was sent, with nothing known of what became of it."""
    order = order or an_order()
    consumer.chain.status = SignatureStatus.UNKNOWN
    consumer.execute(order)
    assert consumer.statuses(order) == SENT
    return order


def test_order_that_no_consumer_got_to_is_put_on_record_and_fails_and_its_owner_is_told(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_order()
    assert resolved(consumer, of_order(order))
    assert consumer.statuses(order) == (Status.PENDING, Status.ROUTING, Status.FAILED)
    assert consumer.failure_code(order) == Code.RETRIES_EXHAUSTED
    assert not consumer.chain.signed
    assert reason(consumer) == "received 10 times; the order ended as failed"


def test_order_whose_time_is_up_expires(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    consumer.clock.sleep(61)
    assert resolved(consumer, of_order(order))
    assert consumer.statuses(order) == (Status.PENDING, Status.EXPIRED)
    assert reason(consumer) == "the order was expired already"


def test_order_that_has_landed_is_confirmed(consumer: ConsumerOnFakes) -> None:
    order = sent_and_undecided(consumer)
    consumer.chain.status = SignatureStatus.LANDED
    assert resolved(consumer, of_order(order))
    assert consumer.statuses(order) == LIFE


def test_order_that_may_still_land_stays_in_the_queue_and_is_claimed_by_nobody(
    consumer: ConsumerOnFakes,
) -> None:
    order = sent_and_undecided(consumer)
    assert not resolved(consumer, of_order(order))
    assert consumer.statuses(order) == SENT
    assert not consumer.is_claimed(order)
    assert consumer.tables.dead_letters == {}


def test_order_whose_transaction_is_dead_fails_and_is_not_signed_anew(consumer: ConsumerOnFakes) -> None:
    order = sent_and_undecided(consumer)
    consumer.chain.height += VALIDITY_BLOCKS + DEADNESS_MARGIN_BLOCKS + 1
    assert resolved(consumer, of_order(order))
    assert consumer.statuses(order) == (*SENT, Status.FAILED)
    assert len(consumer.chain.signed) == 1


def test_order_that_a_consumer_has_claimed_is_left_to_that(consumer: ConsumerOnFakes) -> None:
    order = sent_and_undecided(consumer)
    assert consumer.record.claim([order.order_id], lease_ms=LEASE_MS).claimed
    consumer.chain.status = SignatureStatus.LANDED
    assert not resolved(consumer, of_order(order))
    assert consumer.statuses(order) == SENT


def test_order_that_has_ended_keeps_its_end(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    consumer.execute(order)
    assert resolved(consumer, of_order(order))
    assert consumer.statuses(order) == LIFE
    assert reason(consumer) == "the order was confirmed already"


def test_events_that_a_consumer_died_before_publishing_are_published(consumer: ConsumerOnFakes) -> None:
    order = sent_and_undecided(consumer)
    row = consumer.tables.orders[order.order_id]
    row.state = replace(row.state, published_seq=2)
    consumer.connections.frames.clear()
    consumer.chain.status = SignatureStatus.LANDED
    resolved(consumer, ResumeMessage(order_id=order.order_id))
    assert [frame["seq"] for frame in consumer.frames(order)] == [3, 4, 5, 6]


def test_chain_that_does_not_answer_leaves_order_and_letter_as_they_are(consumer: ConsumerOnFakes) -> None:
    order = sent_and_undecided(consumer)
    consumer.chain.faults["view"] = RetryableError("no answer")
    with pytest.raises(RetryableError):
        resolved(consumer, of_order(order))
    assert consumer.statuses(order) == SENT
    assert consumer.tables.dead_letters == {}


def test_second_submission_waits_for_the_sweep_to_catch_it_up(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    consumer.execute(order)
    assert resolved(consumer, of_order(replace(order, submission_id=uuid4()), "d="))
    assert not consumer.tables.subscriptions["d=", order.order_id].live


def test_submission_of_other_terms_is_refused(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    consumer.execute(order)
    assert resolved(consumer, of_order(replace(order, content_sha256="0" * 64), "d="))
    assert [frame["code"] for frame in consumer.frames(order, "d=")] == ["CLIENT_ORDER_ID_CONFLICT"]
    assert ("d=", order.order_id) not in consumer.tables.subscriptions


def test_resume_of_no_order_is_archived(consumer: ConsumerOnFakes) -> None:
    assert resolved(consumer, ResumeMessage(order_id=uuid4()))
    assert reason(consumer) == "names an order that is not on record"


def test_accepted_order_that_a_defect_keeps_off_the_record_ends_there_and_its_owner_is_told(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_order()
    defects = iter([KeyError("planted")])
    create = consumer.record.create

    def defective_once(
        orders: Sequence[NewOrder], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        for defect in defects:
            raise defect
        return create(orders, lease_ms=lease_ms, subscribed=subscribed)

    consumer.record.create = defective_once  # type: ignore[method-assign]
    assert resolve_each(consumer.resolve_dead_letters, [letter(of_order(order))]) == {"m1": True}
    assert consumer.statuses(order) == (Status.PENDING, Status.FAILED)
    assert consumer.failure_code(order) == Code.INTERNAL_ERROR
    assert reason(consumer) == "a defect of ours: KeyError"


def test_accepted_order_that_cannot_be_put_on_record_stays_in_the_queue_until_it_can(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_order()
    create = consumer.record.create

    def defective(*_: object, **__: object) -> frozenset[UUID]:
        raise KeyError("planted")

    consumer.record.create = defective  # type: ignore[method-assign]
    assert resolve_each(consumer.resolve_dead_letters, [letter(of_order(order))]) == {"m1": False}
    # A copy is kept as well: a queue keeps nothing for longer than a fortnight.
    assert reason(consumer) == (
        "a defect of ours: KeyError; its order is not on record, or not told, so it stays"
    )
    consumer.record.create = create  # type: ignore[method-assign]
    assert resolve_each(consumer.resolve_dead_letters, [letter(of_order(order))]) == {"m1": True}
    assert consumer.statuses(order)[-1] is Status.FAILED


def test_letter_whose_order_ran_into_a_defect_stays_in_the_queue_while_the_record_is_out_of_reach(
    consumer: ConsumerOnFakes,
) -> None:
    faults = iter([KeyError("planted"), RetryableError("down")])

    def out_of_reach(*_: object, **__: object) -> frozenset[UUID]:
        raise next(faults)

    consumer.record.create = out_of_reach  # type: ignore[method-assign]
    letters = [letter(of_order(an_order()))]
    assert resolve_each(consumer.resolve_dead_letters, letters) == {"m1": False}
    assert consumer.tables.dead_letters == {}


def subscription(order_id: UUID, content_sha256: str | None = None) -> SubscribeMessage:
    return SubscribeMessage(
        connection_id="d=",
        account_id="alice",
        order_id=order_id,
        after_seq=3,
        content_sha256=content_sha256,
    )


def test_subscription_that_could_not_be_caught_up_is_the_sweeps_from_where_it_was(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_order()
    consumer.execute(order)
    assert resolved(consumer, subscription(order.order_id))
    assert ("d=", order.order_id) not in consumer.tables.subscriptions  # it has unsubscribed meanwhile
    row = SubscriptionRow("alice", True, 3, NOON)
    consumer.tables.subscriptions["d=", order.order_id] = SubscriptionRow("alice", True, 6, NOON)
    assert resolved(consumer, subscription(order.order_id))
    row = consumer.tables.subscriptions["d=", order.order_id]
    assert (row.live, row.replayed_to) == (False, 3)


def test_subscription_to_an_accepted_order_waits_for_that_to_be_on_record(
    consumer: ConsumerOnFakes,
) -> None:
    assert not resolved(consumer, subscription(uuid4(), "0" * 64))
    assert resolved(consumer, subscription(uuid4()))


def test_order_that_this_release_does_not_understand_ends_unexecuted(consumer: ConsumerOnFakes) -> None:
    body = an_order_body(limit_price="150")
    order_id = UUID(json.loads(body)["order"]["order_id"])
    assert resolved(consumer, body)
    events = consumer.tables.events[order_id]
    assert [event.status for event in events] == [Status.PENDING, Status.FAILED]
    assert not consumer.chain.signed
    assert reason(consumer).startswith("not a message of this engine")


def test_text_that_is_no_message_is_archived(consumer: ConsumerOnFakes) -> None:
    assert resolved(consumer, "hello")
    assert consumer.tables.orders == {}
    assert reason(consumer).startswith("not a message of this engine")


def defective_posts(consumer: ConsumerOnFakes, number: int) -> None:
    """Have so many posts run into a defect of ours."""
    post, left = consumer.connections.post, iter(range(number))

    def posts(frames: Iterable[Frame]) -> Mapping[str, Delivery]:
        for _ in left:
            raise KeyError("planted")
        return post(frames)

    consumer.connections.post = posts  # type: ignore[method-assign]


@pytest.mark.parametrize("by_id", [False, True])
def test_end_that_a_defect_kept_from_being_told_is_told_by_the_next_delivery(
    consumer: ConsumerOnFakes, by_id: bool
) -> None:
    """Nothing else would: the sweep looks for no order that has ended."""
    order = sent_and_undecided(consumer)
    consumer.chain.status = SignatureStatus.LANDED
    letters = [letter(ResumeMessage(order_id=order.order_id) if by_id else of_order(order))]
    defective_posts(consumer, 2)
    for done in (False, False, True):
        assert resolve_each(consumer.resolve_dead_letters, letters) == {"m1": done}
        assert consumer.statuses(order) == LIFE
    assert [frame["seq"] for frame in consumer.frames(order)] == [1, 2, 3, 4, 5, 6]


def test_end_of_an_order_that_cannot_be_read_is_told_by_the_next_delivery_after_a_defect(
    consumer: ConsumerOnFakes,
) -> None:
    body = an_order_body(limit_price="150")
    order_id = UUID(json.loads(body)["order"]["order_id"])
    defective_posts(consumer, 2)
    for done in (False, True):
        assert resolve_each(consumer.resolve_dead_letters, [letter(body)]) == {"m1": done}
    frames = map(json.loads, consumer.connections.frames["c="])
    assert [frame["seq"] for frame in frames if frame.get("orderId") == str(order_id)] == [1, 2]


def test_end_by_a_defect_is_told_by_a_later_delivery_after_others(consumer: ConsumerOnFakes) -> None:
    order, create, defects = an_order(), consumer.record.create, iter([KeyError("planted")])

    def defective_once(
        orders: Sequence[NewOrder], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        for defect in defects:
            raise defect
        return create(orders, lease_ms=lease_ms, subscribed=subscribed)

    consumer.record.create = defective_once  # type: ignore[method-assign]
    defective_posts(consumer, 2)
    for done in (False, False, True):
        assert resolve_each(consumer.resolve_dead_letters, [letter(of_order(order))]) == {"m1": done}
    assert consumer.failure_code(order) == Code.INTERNAL_ERROR
