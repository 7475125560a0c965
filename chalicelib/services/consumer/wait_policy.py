"""Whether it is worth waiting for the chain: it is not,
while most orders take longer than a consumer waits.
"""

import math
from typing import Final

from chalicelib.services.ports import Clock

# Of one order: a batch of ten makes up nine tenths of what is remembered.
_WEIGHT: Final = 0.2
# A longer wait for a few more delays ten orders each time; the others come back just as well.
_WORTH_IT: Final = 0.5
PROBE_INTERVAL_S: Final = 30.0
"""How long no consumer waits for a slow chain before one finds out whether it still is slow."""


class WaitPolicy:
    """Remembers, over invocations, how many orders the chain decided while a consumer waited for it.

    A consumer that waits in vain delays the orders behind its own, and its time is paid for; the queue
    brings the orders back just as well. A lost transaction now and then changes nothing.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._share = 1.0  # of those waited for, recent ones counting most
        self._waited_at_s = -math.inf

    def is_worth_waiting(self) -> bool:
        """Return whether to wait now: also, once in a while, if it was in vain the last times."""
        return self._share >= _WORTH_IT or self._now_s() - self._waited_at_s >= PROBE_INTERVAL_S

    def waited(self, *, decided: int, undecided: int) -> None:
        """Learn how many of the orders sent just before a wait were decided by its end,
        and how many were not.
        """
        number = decided + undecided
        if not number:
            return
        self._waited_at_s = self._now_s()
        # All of them at once: which was decided first says nothing.
        remembered = (1 - _WEIGHT) ** number
        self._share = remembered * self._share + (1 - remembered) * decided / number

    def _now_s(self) -> float:
        return self._clock.elapsed_s()
