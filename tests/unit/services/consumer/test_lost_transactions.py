"""Orders whose transactions executed before the record was set back: nothing is signed for them again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.queue_messages import OrderMessage
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus as Status
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.domain.transactions import LegFill, LostTransaction, SignatureStatus
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from chalicelib.services.consumer.batch import Incoming
from chalicelib.services.consumer.confirmation import DEADNESS_MARGIN_BLOCKS
from chalicelib.services.consumer.dead_letters import DeadLetter
from chalicelib.wire.queue_messages import render_message
from tests.fakes.bad_messages import an_order_body
from tests.fakes.consumer import ConsumerOnFakes
from tests.fakes.market import VALIDITY_BLOCKS, ProcessKilledError
from tests.fakes.orders import NOON, an_order, changed

LIFE = (Status.PENDING, Status.ROUTING, Status.ROUTED, Status.BUILDING, Status.SUBMITTED, Status.CONFIRMED)
DIES_AFTER = VALIDITY_BLOCKS + DEADNESS_MARGIN_BLOCKS + 1


class FakeLostTransactions:
    """``LostTransactions`` that finds what a test has put into it."""

    def __init__(self) -> None:
        self.found: dict[UUID, LostTransaction] = {}
        self.fault: RetryableError | None = None
        self.untold: set[UUID] = set()
        self.asked = 0

    def are_sought(self) -> bool:
        return True

    def of(self, orders: Sequence[Order]) -> Mapping[UUID, LostTransaction]:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        if any(each.order_id in self.untold for each in orders):
            raise RetryableError("a history that takes too long")
        return {id_: self.found[id_] for each in orders if (id_ := each.order_id) in self.found}


class Desk:
    """A consumer whose record can be set back, while its chain and its queue go on."""

    def __init__(self) -> None:
        self.lost = FakeLostTransactions()
        self.consumer = ConsumerOnFakes(lost_transactions=self.lost)

    def executed_and_lost(self, order: Order) -> LostTransaction:
        """Execute an order, and have the record forget that there ever was one."""
        self.consumer.execute(order)
        assert self.consumer.statuses(order)[-1] is Status.CONFIRMED
        (row,) = [each for each in self.consumer.tables.attempts.values() if each.order_id == order.order_id]
        sent = row.attempt.transaction
        status = self.consumer.chain.view([sent.signature]).statuses[sent.signature]
        pair = order.terms.input_token, order.terms.output_token
        leg = LegFill("a pool", "raydium", *pair, status.input_units, status.output_units, 3, pair[0])
        for table in (
            self.consumer.tables.orders,
            self.consumer.tables.events,
            self.consumer.tables.attempts,
        ):
            table.clear()
        self.consumer.connections.frames.clear()
        lost = LostTransaction(sent, row.attempt.attempt, replace(status, legs=(leg,)))
        self.lost.found[order.order_id] = lost
        return lost


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize("mode", list(SwapMode))
def test_order_that_executed_is_confirmed_by_its_own_transaction_and_not_signed_again(
    desk: Desk, mode: SwapMode
) -> None:
    order = changed(an_order(), swap_mode=mode)
    lost = desk.executed_and_lost(order)
    signed = dict(desk.consumer.chain.signed)
    desk.consumer.execute(order, delivery=2)
    assert desk.consumer.chain.signed == signed
    assert desk.consumer.statuses(order) == LIFE
    frames = desk.consumer.frames(order)
    assert {frame["txSignature"] for frame in frames if "txSignature" in frame} == {
        lost.transaction.signature
    }
    (route,) = (frame["route"] for frame in frames if frame["status"] == "routed")
    assert [(leg["pool"], leg["shareBps"]) for leg in route] == [("a pool", 10_000)]


def test_order_whose_time_is_up_is_confirmed_all_the_same(desk: Desk) -> None:
    order = an_order()
    desk.executed_and_lost(order)
    desk.consumer.clock.sleep(3_600)
    desk.consumer.execute(order)
    assert desk.consumer.statuses(order) == LIFE


def test_order_whose_first_transaction_died_is_confirmed_by_its_second_although_its_time_is_up(
    desk: Desk,
) -> None:
    """The record was set back to between the two: the first is on it, and by now the order is late."""
    consumer, order = desk.consumer, an_order()
    second = desk.executed_and_lost(order)._replace(attempt=2)
    desk.lost.found.clear()
    consumer.chain.height += 1
    signed_and_not_sent(consumer, order)
    desk.lost.found[order.order_id] = second
    consumer.chain.height += DIES_AFTER
    for delivery in (2, 3):
        consumer.clock.sleep(3_600)
        consumer.execute(order, delivery=delivery)
    assert consumer.statuses(order) == (*LIFE[:5], *LIFE[1:])
    assert consumer.frames(order)[-1]["txSignature"] == second.transaction.signature


def signed_and_not_sent(consumer: ConsumerOnFakes, order: Order) -> None:
    """Have a consumer die over an order just after its transaction came on record."""
    consumer.chain.deadly["send"] = order.order_id
    with pytest.raises(ProcessKilledError):
        consumer.execute(order)
    consumer.chain.deadly.clear()


@pytest.mark.parametrize("on_record", ["nothing", "a transaction that died"])
def test_order_among_the_dead_letters_is_left_to_who_can_look_it_up(desk: Desk, on_record: str) -> None:
    """The key that tells the wallet, and with it the history, is the consumer's alone."""
    consumer, order = desk.consumer, an_order()
    found = desk.executed_and_lost(order)
    if on_record != "nothing":
        desk.lost.found.clear()
        consumer.chain.height += 1
        signed_and_not_sent(consumer, order)
        consumer.chain.height += DIES_AFTER
        found = desk.lost.found[order.order_id] = found._replace(attempt=2)
    consumer.clock.sleep(3_600)
    body = render_message(OrderMessage(order=order, connection_id="c=", request_id="r1"))
    letter = DeadLetter("m1", body, receive_count=40)
    assert consumer.resolve_dead_letters.resolve(letter)
    assert not consumer.is_claimed(order)
    # The sweep finds it by now.
    for delivery in (1, 2):
        consumer.execute_orders.execute([Incoming(order.order_id, delivery=delivery)])
        consumer.clock.sleep(60)
    assert consumer.statuses(order)[-len(LIFE) + 1 :] == LIFE[1:]
    assert consumer.frames(order)[-1]["txSignature"] == found.transaction.signature


