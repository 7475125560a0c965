"""Looking up what was accepted a moment ago: it may be in the queue still, and not on record yet."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final, TypeVar

from chalicelib.domain.errors import NotFoundError
from chalicelib.services.ports import Clock

POLL_S: Final = 0.05

VAIN_WAIT_BURST_S: Final = 3.0
VAIN_WAIT_SHARE: Final = 0.05
"""What an account may wait in vain: so long at once, and this share of the time after that."""

ACCOUNTS_MAX: Final = 10_000
"""Accounts remembered per environment; an account that comes back after that many others starts afresh."""

Found = TypeVar("Found")


class WaitBudget:
    """How long an account's requests may wait for what is not there yet, in one execution environment.

    A request that waits holds an environment that the requests of other accounts need, and ids of no order
    cost nothing to invent. A wait that ends well is free. What was waited in vain is taken from the account's
    budget: while it has none, its requests get the answer of the first look. An order of another account is
    waited for like one that does not exist.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # By account: the seconds left, below zero after waits side by side, and when that was.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def wait(self, account_id: str, look: Callable[[], Found | None], *, limit_s: float) -> Found | None:
        """Return what ``look`` finds, asking again for a little while; None if that is nothing."""
        found = look()
        if found is not None or not self.has_some(account_id):
            return found
        waited_s = 0.0
        while found is None and waited_s < limit_s:
            self._clock.sleep(POLL_S)
            waited_s += POLL_S
            found = look()
        if found is None:
            self._take(account_id, waited_s)
        return found

    def has_some(self, account_id: str) -> bool:
        """Return whether a request of the account would be waited for now."""
        with self._lock:
            return self._now(account_id)[0] > 0

    def _take(self, account_id: str, seconds: float) -> None:
        with self._lock:
            left, now_s = self._now(account_id)
            self._left[account_id] = (left - seconds, now_s)
            self._left.move_to_end(account_id)
            if len(self._left) > ACCOUNTS_MAX:
                self._left.popitem(last=False)

    def _now(self, account_id: str) -> tuple[float, float]:
        now_s = self._clock.elapsed_s()
        left, at_s = self._left.get(account_id, (VAIN_WAIT_BURST_S, now_s))
        return min(VAIN_WAIT_BURST_S, left + (now_s - at_s) * VAIN_WAIT_SHARE), now_s


def found_in_time(
    look: Callable[[], Found | None], wait_budget: WaitBudget, account_id: str, *, wait_s: float
) -> Found:
    """Return what ``look`` finds, asking again for as long as the account may wait.

    Raises:
        NotFoundError: Nothing was found in that time.
    """
    found = wait_budget.wait(account_id, look, limit_s=wait_s)
    if found is None:
        raise NotFoundError
    return found
