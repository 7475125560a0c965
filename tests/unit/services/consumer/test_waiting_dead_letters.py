"""Dead letters of orders that may rest: what came to nothing waits on, and what kills its consumers ends."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from chalicelib.domain.errors import Code
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.orders import Order
from chalicelib.domain.queue_messages import FiredMessage, Message
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus as Status
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.domain.transactions import SignatureStatus
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from chalicelib.services.consumer.batch import Incoming
from chalicelib.services.consumer.confirmation import DEADNESS_MARGIN_BLOCKS
from chalicelib.services.consumer.dead_letter_batches import resolve_each
from chalicelib.services.consumer.dead_letters import GIVEN_UP_MAX
from chalicelib.services.ports import Offers
from chalicelib.services.resting.waiting import BACKOFF_BLOCKS_MAX
from tests.fakes.consumer import LEASE_MS, ConsumerOnFakes
from tests.fakes.market import VALIDITY_BLOCKS, ProcessKilledError, a_pool
from tests.fakes.orders import LIFE, NOON, an_order, changed
from tests.unit.services.consumer.test_dead_letters import (
    SENT,
    defective_posts,
    letter,
    of_order,
    reason,
    resolved,
    sent_and_undecided,
)
from tests.unit.services.consumer.test_deadly_messages import QUEUE

DELIVERIES: Final = int(QUEUE["RedrivePolicy"]["maxReceiveCount"])


@pytest.fixture
def consumer() -> ConsumerOnFakes:
    return ConsumerOnFakes()


def until_canceled() -> Order:
    limit = Limit("150", Rate.of(150, 1_000))
    terms = {"order_type": OrderType.LIMIT, "limit": limit, "slippage_bps": None, "valid_for_s": None}
    return replace(changed(an_order(), time_in_force=TimeInForce.GTC, **terms), valid_until=None)


def stop(price: int = 150, if_already_met: IfAlreadyMet = IfAlreadyMet.EXECUTE) -> Order:
    rate = Rate.of(price, 1_000)
    trigger = Trigger(str(price), When.BELOW, rate, Direction.AT_MOST, PriceSource.MARK, 1, if_already_met)
    return replace(changed(an_order(), time_in_force=TimeInForce.GTC, trigger=trigger), valid_until=None)


@pytest.mark.parametrize("outcome", [SignatureStatus.REFUSED, SignatureStatus.UNKNOWN])
def test_order_with_a_limit_waits_on_whose_transaction_came_to_nothing(
    consumer: ConsumerOnFakes, outcome: SignatureStatus
) -> None:
    order = until_canceled()
    sent_and_undecided(consumer, order)
    consumer.chain.status = outcome
    consumer.chain.height += VALIDITY_BLOCKS + DEADNESS_MARGIN_BLOCKS + 1
    assert resolved(consumer, of_order(order))
    assert consumer.statuses(order) == (*SENT, Status.OPEN)
    assert reason(consumer) == "received 10 times; the order rests"
    consumer.chain.status = SignatureStatus.LANDED
    taken_up(consumer, fired_again(consumer))
    assert consumer.statuses(order) == (*SENT, Status.OPEN, *LIFE[1:])


def given_up(consumer: ConsumerOnFakes, message: Message, message_id: str) -> None:
    """Have an order's message used up, nothing of whose transaction has landed."""
    consumer.clock.sleep(LEASE_MS / 1_000 + 1)
    consumer.chain.height += VALIDITY_BLOCKS + DEADNESS_MARGIN_BLOCKS + 1
    assert consumer.resolve_dead_letters.resolve(letter(message, message_id))


def fired_again(consumer: ConsumerOnFakes) -> FiredMessage:
    """Return the message of an order that fires once it has backed off."""
    consumer.chain.height += BACKOFF_BLOCKS_MAX
    consumer.queue.sent.clear()
    consumer.price_watcher.look()
    (message,) = consumer.queue.messages
    assert isinstance(message, FiredMessage)
    return message


