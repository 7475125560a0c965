"""When prices are looked at: each second while something is armed, and hardly ever while nothing is."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from uuid import uuid4

import pytest

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.queue_messages import FiredMessage, ResumeMessage
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.domain.triggers import Direction
from chalicelib.domain.watches import DirectedPair, Watch
from chalicelib.routing.firm_quotes import WantedSwap
from chalicelib.services.ports import Offers
from chalicelib.services.resting.watcher import (
    ENDS_SOON_S,
    STAYS_FOR_LOOKS,
    SWAPS_LOOKS_MAX,
    SWAPS_LOOKS_PER_S,
    PriceWatcher,
)
from tests.fakes.consumer import ConsumerOnFakes
from tests.fakes.market import FakeVenue, a_pool
from tests.fakes.orders import NOON, an_order, changed

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


@pytest.mark.parametrize(
    ("fault", "told"), [(KeyError("planted"), "ERROR"), (RetryableError("down"), "WARNING")]
)
def test_prices_that_cannot_be_read_cost_no_order_and_are_told(
    fault: Exception, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    consumer = ConsumerOnFakes()
    consumer.execute(a_limit_order())
    consumer.venues[0] = Silent(fault)
    looks: list[Callable[[PriceWatcher], None]] = [
        lambda watcher: watcher.after_arming([]),
        lambda watcher: watcher.after_swaps({"pool"}),
        PriceWatcher.after_amendment,
    ]
    for look in looks:
        caplog.clear()
        look(consumer.price_watcher)
        assert [each.levelname for each in caplog.records] == [told]
    assert consumer.queue.messages == []


def test_stream_of_swaps_reads_prices_that_do_not_answer_no_more_often_than_others() -> None:
    consumer = ConsumerOnFakes()
    consumer.execute(a_limit_order())
    asked = count()

    class Counted(Silent):
        def offers(self, wanted: Sequence[WantedSwap]) -> Offers:
            next(asked)
            return super().offers(wanted)

    consumer.venues[0] = Counted(RetryableError("down"))
    for _ in range(2 * SWAPS_LOOKS_MAX):
        consumer.price_watcher.after_swaps({"pool"})
    assert next(asked) == SWAPS_LOOKS_MAX
    consumer.clock.sleep(1 / SWAPS_LOOKS_PER_S)
    for _ in range(2):
        consumer.price_watcher.after_swaps({"pool"})
    assert next(asked) == SWAPS_LOOKS_MAX + 2  # one of them is the count's own, above


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


def test_order_that_rests_fires_by_the_clock_and_after_an_amendment_without_a_swap() -> None:
    for look in (PriceWatcher.look, PriceWatcher.after_amendment):
        consumer, order = ConsumerOnFakes(), a_limit_order()
        consumer.execute(order)
        dearer(consumer)
        look(consumer.price_watcher)
        assert consumer.queue.messages == [FiredMessage(order_id=order.order_id, firing=1)]


def test_order_that_ends_before_looks_by_the_clock_must_have_begun_gets_a_message_for_its_end() -> None:
    consumer = ConsumerOnFakes()
    ends_in_s = {ENDS_SOON_S: None, ENDS_SOON_S - 0.5: 91, 60.0: 61, 9.2: 11, 0.0: 1, -5.0: 1}
    orders = {after_s: a_limit_order() for after_s in ends_in_s}
    at = consumer.clock.now()
    ends = [(order, at + timedelta(seconds=after_s)) for after_s, order in orders.items()]
    consumer.price_watcher.at_rest([*ends, (a_limit_order(), None)])
    soon = {after_s: delay_s for after_s, delay_s in ends_in_s.items() if delay_s is not None}
    assert consumer.queue.messages == [ResumeMessage(order_id=orders[after_s].order_id) for after_s in soon]
    assert [message.delay_s for message in consumer.queue.sent] == list(soon.values())


def test_order_rests_although_no_message_can_be_sent_for_its_end(caplog: pytest.LogCaptureFixture) -> None:
    consumer = ConsumerOnFakes()
    consumer.queue.is_down = True
    order = a_limit_order()
    consumer.price_watcher.at_rest([(order, consumer.clock.now() + timedelta(days=1)), (order, None)])
    assert caplog.records == []  # nothing was to be sent
    consumer.price_watcher.at_rest([(order, consumer.clock.now())])
    assert [each.levelname for each in caplog.records] == ["WARNING"]


def test_marks_are_missing_where_a_pair_that_a_trigger_waits_for_has_none() -> None:
    consumer = ConsumerOnFakes()
    watcher = consumer.price_watcher

    def armed(pair: DirectedPair, look: int) -> None:
        watch = Watch(uuid4(), pair, Direction.AT_MOST, look, Rate(1, 1_000), NOON)
        consumer.tables.watches.arm([watch])

    assert watcher.has_marks()
    armed(DirectedPair("SOL", "BONK"), 0)  # a limit looks at no mark
    assert watcher.has_marks()
    armed(DirectedPair("SOL", "USDC"), 2)
    armed(DirectedPair("USDC", "SOL"), 1)
    assert watcher.has_marks()
    armed(DirectedPair("SOL", "JUP"), 1)
    assert not watcher.has_marks()


def test_orders_whose_size_did_not_fit_wait_for_their_own_price_again_where_pools_changed() -> None:
    consumer, order, other = ConsumerOnFakes(), a_limit_order(), a_limit_order()
    consumer.execute(order, other)
    watches = consumer.tables.watches
    far = Rate.of(900, 1_000)
    for each, pair in ((order, DirectedPair("SOL", "USDC")), (other, DirectedPair("JUP", "BONK"))):
        row = watches.rows[each.order_id]
        row.watch = replace(row.watch, pair=pair, wake_rate=far)
    dearer(consumer)
    consumer.venues.append(FakeVenue(pools=[a_pool("another-pool", tokens=("JUP", "BONK"))]))
    assert consumer.price_watcher.look().fired == 0
    assert consumer.price_watcher.market_changed({"no-pool"}).fired == 0
    assert consumer.price_watcher.market_changed({"pool"}).fired == 1
    assert consumer.queue.messages == [FiredMessage(order_id=order.order_id, firing=1)]
    assert watches.rows[other.order_id].watch.wake_rate == far


def test_looks_go_on_for_a_while_after_what_fired_last_and_find_it_armed_again() -> None:
    consumer, order = ConsumerOnFakes(), a_limit_order()
    consumer.execute(order)
    watch = consumer.tables.watches.rows[order.order_id].watch
    dearer(consumer)
    before = consumer.clock.elapsed_s()
    assert consumer.price_watcher.run(30.0, lambda _: True).fired == 1
    assert round(consumer.clock.elapsed_s() - before) == STAYS_FOR_LOOKS + 1

    consumer.tables.watches.arm([watch])
    armed_at = [consumer.clock.elapsed_s() + STAYS_FOR_LOOKS]

    def has_time(_: float) -> bool:
        if armed_at and consumer.clock.elapsed_s() >= armed_at[0]:
            armed_at.clear()
            consumer.tables.watches.arm([watch])
        return True

    assert consumer.price_watcher.run(30.0, has_time).fired == 2


def test_look_that_fails_is_put_off_to_the_next_and_the_first_one_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    consumer, order = ConsumerOnFakes(), a_limit_order()
    consumer.execute(order)
    dearer(consumer)
    (venue,) = consumer.venues
    watches = consumer.tables.watches
    watches.is_down = True
    with pytest.raises(RetryableError):
        consumer.price_watcher.run(5.0, lambda _: True)
    watches.is_down = False
    consumer.venues[:] = [FakeVenue()]
    times = count()

    def has_time(seconds: float) -> bool:
        assert seconds == 2.0  # a look, and the second before it
        watches.is_down = (turn := next(times)) == 0
        if turn == 1:
            consumer.venues[:] = [venue]
        return True

    assert consumer.price_watcher.run(5.0, has_time).fired == 1
    assert [each.levelname for each in caplog.records] == ["WARNING"]
