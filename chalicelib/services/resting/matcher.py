"""What a price does to the orders that wait for it.

They are committed as fired, then their messages are sent.

A message that gets lost in between is sent again by ``resend``; one that arrives twice is one too many for
the claim. So nothing here has to succeed but the statement that fires.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.triggers import CONFIRMATIONS_MAX
from chalicelib.domain.watches import DirectedPair, Fired, SeenPrice, held
from chalicelib.logs import logger
from chalicelib.services.isolation import one_by_one
from chalicelib.services.ports import OrderQueue, QueueMessage
from chalicelib.services.resting.launching import NO_OPENINGS, seen_launches
from chalicelib.services.resting.ports import ArmedPair, Openings, Watches
from chalicelib.services.resting.prices import Prices
from chalicelib.services.resting.seen_prices import (
    looked_at,
    marks_of,
    seen_marks,
    seen_rates,
    that_may_meet,
)
from chalicelib.services.resting.size_rates import SizeRates

FIRED_AT_ONCE: Final = 100
"""Of one price and one statement, at first: their messages are sent before more is fired."""

_GROWTH: Final = 4
_FIRED_AT_ONCE_MAX: Final = 3_200
# A crash may fire a hundred thousand stops, and each statement may look at all that are met to find the
# first.

GAP_BLOCKS_MAX: Final = 20
"""Looks further apart than this leave a gap in a mark's history: four seconds, at 200 ms a block."""

UNCLAIMED_FOR_MS: Final = 30_000
"""What fired so long ago and was not taken up has lost its message."""


@dataclass(frozen=True, slots=True)
class Matched:
    """What became of one look.

    Attributes:
        fired: How many watches are committed as fired.
        unsent: Of how many of them no message was sent for certain; ``resend`` finds them.
        without_mark: How many pairs have triggers that look at a mark, and none now.
    """

    fired: int = 0
    unsent: int = 0
    without_mark: int = 0

    def __add__(self, other: "Matched") -> "Matched":
        return Matched(
            self.fired + other.fired, self.unsent + other.unsent, self.without_mark + other.without_mark
        )


class Matcher:
    """Finds which resting orders are to be looked at, and tells the consumers.

    Args:
        message: Makes the queue's message of what fired.
        gap_max: How many blocks may lie between two looks at a mark that counts as having held.
        openings: Of pools, asked for only while orders wait for one.
        sizes: What sizes get, asked for only while stops wait for it; None to have them found by time alone.
    """

    def __init__(
        self,
        watches: Watches,
        queue: OrderQueue,
        message: Callable[[Fired], QueueMessage],
        *,
        gap_max: int = GAP_BLOCKS_MAX,
        limit: int = FIRED_AT_ONCE,
        openings: Openings = NO_OPENINGS,
        sizes: SizeRates | None = None,
    ) -> None:
        self._watches = watches
        self._queue = queue
        self._message = message
        self._gap_max = gap_max
        self._limit = limit
        self._openings = openings
        self._sizes = sizes

    def match(
        self,
        prices: Prices,
        changed: Collection[str] | None = None,
        *,
        armed: Sequence[ArmedPair] | None = None,
    ) -> Matched:
        """Fire what the prices meet. Safe to call again and from two places at once.

        Args:
            changed: The ids of the pools that changed; None to look at every pair for which something is
                armed.
            armed: For what something is, if that was asked a moment ago.

        Raises:
            RetryableError: The record is unreachable; what was fired until then is.
        """
        armed = looked_at(prices, self._watches.armed() if armed is None else armed, changed)
        if not armed:
            return Matched()
        # What limits wait for is known at once. Stops come before a second go at limits, of which there may
        # be many.
        limits = that_may_meet(seen_rates(prices, armed), armed)
        found, are_all = self._fired(limits, self._limit)
        wanted = {frozenset(one.pair) for one in armed if one.by_mark}
        marks = marks_of(prices, armed)
        found += Matched(without_mark=len(wanted - {frozenset(pair) for pair in marks}))
        met = that_may_meet(self._other_prices(prices, armed, marks), armed)
        met = met if are_all else [*limits, *met]
        return found + self._repeated(lambda limit: self._watches.fire(met, limit=limit)) if met else found

    def _other_prices(
        self, prices: Prices, armed: Sequence[ArmedPair], marks: Mapping[DirectedPair, Decimal]
    ) -> Sequence[SeenPrice]:
        """Return what triggers and sniper orders are compared with; the marks are noted for later looks."""
        others: list[SeenPrice] = []
        if marks:
            keep = CONFIRMATIONS_MAX + self._gap_max
            seen = self._watches.observe(prices.height, marks, keep=keep)
            stayed = {pair: held(ranges, marks[pair], gap_max=self._gap_max) for pair, ranges in seen.items()}
            others += seen_marks(prices.height, armed, stayed)
        if self._sizes is not None:
            for one in armed:
                others += self._sizes.seen(prices, one.pair, one.sizes) if one.sizes else ()
        launched = [one.pair for one in armed if one.by_launch]
        if launched:
            # Strangers make these pools: whatever is wrong with one, stops are not to miss their price.
            found = one_by_one([launched], lambda pairs: self._launched(prices, pairs), _log_defect)
            others += (each for some in found for each in some)
        return others

    def _launched(self, prices: Prices, pairs: Sequence[DirectedPair]) -> Sequence[SeenPrice]:
        return seen_launches(prices, pairs, self._openings.seen(pairs))

    def wake(self) -> Matched:
        """Fire what is due by time.

        Expiries, and orders that asked to be looked at again. Raises as ``match``.
        """
        return self._repeated(lambda limit: self._watches.wake(limit=limit))

    def resend(self, *, unclaimed_for_ms: int = UNCLAIMED_FOR_MS) -> Matched:
        """Send messages again of what fired and was not taken up, some at each look. Raises as ``match``.

        They are hardly ever lost, and wait in a queue that is behind: all of them again, every half minute,
        would be more than is consumed meanwhile, and it would never catch up. What the queue did not take is
        sent again as soon as before.
        """
        fired = self._watches.resend(unclaimed_for_ms=unclaimed_for_ms, limit=self._limit)
        unsent = self._send(fired) if fired else 0
        if fired and not unsent:
            self._watches.put_off(fired)
        return Matched(len(fired), unsent)

    def _fired(self, met: Sequence[SeenPrice], limit: int) -> tuple[Matched, bool]:
        """Fire once; return what became of it, and whether that was all."""
        fired = self._watches.fire(met, limit=limit) if met else ()
        return Matched(len(fired), self._send(fired) if fired else 0), len(fired) < limit

    def _repeated(self, ask: Callable[[int], Sequence[Fired]]) -> Matched:
        found, limit = Matched(), self._limit
        while fired := ask(limit):
            found += Matched(len(fired), self._send(fired))
            if len(fired) < limit:
                break
            limit = max(limit, min(limit * _GROWTH, _FIRED_AT_ONCE_MAX))
        return found

    def _send(self, fired: Sequence[Fired]) -> int:
        """Return how many messages may not be on the queue."""
        try:
            self._queue.send([self._message(one) for one in fired])
        except RetryableError as error:
            logger.warning("fired orders not announced", orders=len(fired), reason=error.message)
            return len(fired)
        return 0


def _log_defect(_: object, error: Exception) -> None:
    logger.error("defect", exc_info=error, doing="looking for new pools")