def taken_up(consumer: ConsumerOnFakes, message: FiredMessage, *, times: int = 1) -> None:
    """Deliver what fired; each delivery comes after the lease of the one before."""
    for number in range(times):
        consumer.clock.sleep(LEASE_MS / 1_000 + 1)
        with suppress(ProcessKilledError):
            consumer.execute_orders.execute(
                [Incoming(message.order_id, delivery=number + 1, firing=message.firing)]
            )


def at_rest(consumer: ConsumerOnFakes) -> Order:
    """An order with a limit that its dead letter has put to rest."""
    order = until_canceled()
    sent_and_undecided(consumer, order)
    given_up(consumer, of_order(order), "at rest")
    assert consumer.statuses(order)[-1] is Status.OPEN
    return order


def ends_at(consumer: ConsumerOnFakes, order: Order) -> int:
    """Return with which of its dead letters an order ends that kills whatever takes it up."""
    number = 0
    while not consumer.tables.orders[order.order_id].state.is_final:
        number += 1
        message = fired_again(consumer)
        taken_up(consumer, message, times=DELIVERIES)
        given_up(consumer, message, f"deadly {number}")
    return number


def test_order_with_a_limit_that_kills_its_consumers_whenever_it_is_sent_ends_at_its_second_dead_letter(
    consumer: ConsumerOnFakes,
) -> None:
    order = at_rest(consumer)
    consumer.chain.deadly["send"] = order.order_id
    assert ends_at(consumer, order) == 2
    assert consumer.failure_code(order) == Code.INTERNAL_ERROR
    assert {attempt.outcome for attempt in consumer.tables.attempts.values()} == {"dead"}


def test_order_with_a_limit_that_kills_its_consumers_before_it_is_signed_ends_as_well(
    consumer: ConsumerOnFakes,
) -> None:
    order = at_rest(consumer)
    consumer.chain.deadly["sign"] = order.order_id
    assert ends_at(consumer, order) == 2
    assert consumer.failure_code(order) == Code.INTERNAL_ERROR


def test_end_of_a_deadly_order_tells_what_its_last_refusal_took(consumer: ConsumerOnFakes) -> None:
    order = at_rest(consumer)
    consumer.chain.status, consumer.chain.network_fee_lamports = SignatureStatus.REFUSED, 5_000
    consumer.chain.deadly["send"] = order.order_id
    for number in range(2):
        message = fired_again(consumer)
        taken_up(consumer, message, times=DELIVERIES)
        consumer.chain.sent += consumer.chain.signed
        given_up(consumer, message, f"m{number}")
    assert consumer.frames(order)[-1]["status"] == Status.FAILED
    assert consumer.frames(order)[-1].get("networkFeeLamports") == 5_000


def test_outages_of_the_record_that_each_used_up_a_message_end_no_order_with_a_limit(
    consumer: ConsumerOnFakes,
) -> None:
    """As when the record goes away after a claim: none of the other deliveries can claim anything."""
    order = at_rest(consumer)
    for number in range(4):
        message = fired_again(consumer)
        consumer.chain.deadly["send"] = order.order_id
        taken_up(consumer, message)
        consumer.chain.deadly.clear()
        given_up(consumer, message, f"outage {number}")
        assert consumer.statuses(order)[-1] is Status.OPEN


def test_consumers_that_died_count_until_one_that_lived_puts_the_order_to_rest(
    consumer: ConsumerOnFakes,
) -> None:
    order = at_rest(consumer)
    consumer.chain.deadly["sign"] = order.order_id
    message = fired_again(consumer)
    taken_up(consumer, message, times=3)
    consumer.chain.deadly.clear()
    consumer.clock.sleep(LEASE_MS / 1_000 + 1)
    (claimed,) = consumer.record.claim([order.order_id], lease_ms=LEASE_MS).claimed.values()
    assert claimed.state.given_up == 3
    consumer.chain.status = SignatureStatus.REFUSED
    taken_up(consumer, message)
    assert consumer.tables.orders[order.order_id].state.given_up == 0


def test_no_message_brings_so_many_deliveries_that_an_order_ends_at_its_first_dead_letter() -> None:
    assert GIVEN_UP_MAX > DELIVERIES


