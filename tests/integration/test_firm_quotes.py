"""The consumer with a market maker among its venues."""

from fractions import Fraction

import pytest

from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.planning.venues import QuoteCollector
from tests.fakes.market_maker import FakeMaker
from tests.fakes.orders import VIEWS, terms
from tests.integration.consumer import Consumer


@pytest.fixture
def maker(consumer: Consumer) -> FakeMaker:
    """A maker beside the venues of the simulated market, before anything is wired to those alone."""
    services = consumer.services
    maker = FakeMaker({}, now=services.clock.now())
    venues = [*services.market.venues, maker]
    collector = QuoteCollector(
        venues, services.clients.executor, services.clock, time_limit_ms=1_000, valid_ms=2_000
    )
    vars(services.market)["quote_collector"] = collector
    return maker


def test_maker_is_asked_for_each_order_of_a_batch_once(consumer: Consumer, maker: FakeMaker) -> None:
    maker.rates = {("SOL", "USDC"): Fraction(1, 10**6)}  # worse than any pool
    amounts = [10**8 * n for n in range(1, 4)]
    orders = [consumer.services.submit_orders.submit(terms(amount_units=each), "local") for each in amounts]
    consumer.run()
    assert sorted(asked.amount for asked in maker.asked) == amounts
    assert {consumer.status(order.order_id) for order in orders} == {OrderStatus.CONFIRMED}


def test_quote_that_the_chain_does_not_know_moves_nothing_and_its_order_is_planned_anew(
    consumer: Consumer, maker: FakeMaker
) -> None:
    services = consumer.services
    maker.rates = {("SOL", "USDC"): Fraction(10)}
    promised = services.submit_orders.submit(terms(), "local")
    consumer.run()
    view = services.queries.find("local", promised.order_id)
    assert view is not None
    assert (view.state.status, view.state.attempt) == (OrderStatus.ROUTING, 2)
    assert VIEWS.fields(view.last_event)["reason"] == "the chain refused the transaction"
