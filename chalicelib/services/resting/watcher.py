"""Looking at the prices: after our own swaps, after market commands, and each second while anything waits."""

import math
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Final

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.queue_messages import FiredMessage, ResumeMessage
from chalicelib.domain.watches import Fired
from chalicelib.logs import logger
from chalicelib.routing.marginal import touched_pairs
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.ports import Clock, OrderQueue, QueueMessage
from chalicelib.services.resting.matcher import Matched, Matcher
from chalicelib.services.resting.ports import PriceReader, Watches
from chalicelib.services.resting.seen_prices import marks_of
from chalicelib.wire.queue_messages import render_message

LOOK_EVERY_S: Final = 1.0

SWAPS_LOOKS_PER_S: Final = 1
SWAPS_LOOKS_MAX: Final = 5
"""At swaps of ours, for each process: single ones are looked at at once, a stream of them so often.

The looks by the clock see the same, and five processes would look more often than they do.
"""

STAYS_FOR_LOOKS: Final = 5
"""What has just fired is armed again if it was looked at in vain.

A run of looks is not over before that shows.
"""

ENDS_SOON_S: Final = 90.0
"""An order that ends sooner has a message for it; by then the looks by the clock have begun."""


def fired_message(fired: Fired) -> QueueMessage:
    """Return the message that brings an order back whose watch has fired."""
    message = FiredMessage(order_id=fired.order_id, firing=fired.firing)
    return QueueMessage(render_message(message), fired.account_id)


