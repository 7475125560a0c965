"""Plans made while orders are claimed: the same as without, and only for just those orders."""

from dataclasses import replace

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.errors import VenueUnavailableError
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import ClaimedOrder
from chalicelib.domain.rates import Limit, Rate
from chalicelib.services.consumer.batch import Incoming
from chalicelib.services.consumer.plans_ahead import PlansAhead, planned_ahead
from chalicelib.services.planning.planner import Planner
from chalicelib.services.planning.venues import QuoteCollector
from tests.fakes.inline import InOneThread
from tests.fakes.market import FakeVenue
from tests.fakes.orders import an_order, changed
from tests.fakes.ports import FrozenClock


def ahead(*incoming: Incoming, venue: FakeVenue | None = None) -> PlansAhead | None:
    collector = a_collector(venue or FakeVenue())
    found = planned_ahead(incoming, collector.begin(), load_tokens(), InOneThread())
    return None if found is None else found.result()


def a_collector(venue: FakeVenue) -> QuoteCollector:
    return QuoteCollector([venue], InOneThread(), FrozenClock(), time_limit_ms=0, valid_ms=2_000)


def new(order: Order) -> Incoming:
    return Incoming(order.order_id, order)


def claimed(*orders: Order) -> list[ClaimedOrder]:
    return [ClaimedOrder(OrderState(each), fence=1) for each in orders]


def test_orders_claimed_as_hoped_have_the_plans_that_one_planner_makes_of_them_in_a_row() -> None:
    orders = [an_order(), an_order()]
    found = ahead(*map(new, orders))
    assert found is not None
    planner = Planner(a_collector(FakeVenue()).ask(), load_tokens())
    assert found.for_claimed(claimed(*orders)) == [planner.plan(each.terms.swap) for each in orders]


def test_orders_claimed_otherwise_have_none_of_the_plans() -> None:
    first, second = an_order(), an_order()
    found = ahead(new(first), new(second))
    assert found is not None
    assert found.for_claimed(claimed(first)) is None
    assert found.for_claimed(claimed(second, first)) is None
    # The same order by its id, as the record had it before.
    assert found.for_claimed(claimed(first, replace(second))) is None


def test_order_that_cannot_be_planned_leaves_all_of_them_to_be_planned_again() -> None:
    order = an_order()
    found = ahead(new(order), venue=FakeVenue(pools=[]))
    assert found is not None
    assert found.for_claimed(claimed(order)) is None


def test_venue_that_failed_leaves_all_orders_to_be_planned_once_they_are_claimed() -> None:
    order, venue = an_order(), FakeVenue()
    venue.fault = VenueUnavailableError("no answer")
    found = ahead(new(order), venue=venue)
    assert found is not None
    assert found.for_claimed(claimed(order)) is None


@pytest.mark.parametrize(
    "incoming",
    [
        pytest.param([Incoming(an_order().order_id)], id="on record already"),
        pytest.param([replace(new(an_order()), delivery=2)], id="delivered before"),
        pytest.param([new(changed(an_order(), limit=Limit("138", Rate.of(138, 1_000))))], id="with a limit"),
        pytest.param([new(an_order())] * 2, id="twice"),
    ],
)
def test_batch_that_may_be_claimed_otherwise_is_not_planned_ahead(incoming: list[Incoming]) -> None:
    assert ahead(*incoming) is None