def test_order_whose_chain_was_out_of_reach_rests_for_as_often_as_its_message_is_used_up(
    consumer: ConsumerOnFakes,
) -> None:
    order = at_rest(consumer)
    for number in range(3):
        message = fired_again(consumer)
        taken_up(consumer, message, times=DELIVERIES)
        given_up(consumer, message, f"m{number}")
        assert consumer.statuses(order)[-1] is Status.OPEN


@pytest.mark.parametrize("an_order_that_waits", [until_canceled, stop])
def test_order_that_no_consumer_got_to_rests_if_it_may(
    consumer: ConsumerOnFakes, an_order_that_waits: Callable[[], Order]
) -> None:
    """An outage that uses up forty deliveries is no reason to end what waits for weeks."""
    order = an_order_that_waits()
    assert resolved(consumer, of_order(order))
    assert consumer.statuses(order)[-1] is Status.OPEN
    assert reason(consumer) == "received 10 times; the order rests"
    assert order.order_id in consumer.tables.watches.rows


def test_order_that_fired_and_was_not_taken_up_rests_and_fires_again(consumer: ConsumerOnFakes) -> None:
    order = at_rest(consumer)
    before = consumer.statuses(order)
    given_up(consumer, fired_again(consumer), "m2")
    assert consumer.statuses(order) == before
    consumer.chain.status = SignatureStatus.LANDED
    taken_up(consumer, fired_again(consumer))
    assert consumer.statuses(order) == (*before, *LIFE[1:])


@pytest.mark.parametrize("names_a_firing", [True, False])
def test_letter_of_before_leaves_an_order_alone_that_has_fired_again_since(
    consumer: ConsumerOnFakes, names_a_firing: bool
) -> None:
    """Put to rest, it would wait for its price once more: the message that was to bring it on is out of date
    then, and the price may have left.
    """
    order = at_rest(consumer)
    before, statuses = fired_again(consumer), consumer.statuses(order)
    offered = {venue.name: venue.offered for venue in consumer.venues}
    for venue in consumer.venues:
        venue.offered = Offers([a_pool(f"{venue.name}-pool", venue.name, reserves=(10**15, 10**13))])
    taken_up(consumer, before)
    for venue in consumer.venues:
        venue.offered = offered[venue.name]
    message = fired_again(consumer)
    assert (before.firing, message.firing) == (1, 2)
    given_up(consumer, before if names_a_firing else of_order(order), "m2")
    assert reason(consumer, "m2") == "the order rests"
    assert not consumer.is_claimed(order)
    consumer.chain.status = SignatureStatus.LANDED
    taken_up(consumer, message)
    assert consumer.statuses(order) == (*statuses, *LIFE[1:])


def test_order_that_rested_beyond_its_end_expires(consumer: ConsumerOnFakes) -> None:
    limited = until_canceled()
    order = replace(limited, valid_until=limited.accepted_at + timedelta(hours=1))
    sent_and_undecided(consumer, order)
    given_up(consumer, of_order(order), "m1")
    message = fired_again(consumer)
    consumer.clock.sleep(3_600)
    given_up(consumer, message, "m2")
    assert consumer.statuses(order)[-1] is Status.EXPIRED


def test_order_that_is_to_be_filled_at_once_rests_not_at_all(consumer: ConsumerOnFakes) -> None:
    order = replace(
        changed(until_canceled(), time_in_force=TimeInForce.IOC), valid_until=NOON + timedelta(minutes=1)
    )
    assert resolved(consumer, of_order(order))
    assert consumer.failure_code(order) == Code.RETRIES_EXHAUSTED


@pytest.mark.parametrize("price", [150, 250])
def test_stop_that_is_refused_where_it_is_met_and_that_no_consumer_got_to_is_left_to_one(
    consumer: ConsumerOnFakes, price: int
) -> None:
    """Who resolves dead letters sees no prices: at rest it would fire, and sell what was to be refused."""
    order = stop(price, IfAlreadyMet.REFUSE)
    assert resolved(consumer, of_order(order))
    assert consumer.statuses(order) == (Status.PENDING,)
    assert reason(consumer) == "received 10 times; the order goes on"
    assert not consumer.is_claimed(order)
    # The sweep finds it.
    consumer.clock.sleep(60)
    consumer.execute_orders.execute([Incoming(order.order_id)])
    assert consumer.statuses(order)[1:] == (Status.OPEN if price == 150 else Status.FAILED,)
    if price == 250:
        assert consumer.failure_code(order) == Code.TRIGGER_ALREADY_MET


