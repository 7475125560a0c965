"""Which consumers run: each execution environment tells it now and then, once its batch is done.

Nothing else knows it everywhere: SQS counts messages, not who takes them, and Lambda tells CloudWatch alone.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from chalicelib.services.ports import Clock

TOLD_EVERY: Final = timedelta(seconds=15)


class ConsumerNotes(Protocol):
    def note(self, consumer_id: UUID, oldest_ms: int) -> None:
        """Note that a consumer took messages, the oldest of them so old. Raises ``RetryableError``."""
        ...


class TellPresence:
    """Of one environment: every so often, and then of all batches since."""

    def __init__(self, notes: ConsumerNotes, clock: Clock, consumer_id: UUID) -> None:
        self._notes = notes
        self._clock = clock
        self._consumer_id = consumer_id
        self._oldest_ms = 0
        self._not_before: datetime | None = None

    def took(self, sent_ms: Iterable[int]) -> None:
        """Note a batch.

        Args:
            sent_ms: When each of its messages was sent, in milliseconds since 1970, by SQS's clock.

        Raises:
            RetryableError: The record is unreachable; what was not told is told with a later batch.
        """
        now = self._clock.now()
        now_ms = int(now.timestamp() * 1000)
        self._oldest_ms = max([self._oldest_ms, *(now_ms - each for each in sent_ms)])
        if self._not_before is not None and now < self._not_before:
            return
        self._not_before = now + TOLD_EVERY
        self._notes.note(self._consumer_id, self._oldest_ms)
        self._oldest_ms = 0