def test_dead_letter_of_what_landed_is_resolved_at_once(desk: Desk) -> None:
    consumer, order = desk.consumer, an_order()
    consumer.chain.status = SignatureStatus.UNKNOWN
    consumer.execute(order)
    consumer.chain.status = SignatureStatus.LANDED
    consumer.clock.sleep(60)
    body = render_message(OrderMessage(order=order, connection_id="c=", request_id="r1"))
    assert consumer.resolve_dead_letters.resolve(DeadLetter("m1", body, receive_count=40))
    assert consumer.statuses(order) == LIFE


def test_late_order_of_which_nothing_executed_expires(desk: Desk) -> None:
    order = an_order(accepted_at=NOON - timedelta(hours=1))
    desk.consumer.execute(order)
    assert desk.consumer.statuses(order)[-1] is Status.EXPIRED
    assert desk.consumer.chain.signed == {}


def test_orders_beside_it_are_executed(desk: Desk) -> None:
    order, other = an_order(), an_order()
    desk.executed_and_lost(order)
    desk.consumer.execute(order, other)
    assert desk.consumer.statuses(order) == desk.consumer.statuses(other) == LIFE
    assert len(desk.consumer.chain.signed) == 2


def test_nothing_is_signed_while_the_chain_does_not_tell_what_executed(desk: Desk) -> None:
    order = an_order()
    desk.executed_and_lost(order)
    signed = dict(desk.consumer.chain.signed)
    desk.lost.fault = RetryableError("no answer")
    with pytest.raises(RetryableError):
        desk.consumer.execute(order)
    assert desk.consumer.chain.signed == signed
    desk.lost.fault = None
    desk.consumer.clock.sleep(60)
    desk.consumer.execute(order, delivery=2)
    assert desk.consumer.statuses(order) == LIFE
    assert desk.consumer.chain.signed == signed


def test_wallet_whose_history_is_not_told_keeps_no_other_accounts_order(desk: Desk) -> None:
    untold, found, other = an_order(), an_order(), an_order()
    desk.executed_and_lost(found)
    desk.lost.untold = {untold.order_id}
    outcomes = desk.consumer.execute(untold, found, other)
    assert desk.consumer.statuses(found) == desk.consumer.statuses(other) == LIFE
    assert desk.consumer.statuses(untold) == LIFE[:2]
    assert outcomes[untold.order_id].retry_in_s
    assert outcomes[found.order_id].retry_in_s is outcomes[other.order_id].retry_in_s is None
    desk.lost.untold.clear()
    desk.consumer.execute(untold, delivery=2)
    assert desk.consumer.statuses(untold) == LIFE


def test_order_at_rest_that_fires_again_is_confirmed_by_what_it_fired_for_before(desk: Desk) -> None:
    limit = Limit("190", Rate.of(190, 1_000))
    resting = changed(
        an_order(),
        order_type=OrderType.LIMIT,
        slippage_bps=None,
        limit=limit,
        time_in_force=TimeInForce.GTC,
        valid_for_s=None,
    )
    desk.executed_and_lost(resting)
    signed = dict(desk.consumer.chain.signed)
    desk.consumer.execute_orders.execute([Incoming(resting.order_id, resting, "c=")])
    assert desk.consumer.statuses(resting) == LIFE
    assert desk.consumer.chain.signed == signed


