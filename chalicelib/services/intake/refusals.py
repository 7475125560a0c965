"""Counting what was refused before it was an order: by code, in memory, and now and then in the record.

An execution environment may be frozen at any moment and never asked again, so nothing is left for later by
itself: a refusal is written at once unless the last one was written a moment ago, and with it those since
then. A flood of refusals costs the record one statement every few seconds of each environment.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import Final, Protocol

from chalicelib.domain.errors import Code, RetryableError
from chalicelib.logs import logger
from chalicelib.services.ports import Clock

WRITTEN_EVERY: Final = timedelta(seconds=2)
AFTER_A_FAULT: Final = timedelta(seconds=30)


class RefusalTally(Protocol):
    def add(self, numbers: Mapping[str, int]) -> None:
        """Add refusals by code to those of the present minute. Raises ``RetryableError``."""
        ...


class CountRefusals:
    """Counts; whatever goes wrong here, the refused client's answer is the same."""

    def __init__(self, tally: RefusalTally, clock: Clock) -> None:
        self._tally = tally
        self._clock = clock
        self._lock = Lock()
        self._waiting: Counter[str] = Counter()
        self._not_before: datetime | None = None

    def count(self, code: Code, *, may_write: bool) -> None:
        """Count one refusal.

        Args:
            may_write: Whether the record may be asked now; not for a refusal that it may be the cause of.
        """
        with self._lock:
            self._waiting[code] += 1
            now = self._clock.now()
            if not may_write or (self._not_before is not None and now < self._not_before):
                return
            numbers, self._waiting = self._waiting, Counter()
            self._not_before = now + WRITTEN_EVERY
        try:
            self._tally.add(numbers)
        except RetryableError as fault:
            logger.warning("refusals not counted yet", reason=fault.message)
            with self._lock:
                self._waiting += numbers
                self._not_before = now + AFTER_A_FAULT
