"""What plans of this process came to, for its landings: they carry out the same swaps on the same states.

A swap is a function of a pool's state and of what is asked of it, time included, and of nothing else. So a
swap that is known for the very same two is known for good: what moves the pool in between makes it another
state.
"""

from collections.abc import Sequence
from typing import Final

from chalicelib.amm.pools import Pool
from chalicelib.routing.plan import AskedSwap, ForeseenSwap

KEPT_MAX: Final = 256
"""A batch of orders makes a few dozen. What is never carried out, as of a preview, is forgotten with them."""


class ForeseenSwaps:
    """Swaps by the state that they start from; safe to share between threads."""

    def __init__(self) -> None:
        # By the object's id: as long as it is kept here, no other object has that.
        self._kept: dict[int, ForeseenSwap] = {}

    def note(self, swaps: Sequence[ForeseenSwap]) -> None:
        """Keep the swaps of one plan."""
        if len(self._kept) + len(swaps) > KEPT_MAX:
            self._kept.clear()
        for swap in swaps:
            self._kept[id(swap.before)] = swap

    def take(self, state: Pool, asked: AskedSwap) -> ForeseenSwap | None:
        """Return what a swap comes to, if just this one was planned on just this state; it is told once."""
        known = self._kept.pop(id(state), None)
        if known is None or known.before is not state or known.asked != asked:
            return None
        return known
