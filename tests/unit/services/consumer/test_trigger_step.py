"""Orders that wait for their triggers: each by itself, whatever is in its batch."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.chosen_route import RefusedPool
from chalicelib.domain.errors import Code, VenueUnavailableError
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import ClaimedOrder, Transition
from chalicelib.domain.rates import Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import TimeInForce
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from chalicelib.domain.watches import Fired, FiredBy
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.consumer import transitions
from chalicelib.services.consumer.transitions import Sighting
from chalicelib.services.consumer.trigger_step import looks_at_size, trigger_step
from chalicelib.services.planning.planner import Planner
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.services.ports import Offers
from chalicelib.services.resting.waiting import NEVER, NEVER_SO_LITTLE, LookAgain
from tests.fakes.consumer import ConsumerOnFakes
from tests.fakes.inline import InOneThread
from tests.fakes.market import FakeVenue, a_pool, a_pool_that_opens_at
from tests.fakes.orders import LIFE, NOON, advanced, an_order, changed
from tests.fakes.ports import FrozenClock

STOP = Trigger(
    "0.001", When.BELOW, Rate(1, 10**6), Direction.AT_MOST, PriceSource.MARK, 2, IfAlreadyMet.REFUSE
)


def a_stop() -> Order:
    return changed(an_order(), trigger=STOP, time_in_force=TimeInForce.GTC, valid_until=None)


def test_order_beside_one_that_waits_for_its_trigger_is_executed_in_the_same_batch() -> None:
    consumer, waiting, plain = ConsumerOnFakes(), a_stop(), an_order()
    consumer.execute(waiting, plain)
    assert consumer.statuses(waiting) == (OrderStatus.PENDING, OrderStatus.OPEN)
    assert consumer.statuses(plain) == LIFE


def test_order_whose_mark_cannot_be_seen_when_it_comes_waits_for_it() -> None:
    refused = RefusedPool("one", ("USDC", "SOL"), "the model does not cover it")
    for offered, fault in (
        (Offers([a_pool_that_opens_at(2**40)]), None),
        (Offers([], refused=(refused,)), None),
        (Offers([]), VenueUnavailableError("it is down")),
    ):
        consumer, order = ConsumerOnFakes(), a_stop()
        for venue in consumer.venues:
            venue.offered = Offers([])
        consumer.venues[0].offered, consumer.venues[0].fault = offered, fault
        consumer.execute(order)
        assert consumer.statuses(order) == (OrderStatus.PENDING, OrderStatus.OPEN)


@pytest.mark.parametrize("if_already_met", IfAlreadyMet)
def test_order_by_the_mark_of_a_pair_that_no_pool_trades_is_refused_rather_than_seem_to_guard_something(
    if_already_met: IfAlreadyMet,
) -> None:
    trigger = replace(STOP, if_already_met=if_already_met)
    found = stepped(claimed(trigger, is_new=True), pools=())
    assert (found.state.status, found.failure_code) == (OrderStatus.FAILED, Code.NO_ROUTE)
    rests = claimed(trigger, is_new=False)
    assert stepped(rests, pools=()) == transitions.rest(rests, NOW)


NOW, HEIGHT = NOON + timedelta(seconds=5), 77
MET, NOT_MET = Rate(1, 4), Rate(1, 6)  # for a stop, at a price of a fifth
REFUSE, EXECUTE = IfAlreadyMet.REFUSE, IfAlreadyMet.EXECUTE
BY_SIZE = replace(STOP, source=PriceSource.EXECUTABLE, confirmations=1)


def claimed(
    trigger: Trigger, *, is_new: bool, fired_by: FiredBy | None = None, look: int = 2
) -> ClaimedOrder:
    order = changed(
        an_order(amount_units=10**13), trigger=trigger, time_in_force=TimeInForce.GTC, valid_until=None
    )
    state, _ = advanced(OrderState(order), OrderStatus.PENDING, *([] if is_new else [OrderStatus.OPEN]))
    fired = None
    if fired_by is not None:
        seen, height = (Rate(3, 16), 70) if fired_by is FiredBy.RATE else (None, None)
        fired = Fired(order.order_id, "alice", 1, fired_by, look, NOON, seen, height)
    return ClaimedOrder(state, fence=1, fired=fired)


def a_planner(*pools: RoutablePool) -> Planner:
    venues = [FakeVenue("raydium", list(pools))]
    collector = QuoteCollector(venues, InOneThread(), FrozenClock(), time_limit_ms=0, valid_ms=2_000)
    return Planner(collector.ask(), load_tokens())


def stepped(order: ClaimedOrder, pools: Sequence[RoutablePool] = (a_pool(),)) -> Transition:
    return trigger_step(order, a_planner(*pools), NOW, HEIGHT)


def offered(order: ClaimedOrder) -> Rate:
    return a_planner(a_pool()).offered(order.state.order.terms.swap)


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("rate", [MET, NOT_MET])
def test_mark_triggers_only_what_the_matcher_has_seen_it_hold_for(rate: Rate, *, is_new: bool) -> None:
    trigger = replace(STOP, rate=rate, if_already_met=EXECUTE)
    seen = claimed(trigger, is_new=is_new, fired_by=FiredBy.RATE)
    assert stepped(seen) == transitions.triggered(seen, Sighting(Rate(3, 16), 70), NOW)
    for fired_by, look in ((FiredBy.RATE, 1), (FiredBy.RATE, 3), (FiredBy.TIME, 2), (None, 2)):
        order = claimed(trigger, is_new=is_new, fired_by=fired_by, look=look)
        assert stepped(order) == transitions.rest(order, NOW)


@pytest.mark.parametrize("source", PriceSource)
@pytest.mark.parametrize(
    ("rate", "is_new", "if_already_met", "is_refused"),
    [
        (MET, True, REFUSE, True),
        (MET, True, EXECUTE, False),
        (MET, False, REFUSE, False),
        (NOT_MET, True, REFUSE, False),
    ],
)
def test_order_whose_price_is_met_when_it_comes_is_refused_if_it_says_so(
    source: PriceSource, rate: Rate, if_already_met: IfAlreadyMet, *, is_new: bool, is_refused: bool
) -> None:
    order = claimed(replace(STOP, source=source, rate=rate, if_already_met=if_already_met), is_new=is_new)
    found = stepped(order)
    assert looks_at_size(order) == (source is PriceSource.EXECUTABLE)
    assert (found.failure_code is Code.TRIGGER_ALREADY_MET) == is_refused
    assert (found.state.status is OrderStatus.FAILED) == is_refused
    if not is_refused and source is PriceSource.MARK:
        assert found == transitions.rest(order, NOW)


@pytest.mark.parametrize("is_new", [True, False])
def test_what_an_orders_own_size_gets_triggers_it_at_once(*, is_new: bool) -> None:
    order = claimed(replace(BY_SIZE, rate=MET, if_already_met=EXECUTE), is_new=is_new)
    found = stepped(order)
    (event, *_) = found.events
    assert event.status is OrderStatus.TRIGGERED
    assert found == transitions.triggered(order, Sighting(offered(order), HEIGHT), NOW)
    waits = claimed(replace(BY_SIZE, rate=NOT_MET), is_new=is_new)
    assert stepped(waits) == transitions.rest(waits, NOW)


def test_take_profit_that_its_size_keeps_away_waits_for_a_rate_at_which_it_may_fit() -> None:
    profit = replace(BY_SIZE, direction=Direction.AT_LEAST, if_already_met=EXECUTE)
    near = claimed(replace(profit, rate=Rate(199, 1_000)), is_new=False)
    watch = stepped(near).watch
    assert watch is not None
    assert watch.wake_rate is not None
    assert watch.wake_rate.is_at_least(Rate(1995, 10_000))
    assert watch.wake_at == NOW + timedelta(minutes=5)
    far = claimed(replace(profit, rate=Rate(3, 10)), is_new=False)
    assert stepped(far) == transitions.rest(far, NOW)


@pytest.mark.parametrize(
    ("direction", "never"), [(Direction.AT_MOST, NEVER_SO_LITTLE), (Direction.AT_LEAST, NEVER)]
)
def test_size_that_cannot_be_filled_is_looked_at_by_time_alone(direction: Direction, never: Rate) -> None:
    order = claimed(replace(BY_SIZE, direction=direction), is_new=False)
    again = LookAgain(never, at=NOW + timedelta(seconds=15))
    assert stepped(order, ()) == transitions.rest(order, NOW, again)
    new = claimed(replace(BY_SIZE, direction=direction), is_new=True)
    told = "no venue trades SOL to USDC"
    assert stepped(new, ()) == transitions.rest(new, NOW, again, reason=told)