def test_stop_that_kills_whatever_looks_at_it_first_ends(consumer: ConsumerOnFakes) -> None:
    order = stop(250, IfAlreadyMet.REFUSE)
    assert resolved(consumer, of_order(order))
    for _ in range(GIVEN_UP_MAX):
        consumer.clock.sleep(LEASE_MS / 1_000 + 1)
        consumer.record.claim([order.order_id], lease_ms=LEASE_MS)
    consumer.clock.sleep(LEASE_MS / 1_000 + 1)
    assert resolved(consumer, of_order(order))
    assert consumer.failure_code(order) == Code.INTERNAL_ERROR


def test_stop_that_its_price_has_fired_executes_although_the_price_has_left_since(
    consumer: ConsumerOnFakes,
) -> None:
    order = stop(250)
    consumer.execute(order)
    message = fired_again(consumer)
    for venue in consumer.venues:
        venue.offered = Offers([a_pool(f"{venue.name}-pool", venue.name, reserves=(10**15, 3 * 10**14))])
    # A letter may come twice, and the second time before the sweep.
    for message_id in ("m1", "m2"):
        given_up(consumer, message, message_id)
        assert reason(consumer, message_id) == "received 10 times; the order goes on"
    consumer.clock.sleep(60)
    consumer.execute_orders.execute([Incoming(order.order_id)])  # the sweep finds it
    assert consumer.statuses(order) == (Status.PENDING, Status.OPEN, Status.TRIGGERED, *LIFE[1:])


def test_stop_that_its_price_has_fired_and_that_kills_its_consumers_ends(consumer: ConsumerOnFakes) -> None:
    order = stop(250)
    consumer.execute(order)
    message = fired_again(consumer)
    consumer.chain.deadly["sign"] = order.order_id
    number = 0
    while not consumer.tables.orders[order.order_id].state.is_final:
        taken_up(consumer, message, times=DELIVERIES)
        given_up(consumer, message, f"deadly {number}")
        number += 1
    assert (number, consumer.failure_code(order)) == (2, Code.RETRIES_EXHAUSTED)
    assert not consumer.chain.sent


def test_rest_that_a_defect_kept_from_being_told_is_told_by_the_next_delivery(
    consumer: ConsumerOnFakes,
) -> None:
    """What rests has no other message either."""
    order = until_canceled()
    defective_posts(consumer, 1)
    for done in (False, True):
        assert resolve_each(consumer.resolve_dead_letters, [letter(of_order(order))]) == {"m1": done}
        assert consumer.statuses(order) == (Status.PENDING, Status.OPEN)
    assert [frame["seq"] for frame in consumer.frames(order)] == [1, 2]


def test_rest_that_a_letter_has_told_is_told_by_nothing_again(consumer: ConsumerOnFakes) -> None:
    order = until_canceled()
    for message_id in ("m1", "m2"):
        consumer.resolve_dead_letters.resolve(letter(of_order(order), message_id))
    consumer.chain.status = SignatureStatus.LANDED
    taken_up(consumer, fired_again(consumer))
    assert [frame["seq"] for frame in consumer.frames(order)] == [
        *range(1, len(consumer.statuses(order)) + 1)
    ]


def test_order_that_was_canceled_with_all_others_while_its_message_died_ends_as_that(
    consumer: ConsumerOnFakes,
) -> None:
    """Nothing else moves it on but its letter and the sweep, which takes it for one that is worked on."""
    order = until_canceled()
    consumer.tables.cancel_marks[order.account_id, OrderFilter()] = NOON + timedelta(days=1)
    for done in (False, True):
        assert consumer.resolve_dead_letters.resolve(letter(of_order(order))) is done
        assert consumer.statuses(order) == (Status.PENDING, Status.CANCELED)
    assert [frame["status"] for frame in consumer.frames(order)] == ["pending", "canceled"]
    assert reason(consumer) == "the order was canceled already"
