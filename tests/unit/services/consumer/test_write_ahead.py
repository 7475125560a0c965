"""What is committed before anything is sent: one transition per order, whatever goes wrong with one."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.errors import Code, RetryableError, VenueUnavailableError
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import ClaimedOrder, Transition
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus as Status
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import TimeInForce
from chalicelib.services.consumer.batch import Batch, Incoming
from chalicelib.services.consumer.write_ahead import WriteAhead
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.services.ports import Offers
from chalicelib.services.resting.waiting import ELSEWHERE_FOR, NO_VENUE_FOR
from tests.fakes.inline import InOneThread
from tests.fakes.market import FakeChain, FakeVenue
from tests.fakes.orders import NOON, advanced, an_order, changed
from tests.fakes.ports import FrozenClock

ATTEMPTS_MAX = 2


class Desk:
    """The use case on a venue, and maybe others, and a chain; all do as they are told."""

    def __init__(self, *others: FakeVenue) -> None:
        self.venue, self.chain, self.clock = FakeVenue(), FakeChain(), FrozenClock()
        clock, venues = self.clock, [self.venue, *others]
        self.batch = Batch.of([])
        collector = QuoteCollector(venues, InOneThread(), clock, time_limit_ms=0, valid_ms=2_000)
        self._write_ahead = WriteAhead(
            quote_collector=collector,
            chain=self.chain,
            tokens=load_tokens(),
            clock=clock,
            attempts_max=ATTEMPTS_MAX,
        )

    def transitions(
        self, *orders: Order, attempt: int = 1, held_to: int | None = None
    ) -> dict[Order, Transition]:
        self.batch = Batch.of([Incoming(each.order_id, each) for each in orders])
        claimed = [replace(claimed_order(each, attempt), held_to=held_to) for each in orders]
        found = self._write_ahead.transitions(claimed, None, self.batch)
        assert len(found) == len(orders)
        return {each.state.order: each for each in found}


def claimed_order(order: Order, attempt: int) -> ClaimedOrder:
    state, _ = advanced(OrderState(order), Status.PENDING, Status.ROUTING)
    return ClaimedOrder(replace(state, attempt=attempt), fence=1)


def statuses(transition: Transition) -> list[Status]:
    return [event.status for event in transition.events]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_planned_order_is_submitted_with_its_transaction_and_still_claimed(desk: Desk) -> None:
    order = an_order()
    transition = desk.transitions(order)[order]
    assert statuses(transition) == [Status.ROUTED, Status.BUILDING, Status.SUBMITTED]
    assert transition.new_attempt is not None
    assert list(desk.chain.signed) == [transition.new_attempt.transaction.signature]
    assert not transition.release
    assert desk.chain.sent == []


def test_order_accepts_no_less_than_its_quote_allows(desk: Desk) -> None:
    order = an_order()
    attempt = desk.transitions(order)[order].new_attempt
    assert attempt is not None
    assert attempt.quoted_in_units == order.terms.amount_units
    # 50 bps less than what was quoted, rounded up.
    assert attempt.threshold_units == -(-attempt.quoted_out_units * 9_950 // 10_000)


@pytest.mark.parametrize("mode", list(SwapMode))
def test_order_that_was_refused_accepts_no_worse_than_it_did_then(desk: Desk, mode: SwapMode) -> None:
    order = changed(an_order(), swap_mode=mode)
    first = desk.transitions(order)[order].new_attempt
    assert first is not None
    better = 1 if mode is SwapMode.EXACT_IN else -1
    for held_to, expected in (
        (first.threshold_units - better, first.threshold_units),
        (first.threshold_units + better, first.threshold_units + better),
    ):
        again = desk.transitions(order, attempt=2, held_to=held_to)[order].new_attempt
        assert again is not None
        assert again.threshold_units == expected
    quoted = first.quoted_out_units if mode is SwapMode.EXACT_IN else first.quoted_in_units
    assert desk.transitions(order, attempt=2, held_to=quoted)[order].new_attempt is not None
    ended = desk.transitions(order, attempt=2, held_to=quoted + better)[order]
    assert (statuses(ended), ended.failure_code) == ([Status.FAILED], Code.SLIPPAGE_EXCEEDED)
    assert "moved by more than 50 bps" in str(ended.events[-1].what)


def test_order_that_was_refused_is_tried_again_while_a_venue_is_silent_that_may_offer_as_much() -> None:
    silent, order = FakeVenue("meteora"), an_order()
    silent.fault, desk = VenueUnavailableError("no answer"), Desk(silent)
    again = desk.transitions(order, attempt=1, held_to=10**18)[order]
    assert statuses(again) == [Status.ROUTING]
    assert "meteora: no answer" in str(again.events[-1].what)
    ended = desk.transitions(order, attempt=ATTEMPTS_MAX, held_to=10**18)[order]
    assert (statuses(ended), ended.failure_code) == ([Status.FAILED], Code.NO_ROUTE)


def test_late_order_ends_and_costs_no_venue_a_question(desk: Desk) -> None:
    order = an_order(accepted_at=NOON - timedelta(seconds=61))
    assert statuses(desk.transitions(order)[order]) == [Status.EXPIRED]
    assert desk.venue.asked == 0


def test_order_at_the_end_of_its_time_is_still_signed(desk: Desk) -> None:
    order = an_order(accepted_at=NOON - timedelta(seconds=60))
    assert desk.transitions(order)[order].new_attempt is not None


def test_order_whose_time_ends_while_it_is_signed_ends_with_nothing_recorded_as_sent(desk: Desk) -> None:
    order = an_order(accepted_at=NOON - timedelta(seconds=60))
    desk.chain.before_signing = lambda: desk.clock.sleep(0.001)
    transition = desk.transitions(order)[order]
    assert (statuses(transition), transition.new_attempt) == ([Status.EXPIRED], None)


def test_defect_in_signing_ends_one_order_and_leaves_the_others_signed(desk: Desk) -> None:
    poison, *sound = (an_order() for _ in range(3))
    desk.chain.poison.add(poison.order_id)
    found = desk.transitions(poison, *sound)
    assert (found[poison].failure_code, found[poison].new_attempt) == (Code.INTERNAL_ERROR, None)
    assert all(found[order].new_attempt for order in sound)
    assert desk.batch.defective == {poison.order_id}


def test_fault_in_signing_is_another_attempt_until_there_is_none_left(desk: Desk) -> None:
    order = an_order()
    desk.chain.faults["sign"] = RetryableError("no answer")
    again = desk.transitions(order)[order]
    assert (statuses(again), again.state.attempt, again.release) == ([Status.ROUTING], 2, False)
    last = desk.transitions(order, attempt=ATTEMPTS_MAX)[order]
    assert (statuses(last), last.failure_code) == ([Status.FAILED], Code.NO_ROUTE)


def test_silent_venues_are_another_attempt(desk: Desk) -> None:
    order = an_order()
    desk.venue.fault = VenueUnavailableError("down")
    assert statuses(desk.transitions(order)[order]) == [Status.ROUTING]


def test_venues_whose_state_is_out_of_reach_end_no_order(desk: Desk) -> None:
    desk.venue.fault = RetryableError("the database is down")
    with pytest.raises(RetryableError):
        desk.transitions(an_order())


RESTING: dict[str, Any] = {
    "limit": Limit("150", Rate.of(150, 1_000)),
    "slippage_bps": None,
    "time_in_force": TimeInForce.GTC,
    "valid_until": None,
}


@pytest.mark.parametrize(
    ("terms", "is_silent", "status", "pause"),
    [
        (RESTING, True, Status.OPEN, NO_VENUE_FOR),
        (RESTING, False, Status.OPEN, ELSEWHERE_FOR),
        (RESTING | {"output_token": "UNLISTED"}, False, Status.FAILED, None),
        (RESTING | {"time_in_force": TimeInForce.IOC}, False, Status.FAILED, None),
        # A market order that has waited for its trigger.
        ({"time_in_force": TimeInForce.GTC, "valid_until": None}, True, Status.ROUTING, None),
        ({}, False, Status.FAILED, None),
    ],
)
def test_order_with_a_limit_waits_where_there_is_no_plan_for_it_and_any_other_does_not(
    terms: dict[str, Any], is_silent: bool, status: Status, pause: timedelta | None, desk: Desk
) -> None:
    desk.venue.fault = VenueUnavailableError("down") if is_silent else None
    desk.venue.offered = Offers([])
    order = changed(an_order(), **terms)
    step = desk.transitions(order)[order]
    assert statuses(step) == [status]
    assert (step.watch and step.watch.wake_at) == (pause and NOON + pause)
    if status is Status.OPEN:
        told = None if is_silent else "no venue trades SOL to USDC"
        assert [getattr(event.what, "reason", None) for event in step.events] == [told]
