"""The batch of a shard that is being gathered: how much it may hold, and when it leaves.

As Lambda does (https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html, "Batching
behavior"): when it is full, by number or by bytes, or when its window is over; the next window begins as soon
as the invocation has ended. Time is passed in, in seconds of any clock.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from chalice_offline.event_source.records import PAYLOAD_BYTES_MAX
from chalice_offline.json_text import encoded

# Of an event without records; a comma stands between two of them.
_ENVELOPE_BYTES: Final = len(encoded({"Records": []}))


class Record(NamedTuple):
    """One record: where it stands in its shard, and what a function gets of it."""

    sequence: str
    event: dict[str, Any]


class Gathering:
    """Records of one shard, in order, until they leave.

    Attributes:
        size_max: Records of a batch.
        window_s: How long a batch may wait to be full; 0: not at all. What nothing came in is followed by the
            next window.
        bytes_max: Of a batch's event; a record larger than that goes alone.
    """

    def __init__(
        self, *, size_max: int, window_s: float, now: float, bytes_max: int = PAYLOAD_BYTES_MAX
    ) -> None:
        self._size_max = size_max
        self._window_s = window_s
        self._bytes_max = bytes_max
        self._began = now
        self._waiting: deque[tuple[Record, int]] = deque()

    @property
    def room(self) -> int:
        """Return how many more records the batch may hold."""
        return self._size_max - len(self._waiting)

    def add(self, records: Sequence[Record], now: float) -> None:
        if not self._waiting and self._window_s:
            self._began += (now - self._began) // self._window_s * self._window_s
        self._waiting += ((record, len(encoded(record.event)) + 1) for record in records)

    def take(self, now: float, *, is_last: bool) -> list[Record]:
        """Return the batch that leaves now; none if nothing waits, or it is neither full nor its window over.

        Args:
            is_last: Nothing comes behind it.
        """
        count, total_bytes = 0, _ENVELOPE_BYTES - 1
        for _, record_bytes in self._waiting:
            total_bytes += record_bytes
            if count == self._size_max or (count and total_bytes > self._bytes_max):
                break
            count += 1
        is_full = count == self._size_max or total_bytes >= self._bytes_max
        if not (is_full or is_last or self._left_s(now) <= 0):
            return []
        return [self._waiting.popleft()[0] for _ in range(count)]

    def begin_window(self, now: float) -> None:
        """Begin the next window: the function has dealt with a batch."""
        self._began = now

    def pause_s(self, now: float) -> float | None:
        """Return how long what waits may wait; None if nothing does."""
        return max(0.0, self._left_s(now)) if self._waiting else None

    def _left_s(self, now: float) -> float:
        return self._began + self._window_s - now
