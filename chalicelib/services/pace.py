"""Whether it is worth waiting for the chain: it is not, while it takes longer than anybody waits."""

from typing import Final

from chalicelib.services.ports import Clock

_WEIGHT: Final = 0.2
_HOPELESS: Final = 0.2
PROBE_INTERVAL_S: Final = 30.0
"""How long nobody waits for a slow chain before somebody finds out whether it still is."""


class Pace:
    """Remembers, over invocations, how many orders the chain decided while somebody waited for it.

    A consumer that waits in vain holds up the orders behind its own, and its time is paid for; the queue
    brings the orders back just as well. A lost transaction now and then changes nothing.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._share = 1.0  # of those waited for, recent ones counting most
        self._waited_at_s = 0.0

    def is_worth_waiting(self) -> bool:
        """Return whether to wait now: also, once in a while, if it was in vain the last times."""
        return self._share >= _HOPELESS or self._now_s() - self._waited_at_s >= PROBE_INTERVAL_S

    def waited(self, *, decided: int, undecided: int) -> None:
        """Learn how many of the orders sent just before a wait were decided by its end, and how many were not."""
        if decided or undecided:
            self._waited_at_s = self._now_s()
        for outcome in (0.0,) * undecided + (1.0,) * decided:
            self._share += _WEIGHT * (outcome - self._share)

    def _now_s(self) -> float:
        return self._clock.now().timestamp()