class PriceWatcher:
    """Reads prices where that may change something, and has them matched. Safe to share between threads."""

    def __init__(
        self, prices: PriceReader, matcher: Matcher, watches: Watches, queue: OrderQueue, clock: Clock
    ) -> None:
        self._prices = prices
        self._matcher = matcher
        self._watches = watches
        self._queue = queue
        self._clock = clock
        self._unlooked: frozenset[str] = frozenset()
        self._looks_left: float = SWAPS_LOOKS_MAX
        self._counted_at_s = -math.inf

    def after_swaps(self, pool_ids: Collection[str]) -> None:
        """Look at what swaps of ours moved; best effort, since the next look by the clock finds the same.

        Costs one small question where nothing is armed. The answer is not kept: what was armed a moment ago
        may be met by just these swaps, and the looks by the clock may not have begun.

        Where something is armed, a stream of swaps is looked at once a second, and then for all that they
        moved: one look sees what ten would have seen, and costs as much as each of them.
        """
        self._unlooked = self._unlooked.union(pool_ids)
        if self._unlooked and self._may_look():
            changed, self._unlooked = self._unlooked, frozenset()
            if self._match(changed):
                self._looks_left -= 1

    def _may_look(self) -> bool:
        now_s = self._now_s()
        gained = (now_s - self._counted_at_s) * SWAPS_LOOKS_PER_S
        self._looks_left = min(SWAPS_LOOKS_MAX, self._looks_left + gained)
        self._counted_at_s = now_s
        return self._looks_left >= 1

    def after_arming(self, planned_on: Iterable[RoutablePool]) -> None:
        """Look at what has moved since some orders were planned which are armed by now; best effort likewise.

        Another consumer's swap may lie between the two, and its look may have come before they were armed:
        one of both sees the other, since each looks after its commit. Where nothing has moved, as nearly
        always, it costs a read of the prices.
        """
        before = {pool.pool_id: pool.state for pool in planned_on}
        if not self._may_look():
            # With what the stream moves next, or by the clock, whichever is first.
            self._unlooked = self._unlooked.union(before)
            return
        try:
            # What is as it was is mostly the same object.
            moved = [
                each.pool_id for each in self._prices.read().pools if before.get(each.pool_id) != each.state
            ]
        except RetryableError as fault:
            logger.warning("prices not read", reason=fault.message)
            return
        except Exception as error:  # noqa: BLE001  # no order of the batch may fail for it
            logger.error("defect", exc_info=error, doing="reading prices")
            return
        if moved:
            self.after_swaps(moved)

    def after_amendment(self) -> None:
        """Look at all prices, since they may be on an amended order's side already; best effort likewise."""
        self._match(None)

    def _match(self, pool_ids: Collection[str] | None) -> bool:
        """Return whether there was anything to look for."""
        try:
            armed = self._watches.armed()
            if armed:
                self._matcher.match(self._prices.read(), pool_ids, armed=armed)
            return bool(armed)
        except RetryableError as fault:
            logger.warning("prices not matched", reason=fault.message)
        except Exception as error:  # noqa: BLE001  # no order that was executed may fail for it
            logger.error("defect", exc_info=error, doing="matching prices")
        return True

    def at_rest(self, orders: Collection[tuple[Order, datetime | None]]) -> None:
        """Have orders looked at that end, or are to be looked at again, within a minute or so.

        The looks by the clock may not have begun. Best effort: what is lost here, they find.

        Args:
            orders: Each with the moment.
        """
        now = self._clock.now()
        ends = [(order, at - now) for order, at in orders if at is not None]
        messages = [
            QueueMessage(
                render_message(ResumeMessage(order_id=order.order_id)),
                order.account_id,
                delay_s=max(0, math.ceil(left.total_seconds())) + 1,
            )
            for order, left in ends
            if left.total_seconds() < ENDS_SOON_S
        ]
        try:
            if messages:
                self._queue.send(messages)
        except RetryableError as fault:
            logger.warning("ends not announced", orders=len(messages), reason=fault.message)

    def has_marks(self) -> bool:
        """Return whether every mark that triggers wait for can be seen now.

        Raises:
            RetryableError: The record or the prices are out of reach.
        """
        armed = [pair for pair in self._watches.armed() if pair.by_mark]
        if not armed:
            return True
        marks = marks_of(self._prices.read(), armed)
        return {frozenset(one.pair) for one in armed} == {frozenset(pair) for pair in marks}

    def look(self) -> Matched:
        """Look at all prices once, wake what is due, and send again what got lost.

        Raises:
            RetryableError: The record or the prices are out of reach; what was fired until then is.
        """
        found = self._matcher.wake() + self._matcher.resend()
        armed = self._watches.armed()
        if armed:
            found += self._matcher.match(self._prices.read(), armed=armed)
        return found

    def market_changed(self, pool_ids: Collection[str]) -> Matched:
        """Look at pools that were opened, closed or given other liquidity: sizes may fit that did not.

        Raises as ``look``.
        """
        prices = self._prices.read()
        tokens = {pool.tokens for pool in prices.pools if pool.pool_id in pool_ids}
        touched = touched_pairs(prices.pools, tokens)
        armed = self._watches.armed()
        pairs = [one.pair for one in armed if one.pair in touched]
        if pairs and self._watches.forget_wake_rates(pairs):
            armed = self._watches.armed()
        return self._matcher.match(prices, pool_ids, armed=armed)

    def run(self, seconds: float, has_time: Callable[[float], bool], *, when_idle: bool = False) -> Matched:
        """Look each second for as long as anything is armed, and return what became of all looks.

        Args:
            has_time: Whether there are so many seconds left.
            when_idle: Go on while nothing is armed: the first order that is, is looked at at once.

        Raises as ``look``, from the first look; a later one that fails is put off to the next.
        """
        ends_at = self._now_s() + seconds
        found = latest = self.look()
        idle_looks = STAYS_FOR_LOOKS
        while self._now_s() + LOOK_EVERY_S < ends_at and has_time(2 * LOOK_EVERY_S):
            is_busy = when_idle or latest.fired or self._watches_something()
            idle_looks = 0 if is_busy else idle_looks + 1
            if idle_looks > STAYS_FOR_LOOKS:
                break
            self._clock.sleep(LOOK_EVERY_S)
            try:
                latest = self.look()
            except RetryableError as fault:
                logger.warning("look put off", reason=fault.message)
                continue
            found += latest
        return found

    def _watches_something(self) -> bool:
        try:
            return bool(self._watches.armed())
        except RetryableError:
            return True

    def _now_s(self) -> float:
        return self._clock.elapsed_s()