def test_stop_that_executed_is_confirmed_although_its_price_is_gone(desk: Desk) -> None:
    lost = desk.executed_and_lost(an_order())
    trigger = Trigger(
        "0.001", When.BELOW, Rate(1, 10**6), Direction.AT_MOST, PriceSource.MARK, 2, IfAlreadyMet.REFUSE
    )
    stop = changed(an_order(), trigger=trigger, time_in_force=TimeInForce.GTC, valid_until=None)
    desk.lost.found[stop.order_id] = lost
    desk.consumer.execute(stop)
    desk.consumer.clock.sleep(60)
    desk.consumer.execute(stop, delivery=2)
    assert desk.consumer.statuses(stop) == (Status.PENDING, Status.TRIGGERED, *LIFE[1:])
    assert len(desk.consumer.chain.signed) == 1


@pytest.mark.parametrize("mode", list(SwapMode))
def test_other_order_under_the_same_id_is_neither_confirmed_by_what_executed_nor_signed(
    desk: Desk, mode: SwapMode
) -> None:
    """A client repeats its id with other terms, which nothing on record refuses any more."""
    order = changed(an_order(), swap_mode=mode)
    desk.executed_and_lost(order)
    signed = dict(desk.consumer.chain.signed)
    other = changed(order, input_token=order.terms.output_token, output_token=order.terms.input_token)
    desk.consumer.execute(other)
    assert desk.consumer.statuses(other) == (Status.PENDING, Status.ROUTING, Status.FAILED)
    assert desk.consumer.frames(other)[-1]["code"] == "CLIENT_ORDER_ID_CONFLICT"
    assert desk.consumer.chain.signed == signed


def test_orders_that_wait_to_be_looked_up_are_claimed_by_none_meanwhile(desk: Desk) -> None:
    order = an_order()
    desk.lost.fault = RetryableError("what was signed before may land yet")
    for delivery in (1, 2):
        with pytest.raises(RetryableError):
            desk.consumer.execute(order, delivery=delivery)
        assert not desk.consumer.is_claimed(order)
    desk.lost.fault = None
    desk.consumer.execute(order, delivery=3)
    assert desk.consumer.statuses(order) == LIFE


def test_chain_that_is_silent_is_waited_for_once_and_not_for_each_order_of_a_batch(desk: Desk) -> None:
    fresh = [an_order() for _ in range(3)]
    desk.lost.fault = RetryableError("no node answered")
    with pytest.raises(RetryableError):
        desk.consumer.execute(*fresh)
    assert desk.lost.asked == 1
    assert not any(map(desk.consumer.is_claimed, fresh))


@pytest.mark.parametrize("is_of_before", [True, False])
def test_order_whose_transaction_was_refused_is_looked_up_at_once_if_later_ones_may_be_missing(
    desk: Desk, is_of_before: bool
) -> None:
    """What rested is woken to be looked up. One that comes to rest after that would be so when it fires:
    days later, when nothing is looked up any more. But what was signed since was looked up before, and
    rests for as long as ever: refused again at once, and again, it would pay fees for a day.
    """
    resting = changed(
        an_order(),
        order_type=OrderType.LIMIT,
        slippage_bps=None,
        limit=Limit("190", Rate.of(190, 1_000)),
        time_in_force=TimeInForce.GTC,
        valid_for_s=None,
        valid_until=None,
    )
    consumer = desk.consumer
    consumer.signed_before = None if is_of_before else 0
    consumer.chain.status = SignatureStatus.UNKNOWN
    consumer.execute(resting)
    assert consumer.statuses(resting)[-1] is Status.SUBMITTED
    consumer.chain.status = SignatureStatus.REFUSED
    consumer.clock.sleep(60)
    consumer.execute(resting, delivery=2)
    assert consumer.statuses(resting)[-1] is Status.OPEN
    assert bool(consumer.tables.watches.wake(limit=10)) == is_of_before


def test_dead_letter_of_no_use_ends_no_order_that_may_have_executed(desk: Desk) -> None:
    order, dead_letters = an_order(), desk.consumer.resolve_dead_letters
    message = OrderMessage(order=order, connection_id="c=", request_id="r1")
    letter = DeadLetter("m1", render_message(message), receive_count=10)
    with pytest.raises(RetryableError, match="not known yet"):
        dead_letters.give_up(letter, ValueError("a defect"))
    with pytest.raises(RetryableError, match="not known yet"):
        dead_letters.resolve(replace(letter, body=an_order_body(limit_price="150")))
    assert not desk.consumer.tables.orders
    desk.consumer.execute(order)
    assert dead_letters.give_up(letter, ValueError("a defect"))
    assert desk.consumer.statuses(order) == LIFE
