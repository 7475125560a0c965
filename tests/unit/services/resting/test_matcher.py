"""The matcher.

On recorded paths, order by order, it fires what a loop over all orders says, when it says so.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from random import Random
from uuid import UUID, uuid4

import pytest

from chalicelib.domain.launches import Opening, SeenOpenings
from chalicelib.domain.order_sizes import size_look
from chalicelib.domain.rates import Rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.triggers import Direction
from chalicelib.domain.watches import BY_LAUNCH, DirectedPair, Fired, SeenPrice, Watch, moment_rate
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.ports import QueueMessage
from chalicelib.services.resting.launching import NO_OPENINGS
from chalicelib.services.resting.matcher import Matched, Matcher
from chalicelib.services.resting.ports import ArmedSize, Openings
from chalicelib.services.resting.prices import Prices
from chalicelib.services.resting.size_rates import SizeRates
from tests.fakes.orders import NOON
from tests.fakes.ports import FakeQueue, SteppingClock
from tests.fakes.watches import MemoryWatches
from tests.support.price_paths import a_path, an_order_that_waits, first_fires, prices_at
from tests.unit.routing.markets import a_cpmm

PAIR = DirectedPair("BASE", "QUOTE")


class OneSize(SizeRates):
    """What one size gets, whatever the market is."""

    def __init__(self, look: int, rate: Rate) -> None:
        self._look, self._rate = look, rate

    def seen(self, prices: Prices, pair: DirectedPair, sizes: Sequence[ArmedSize]) -> Sequence[SeenPrice]:
        assert [each.look for each in sizes] == [self._look]
        return [SeenPrice(pair, Direction.AT_MOST, self._look, self._rate, prices.height, prices.height)]


class Trial:
    """A matcher on fakes."""

    def __init__(
        self,
        *,
        gap_max: int = 3,
        limit: int = 100,
        openings: Openings = NO_OPENINGS,
        sizes: OneSize | None = None,
    ) -> None:
        self._clock, self._passed = SteppingClock(), timedelta()
        self.watches = MemoryWatches(lambda: self._clock.now() + self._passed)
        self.queue = FakeQueue()
        self.matcher = Matcher(
            self.watches,
            self.queue,
            _message,
            gap_max=gap_max,
            limit=limit,
            openings=openings,
            sizes=sizes,
        )

    def pass_a_minute(self) -> None:
        self._passed += timedelta(minutes=1)

    def armed(self, rate: Rate, *, look: int = 0, direction: Direction = Direction.AT_LEAST) -> UUID:
        watch = Watch(uuid4(), PAIR, direction, look, rate, NOON)
        self.watches.arm([watch])
        return watch.order_id

    @property
    def sent(self) -> list[UUID]:
        """The orders that messages are about."""
        return [UUID(message.body) for message in self.queue.sent]

    def at(self, price: int, height: int = 100) -> Matched:
        return self.matcher.match(at_price(price, height))


def _message(fired: Fired) -> QueueMessage:
    return QueueMessage(str(fired.order_id), fired.account_id)


def at_price(price: int, height: int = 100) -> Prices:
    state = a_cpmm(10**12, price * 10**12, fee_rate=0)
    return Prices([RoutablePool("pool", "venue", PAIR, state)], 0, 0, height)


@pytest.mark.parametrize("seed", range(60))
def test_orders_fire_on_recorded_paths_when_a_loop_over_all_of_them_says_so(seed: int) -> None:
    random = Random(seed)
    gap_max = random.choice([1, 2, 5])
    path = a_path(random, looks=40, gap_max=gap_max)
    trial = Trial(gap_max=gap_max)
    waiting = [an_order_that_waits(random, uuid4(), path) for _ in range(60)]
    trial.watches.arm(waiting)
    expected = first_fires(waiting, path, gap_max=gap_max)
    assert expected
    fired: dict[UUID, int] = {}
    for place, look in enumerate(path):
        trial.queue.sent.clear()
        trial.matcher.match(prices_at(look))
        fired |= dict.fromkeys(trial.sent, place)
    assert fired == expected


def test_spike_of_one_block_fires_nothing_that_wants_two() -> None:
    trial = Trial()
    stop = trial.armed(Rate(5, 1), look=2, direction=Direction.AT_MOST)
    for height, price in ((100, 9), (101, 4), (102, 9), (103, 9)):
        trial.at(price, height)
    assert trial.sent == []
    trial.at(5, 104)
    trial.at(5, 105)
    assert trial.sent == [stop]


def test_gap_makes_confirmations_start_anew() -> None:
    trial = Trial(gap_max=3)
    stop = trial.armed(Rate(5, 1), look=2, direction=Direction.AT_MOST)
    trial.at(4, 100)
    assert trial.at(4, 104) == Matched()
    assert trial.at(4, 105) == Matched(fired=1)
    assert trial.sent == [stop]


def test_pair_without_a_mark_fires_nothing_and_is_counted() -> None:
    trial = Trial()
    trial.armed(Rate(5, 1), look=1, direction=Direction.AT_MOST)
    assert trial.matcher.match(Prices([], 0, 0, 100)) == Matched(without_mark=1)
    assert trial.sent == []


class BrokenOpenings:
    def seen(self, pairs: Collection[DirectedPair]) -> SeenOpenings:
        raise OverflowError(f"planted, for {pairs}")


def test_defect_over_new_pools_keeps_no_stop_from_firing() -> None:
    trial = Trial(openings=BrokenOpenings())
    stop = trial.armed(Rate(5, 1), look=1, direction=Direction.AT_MOST)
    trial.armed(Rate(1, 1), look=BY_LAUNCH)
    assert trial.at(4) == Matched(fired=1)
    assert trial.sent == [stop]


class Opened:
    """A pool that opened a second after noon."""

    def seen(self, pairs: Collection[DirectedPair]) -> SeenOpenings:
        assert pairs == [PAIR]
        return SeenOpenings(100, {"pool": Opening(100, NOON + timedelta(seconds=1))})


def test_pool_that_opens_fires_the_sniper_orders_that_were_there_before_and_no_later_ones() -> None:
    trial = Trial(openings=Opened())
    before = trial.armed(moment_rate(NOON), look=BY_LAUNCH)
    trial.armed(moment_rate(NOON + timedelta(seconds=2)), look=BY_LAUNCH)
    assert trial.at(4) == Matched(fired=1)
    assert trial.sent == [before]


def test_stop_by_what_its_size_gets_fires_at_that_rate_and_not_at_the_mark() -> None:
    look = size_look(SwapMode.EXACT_IN, 1_000)
    trial = Trial(sizes=OneSize(look, Rate(4, 1)))
    met = trial.armed(Rate(5, 1), look=look, direction=Direction.AT_MOST)
    trial.armed(Rate(3, 1), look=look, direction=Direction.AT_MOST)
    assert trial.at(9) == Matched(fired=1)
    assert trial.sent == [met]


def test_change_elsewhere_is_not_looked_at() -> None:
    trial = Trial()
    trial.armed(Rate(1, 1))
    assert trial.matcher.match(at_price(9), changed=["another"]) == Matched()
    assert trial.matcher.match(at_price(9), changed=["pool"]) == Matched(fired=1)


def test_market_without_resting_orders_is_not_computed() -> None:
    pool = RoutablePool("pool", "venue", PAIR, None)  # type: ignore[arg-type]  # any look at it would fail
    assert Trial().matcher.match(Prices([pool], 0, 0, 100)) == Matched()


def test_more_than_fire_at_once_fire_one_after_the_other() -> None:
    trial = Trial(limit=3)
    armed = [trial.armed(Rate(price, 1)) for price in range(1, 9)]
    assert trial.at(8) == Matched(fired=8)
    assert trial.sent == armed


def test_lost_messages_are_counted_and_sent_again() -> None:
    trial = Trial()
    order_id = trial.armed(Rate(1, 1))
    trial.queue.is_down = True
    assert trial.at(2) == Matched(fired=1, unsent=1)
    trial.queue.is_down = False
    assert trial.matcher.resend(unclaimed_for_ms=0) == Matched(fired=1)
    assert trial.sent == [order_id]


def test_what_the_queue_refuses_is_sent_as_soon_as_it_takes_messages_again() -> None:
    """However long it was down: a stop that has fired is not to wait for as long once more."""
    trial = Trial()
    order_id = trial.armed(Rate(1, 1))
    trial.queue.is_down = True
    assert trial.at(2) == Matched(fired=1, unsent=1)
    for _ in range(40):
        trial.pass_a_minute()
        assert trial.matcher.resend() == Matched(fired=1, unsent=1)
    trial.queue.is_down = False
    trial.pass_a_minute()
    assert trial.matcher.resend() == Matched(fired=1)
    assert trial.sent == [order_id]


def test_messages_that_are_not_taken_up_are_sent_again_ever_more_rarely() -> None:
    """Each half minute anew, and a queue that is behind would never catch up."""
    trial = Trial()
    trial.armed(Rate(1, 1))
    assert trial.at(2) == Matched(fired=1)
    again = []
    for minute in range(1, 16):
        trial.pass_a_minute()
        again += [minute] * trial.matcher.resend().fired
    assert again == [1, 3, 7, 15]


def test_messages_that_are_lost_are_counted_of_each_time_that_some_fire() -> None:
    trial = Trial(limit=2)
    due = [Watch(uuid4(), PAIR, Direction.AT_LEAST, 0, Rate(9, 1), NOON, wake_at=NOON) for _ in range(3)]
    trial.watches.arm(due)
    trial.queue.is_down = True
    assert trial.matcher.wake() == Matched(fired=3, unsent=3)


def test_messages_that_may_wait_in_a_queue_that_is_behind_are_sent_again_a_part_at_a_look() -> None:
    """All of them each time, faster than they are consumed, and the queue would grow for as long as it is."""
    trial = Trial(limit=3)
    armed = [trial.armed(Rate(price, 1)) for price in range(1, 9)]
    assert trial.at(8) == Matched(fired=8)
    trial.queue.sent.clear()
    # Those that were sent longest ago come first.
    assert [trial.matcher.resend(unclaimed_for_ms=0).fired for _ in range(2)] == [3, 3]
    assert trial.sent == armed[:6]


def test_what_is_due_fires_by_time() -> None:
    trial = Trial()
    watch = Watch(uuid4(), PAIR, Direction.AT_LEAST, 0, Rate(9, 1), NOON, wake_at=NOON)
    trial.watches.arm([watch])
    assert trial.matcher.wake() == Matched(fired=1)
    assert trial.sent == [watch.order_id]
