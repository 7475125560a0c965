"""When prices are looked at: each second while something is armed, and hardly ever while nothing is."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.queue_messages import FiredMessage
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.routing.firm_quotes import WantedSwap
from chalicelib.services.ports import Offers
from chalicelib.services.resting.watcher import SWAPS_LOOKS_MAX, SWAPS_LOOKS_PER_S
from tests.fakes.consumer import ConsumerOnFakes
from tests.fakes.market import FakeVenue, a_pool
from tests.fakes.orders import an_order, changed

RESTING = Limit("210", Rate.of(210, 1_000))


def a_limit_order(limit: Limit = RESTING) -> Order:
    order = changed(
        an_order(), order_type=OrderType.LIMIT, slippage_bps=None, limit=limit, time_in_force=TimeInForce.GTC,
        valid_for_s=None,
    )  # fmt: skip
    return replace(order, valid_until=None)


def dearer(consumer: ConsumerOnFakes) -> None:
    consumer.venues[:] = [FakeVenue("raydium", [a_pool(reserves=(10**15, 3 * 10**14))])]


def test_nothing_is_read_of_the_market_while_nothing_is_armed() -> None:
    consumer = ConsumerOnFakes()
    consumer.price_watcher.look()
    consumer.price_watcher.after_swaps({"raydium-pool"})
    assert [venue.asked for venue in consumer.venues] == [0, 0]


def test_order_that_rests_fires_after_swaps_of_its_pools_alone() -> None:
    consumer, order = ConsumerOnFakes(), a_limit_order()
    consumer.execute(order)
    assert consumer.statuses(order) == (OrderStatus.PENDING, OrderStatus.OPEN)
    dearer(consumer)
    consumer.price_watcher.after_swaps({"another-pool"})
    assert consumer.queue.messages == []
    consumer.price_watcher.after_swaps({"pool"})
    assert consumer.queue.messages == [FiredMessage(order_id=order.order_id, firing=1)]


class MovedMeanwhile(FakeVenue):
    """A venue whose pool another consumer's swap moves, once it has been asked."""

    def offers(self, wanted: Sequence[WantedSwap]) -> Offers:
        shown = super().offers(wanted)
        self.offered = Offers([a_pool("raydium-pool", reserves=(10**15, 3 * 10**14))])
        return shown


def test_order_that_is_armed_after_the_look_at_a_swap_fires_for_it_all_the_same() -> None:
    consumer, order = ConsumerOnFakes(), a_limit_order()
    consumer.venues[0] = MovedMeanwhile("raydium")
    consumer.execute(order)
    assert consumer.statuses(order) == (OrderStatus.PENDING, OrderStatus.OPEN)
    assert consumer.queue.messages == [FiredMessage(order_id=order.order_id, firing=1)]


def test_arming_costs_a_read_of_the_prices_and_not_that_after_a_stream_of_swaps() -> None:
    consumer = ConsumerOnFakes()
    consumer.execute(a_limit_order())
    assert [venue.asked for venue in consumer.venues] == [2, 2]
    for _ in range(SWAPS_LOOKS_MAX):
        consumer.price_watcher.after_swaps({"another-pool"})
    before = [venue.asked for venue in consumer.venues]
    consumer.execute(a_limit_order())
    assert [venue.asked - had for venue, had in zip(consumer.venues, before, strict=True)] == [1, 1]


def test_order_that_is_armed_within_a_stream_of_swaps_is_looked_at_with_the_next_of_them() -> None:
    consumer, order = ConsumerOnFakes(), a_limit_order()
    consumer.execute(a_limit_order(Limit("900", Rate.of(900, 1_000))))
    for _ in range(SWAPS_LOOKS_MAX):
        consumer.price_watcher.after_swaps({"another-pool"})
    consumer.venues[0] = MovedMeanwhile("raydium")
    consumer.execute(order)
    assert consumer.queue.messages == []
    consumer.clock.sleep(1 / SWAPS_LOOKS_PER_S)
    consumer.price_watcher.after_swaps({"another-pool"})
    assert consumer.queue.messages == [FiredMessage(order_id=order.order_id, firing=1)]


class Silent(FakeVenue):
    """A venue that fails, though it looks as if it did not."""

    def __init__(self, how: Exception) -> None:
        super().__init__("raydium")
        self._how = how

    def offers(self, wanted: Sequence[WantedSwap]) -> Offers:
        del wanted
        raise self._how


@pytest.mark.parametrize("fault", [KeyError("planted"), RetryableError("down")])
def test_prices_that_cannot_be_read_after_arming_cost_no_order(fault: Exception) -> None:
    consumer = ConsumerOnFakes()
    consumer.venues[0] = Silent(fault)
    consumer.price_watcher.after_arming([])
    assert consumer.queue.messages == []


def test_stream_of_swaps_is_looked_at_a_few_times_a_second_and_then_for_all_that_they_moved() -> None:
    consumer, order = ConsumerOnFakes(), a_limit_order()
    consumer.execute(order)
    for _ in range(SWAPS_LOOKS_MAX):
        consumer.price_watcher.after_swaps({"another-pool"})
    dearer(consumer)
    consumer.price_watcher.after_swaps({"pool"})
    assert consumer.queue.messages == []
    consumer.clock.sleep(1 / SWAPS_LOOKS_PER_S)
    consumer.price_watcher.after_swaps({"another-pool"})
    assert consumer.queue.messages == [FiredMessage(order_id=order.order_id, firing=1)]


def test_looks_go_on_while_nothing_is_armed_where_that_is_wanted() -> None:
    consumer = ConsumerOnFakes()
    before = consumer.clock.now()
    consumer.price_watcher.run(5.0, lambda _: True)
    assert (consumer.clock.now() - before).total_seconds() < 1
    consumer.price_watcher.run(5.0, lambda _: True, when_idle=True)
    assert (consumer.clock.now() - before).total_seconds() > 3.9


def test_market_is_looked_at_each_second_while_something_is_armed_and_time_is_left() -> None:
    consumer = ConsumerOnFakes()
    consumer.execute(a_limit_order())
    before = consumer.clock.now()
    consumer.price_watcher.run(5.0, lambda _: True)
    assert 3.9 < (consumer.clock.now() - before).total_seconds() < 5
    before = consumer.clock.now()
    consumer.price_watcher.run(5.0, lambda _: False)
    assert (consumer.clock.now() - before).total_seconds() < 1
