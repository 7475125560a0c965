"""Executing a batch: each order once, written ahead of every send, and a
defect or a fault costs no other order anything.
"""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from chalicelib.domain.errors import Code, RetryableError, VenueUnavailableError
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import NewOrder, Subscribed, Transition
from chalicelib.domain.statuses import OrderStatus as Status
from chalicelib.domain.transactions import SignatureStatus
from chalicelib.services.consumer.batch import Incoming, MessageOutcome
from chalicelib.services.consumer.confirmation import DEADNESS_MARGIN_BLOCKS
from tests.fakes.consumer import ATTEMPTS_MAX, LEASE_S, RETRY_DELAY_S, ConsumerOnFakes
from tests.fakes.market import VALIDITY_BLOCKS
from tests.fakes.orders import LIFE, an_order, changed
from tests.fakes.record import MemoryRecord

SENT = LIFE[:5]
VALID_FOR_S = 60


@pytest.fixture
def consumer() -> ConsumerOnFakes:
    return ConsumerOnFakes()


class PoisonedRecord(MemoryRecord):
    """A record that has a defect with some orders: it takes no new one, or no transition, of theirs."""

    new: frozenset[UUID] = frozenset()
    moved: frozenset[UUID] = frozenset()
    outage: RetryableError | None = None

    def create(
        self, orders: Sequence[NewOrder], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        if self.outage is not None:
            raise self.outage
        sent = {each.state.order.order_id for each in orders if each.attempt is not None}
        if self.new & {each.state.order.order_id for each in orders} or self.moved & sent:
            raise KeyError("planted")
        return super().create(orders, lease_ms=lease_ms, subscribed=subscribed)

    def record(
        self, transitions: Sequence[Transition], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        sent = {each.state.order.order_id for each in transitions if each.new_attempt is not None}
        if self.moved & sent:
            raise KeyError("planted")
        return super().record(transitions, lease_ms=lease_ms, subscribed=subscribed)


def dead_by_now(consumer: ConsumerOnFakes) -> None:
    """Let every transaction signed so far pass its validity, unseen."""
    consumer.chain.height += VALIDITY_BLOCKS + DEADNESS_MARGIN_BLOCKS + 1


def test_order_that_lands_is_confirmed_in_one_go_and_its_owner_sees_every_event(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_order()
    outcomes = consumer.execute(order)
    assert outcomes == {order.order_id: MessageOutcome(order=order)}
    assert consumer.statuses(order) == LIFE
    assert [(frame["seq"], frame["status"]) for frame in consumer.frames(order)] == [
        (seq, status) for seq, status in enumerate(LIFE, start=1)
    ]
    assert len(consumer.chain.sent) == 1


def test_owner_is_told_what_a_hop_left_of_the_input_and_what_the_network_took(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_order(amount_units=10**9)
    consumer.chain.unspent_units, consumer.chain.network_fee_lamports = 7, 5_000
    consumer.execute(order)
    last = consumer.frames(order)[-1]
    assert (last["status"], last["inputAmount"]) == ("confirmed", "0.999999993")
    assert (last["unspentInputAmount"], last["networkFeeLamports"]) == ("0.000000007", 5_000)


def test_owner_is_told_what_the_network_took_for_a_transaction_that_it_refused(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_order()
    consumer.chain.status, consumer.chain.network_fee_lamports = SignatureStatus.REFUSED, 5_000
    consumer.execute(order)
    last = consumer.frames(order)[-1]
    assert (last["status"], last["networkFeeLamports"]) == ("failed", 5_000)


def test_transaction_is_on_record_before_it_is_sent(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    on_record = []
    consumer.chain.before_sending = lambda: on_record.append(
        (consumer.statuses(order), consumer.open_attempt(order))
    )
    consumer.execute(order)
    ((statuses, attempt),) = on_record
    assert statuses == SENT
    assert attempt is not None
    assert [attempt.transaction.signature] == consumer.chain.sent


def test_order_that_the_chain_has_not_decided_comes_back_released_and_the_same_bytes_are_sent_again(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_order()
    consumer.chain.status = SignatureStatus.UNKNOWN
    outcomes = consumer.execute(order)
    assert outcomes[order.order_id].retry_in_s == 1
    assert consumer.statuses(order) == SENT
    assert not consumer.is_claimed(order)
    consumer.chain.status = SignatureStatus.LANDED
    assert consumer.execute(order, delivery=2)[order.order_id].retry_in_s is None
    assert consumer.statuses(order) == LIFE
    assert len(consumer.chain.signed) == 1
    assert set(consumer.chain.sent) == set(consumer.chain.signed)


@pytest.mark.parametrize("method", ["send", "view"])
def test_chain_that_does_not_answer_proves_nothing_and_the_order_waits(
    consumer: ConsumerOnFakes, method: str
) -> None:
    order = an_order()
    consumer.chain.faults[method] = RetryableError("no answer")
    assert consumer.execute(order)[order.order_id].retry_in_s is not None
    assert consumer.statuses(order) == SENT
    assert consumer.open_attempt(order) is not None


def test_transaction_that_was_never_handed_over_is_sent_by_the_next_delivery(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_order()
    consumer.chain.faults["send"] = RetryableError("no answer")
    consumer.execute(order)
    assert consumer.chain.sent == []
    del consumer.chain.faults["send"]
    consumer.execute(order, delivery=2)
    assert consumer.chain.sent == list(consumer.chain.signed)
    assert consumer.statuses(order) == LIFE


@pytest.mark.parametrize(
    "code", [Code.SLIPPAGE_EXCEEDED, Code.INSUFFICIENT_FUNDS, Code.INSUFFICIENT_LIQUIDITY]
)
def test_order_that_the_chain_refuses_fails_for_that_reason_and_is_not_tried_again(
    consumer: ConsumerOnFakes, code: Code
) -> None:
    order = an_order()
    consumer.chain.status, consumer.chain.refusal = SignatureStatus.REFUSED, code
    assert consumer.execute(order)[order.order_id].retry_in_s is None
    assert consumer.statuses(order) == (*SENT, Status.FAILED)
    assert consumer.failure_code(order) == code
    assert len(consumer.chain.signed) == 1


def test_transaction_that_may_still_land_is_never_replaced(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    consumer.chain.status = SignatureStatus.UNKNOWN
    consumer.execute(order)
    consumer.chain.height += VALIDITY_BLOCKS + DEADNESS_MARGIN_BLOCKS
    consumer.execute(order, delivery=2)
    assert consumer.statuses(order) == SENT
    assert len(consumer.chain.signed) == 1


def test_dead_transaction_is_followed_by_another_after_a_pause(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    consumer.chain.status = SignatureStatus.UNKNOWN
    consumer.execute(order)
    dead_by_now(consumer)
    assert consumer.execute(order, delivery=2)[order.order_id].retry_in_s == RETRY_DELAY_S
    assert consumer.statuses(order) == (*SENT, Status.ROUTING)
    assert consumer.open_attempt(order) is None
    consumer.chain.status = SignatureStatus.LANDED
    consumer.execute(order, delivery=3)
    assert consumer.statuses(order) == (*SENT, *LIFE[1:])
    assert [each.attempt for each in consumer.chain.signed.values()] == [1, 2]


def test_order_whose_every_transaction_dies_fails_after_the_last_attempt(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    consumer.chain.status = SignatureStatus.UNKNOWN
    for delivery in range(1, 2 * ATTEMPTS_MAX):
        consumer.execute(order, delivery=delivery)
        dead_by_now(consumer)
    assert consumer.execute(order, delivery=9)[order.order_id].retry_in_s is None
    assert consumer.failure_code(order) == Code.RETRIES_EXHAUSTED
    assert len(consumer.chain.signed) == ATTEMPTS_MAX


def test_order_that_waited_too_long_for_a_consumer_expires_unsent(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    consumer.clock.sleep(VALID_FOR_S + 1)
    assert consumer.execute(order)[order.order_id].retry_in_s is None
    assert consumer.statuses(order) == (Status.PENDING, Status.EXPIRED)
    assert consumer.failure_code(order) == Code.DEADLINE_EXCEEDED
    assert not consumer.chain.signed


def test_order_that_was_sent_and_whose_time_is_up_is_not_sent_anew_and_failed(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_order()
    consumer.chain.status = SignatureStatus.UNKNOWN
    consumer.execute(order)
    dead_by_now(consumer)
    consumer.clock.sleep(VALID_FOR_S + 1)
    consumer.execute(order, delivery=2)
    assert consumer.statuses(order) == (*SENT, Status.FAILED)
    assert consumer.failure_code(order) == Code.DEADLINE_EXCEEDED


def test_order_expires_that_was_tried_again_until_its_time_was_up(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    for venue in consumer.venues:
        venue.fault = VenueUnavailableError("down")
    consumer.execute(order)
    consumer.clock.sleep(VALID_FOR_S + 1)
    consumer.execute(order, delivery=2)
    assert consumer.statuses(order)[-1] is Status.EXPIRED


def test_order_without_a_venue_that_answers_is_tried_again_and_fails_at_last(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_order()
    for venue in consumer.venues:
        venue.fault = VenueUnavailableError("down")
    pauses = [consumer.execute(order, delivery=n)[order.order_id].retry_in_s for n in range(1, 4)]
    assert pauses == [RETRY_DELAY_S, 2 * RETRY_DELAY_S, None]
    assert consumer.failure_code(order) == Code.NO_ROUTE
    assert not consumer.chain.signed


def test_order_that_the_node_does_not_sign_is_tried_again(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    consumer.chain.faults["sign"] = RetryableError("no answer")
    assert consumer.execute(order)[order.order_id].retry_in_s == RETRY_DELAY_S
    del consumer.chain.faults["sign"]
    consumer.execute(order, delivery=2)
    assert consumer.statuses(order)[-1] is Status.CONFIRMED


def test_order_that_the_pools_cannot_fill_fails_at_once_and_the_one_beside_it_does_not(
    consumer: ConsumerOnFakes,
) -> None:
    unlisted = changed(an_order(), output_token="NOPE", price_base="SOL")
    sound = an_order()
    outcomes = consumer.execute(unlisted, sound)
    assert {outcome.retry_in_s for outcome in outcomes.values()} == {None}
    assert consumer.failure_code(unlisted) == Code.NO_ROUTE
    assert consumer.statuses(sound) == LIFE


def test_orders_of_a_batch_are_planned_on_what_those_before_them_leave(consumer: ConsumerOnFakes) -> None:
    orders = [an_order(amount_units=10**13) for _ in range(3)]
    consumer.execute(*orders)
    least = [each.threshold_units for each in consumer.chain.signed.values()]
    assert least[0] > least[1] > least[2]


def test_consumer_that_has_lost_its_claim_sends_nothing(consumer: ConsumerOnFakes) -> None:
    order = an_order()

    def reclaimed() -> None:
        consumer.clock.sleep(LEASE_S + 1)
        assert consumer.record.claim([order.order_id], lease_ms=LEASE_S * 1000).claimed

    consumer.chain.before_signing = reclaimed
    assert consumer.execute(order)[order.order_id].retry_in_s == LEASE_S
    assert consumer.statuses(order) == LIFE[:2]
    assert not consumer.chain.sent


def test_order_that_was_canceled_while_it_was_planned_is_not_sent(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    consumer.chain.before_signing = lambda: consumer.record.cancel(
        order.account_id, order.order_id, consumer.clock.now()
    )
    consumer.execute(order, delivery=2)
    assert consumer.statuses(order)[-1] is Status.CANCELED
    assert not consumer.chain.sent


def test_final_order_that_is_delivered_again_has_done_its_work(consumer: ConsumerOnFakes) -> None:
    order = an_order()
    consumer.execute(order)
    assert consumer.execute(order, delivery=2) == {order.order_id: MessageOutcome(order=order)}
    assert consumer.statuses(order) == LIFE
    assert len(consumer.chain.sent) == 1


def test_request_for_an_order_that_is_not_on_record_is_no_work(consumer: ConsumerOnFakes) -> None:
    order_id = uuid4()
    assert consumer.execute_orders.execute([Incoming(order_id)]) == {order_id: MessageOutcome()}


def test_defect_in_signing_fails_its_order_and_no_other(consumer: ConsumerOnFakes) -> None:
    poison, *sound = (an_order() for _ in range(3))
    consumer.chain.poison.add(poison.order_id)
    consumer.execute(poison, *sound)
    assert consumer.failure_code(poison) == Code.INTERNAL_ERROR
    assert [consumer.statuses(order) for order in sound] == [LIFE] * 2


def test_defect_in_recording_a_new_order_brings_it_back_and_no_other() -> None:
    consumer = ConsumerOnFakes(PoisonedRecord)
    assert isinstance(consumer.record, PoisonedRecord)
    poison, *sound = (an_order() for _ in range(3))
    consumer.record.new = frozenset({poison.order_id})
    outcomes = consumer.execute(poison, *sound)
    assert outcomes[poison.order_id].retry_in_s == LEASE_S
    assert consumer.statuses(poison) == ()
    assert [consumer.statuses(order) for order in sound] == [LIFE] * 2


def test_defect_in_recording_a_transaction_fails_its_order_unsent() -> None:
    consumer = ConsumerOnFakes(PoisonedRecord)
    assert isinstance(consumer.record, PoisonedRecord)
    poison, sound = an_order(), an_order()
    consumer.record.moved = frozenset({poison.order_id})
    consumer.execute(poison, sound)
    assert consumer.failure_code(poison) == Code.INTERNAL_ERROR
    assert consumer.statuses(sound) == LIFE
    assert {consumer.chain.signed[each].order_id for each in consumer.chain.sent} == {sound.order_id}


def test_record_out_of_reach_puts_the_whole_batch_off() -> None:
    consumer = ConsumerOnFakes(PoisonedRecord)
    assert isinstance(consumer.record, PoisonedRecord)
    consumer.record.outage = RetryableError("down")
    with pytest.raises(RetryableError):
        consumer.execute(an_order(), an_order())
    assert not consumer.chain.sent


def test_events_that_were_not_published_are_published_by_the_next_delivery(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_order()
    consumer.connections.slow.add("c=")
    consumer.queue.is_down = True
    with pytest.raises(RetryableError):
        consumer.execute(order)
    assert consumer.frames(order) == []
    consumer.connections.slow.clear()
    consumer.queue.is_down = False
    consumer.tables.subscriptions["c=", order.order_id].live = True
    consumer.execute(order, delivery=2)
    assert [frame["seq"] for frame in consumer.frames(order)] == [1, 2, 3, 4, 5, 6]
    assert len(consumer.chain.signed) == 1


def test_unfinished_order_whose_events_were_not_published_is_not_released_as_if_they_were(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_order()
    consumer.chain.status = SignatureStatus.UNKNOWN
    consumer.connections.slow.add("c=")
    consumer.queue.is_down = True
    with pytest.raises(RetryableError):
        consumer.execute(order)
    released = consumer.record.state(order.account_id, order.order_id)
    assert released is not None
    assert (released.status, released.published_seq) == (Status.SUBMITTED, 0)
    assert not consumer.is_claimed(order)


def published_twice(consumer: ConsumerOnFakes, order: Order) -> list[int]:
    seqs = [frame["seq"] for frame in consumer.frames(order)]
    return sorted({seq for seq in seqs if seqs.count(seq) > 1})


def test_events_that_were_published_before_the_release_are_not_published_again(
    consumer: ConsumerOnFakes,
) -> None:
    order = an_order()
    consumer.chain.status = SignatureStatus.UNKNOWN
    consumer.execute(order)
    consumer.chain.status = SignatureStatus.LANDED
    consumer.execute(order, delivery=2)
    assert published_twice(consumer, order) == []
