"""What is known of one order's events: each once, in order, with a bounded memory of them."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from orderflow_client.models import OrderEventFrame

FINAL: Final = frozenset({"confirmed", "failed", "canceled", "expired"})
"""Statuses that nothing follows."""

KEPT_MAX: Final = 256
AHEAD_MAX: Final = 64


class History:
    """Events of one order, as frames bring them: doubled, late, and out of order.

    ``last_seq`` counts what came without a gap. Events behind a gap wait until it is filled. Only the newest
    ``KEPT_MAX`` are kept: an order that is amended all day has thousands, and REST has them all.
    """

    def __init__(self) -> None:
        self.last_seq = 0
        self._kept: deque[OrderEventFrame] = deque(maxlen=KEPT_MAX)
        self._ahead: dict[int, OrderEventFrame] = {}

    @property
    def last(self) -> OrderEventFrame | None:
        return self._kept[-1] if self._kept else None

    @property
    def is_final(self) -> bool:
        return self.last is not None and self.last.status in FINAL

    @property
    def has_gap(self) -> bool:
        """Return whether a later event came than the next one."""
        return bool(self._ahead)

    def add(self, event: OrderEventFrame) -> bool:
        """Take an event in; return whether anything new is known now."""
        if event.seq <= self.last_seq or event.seq in self._ahead:
            return False
        if event.seq > self.last_seq + 1:
            if len(self._ahead) >= AHEAD_MAX:
                return False
            self._ahead[event.seq] = event
            return True
        found: OrderEventFrame | None = event
        while found is not None:
            self._kept.append(found)
            self.last_seq = found.seq
            found = self._ahead.pop(self.last_seq + 1, None)
        return True

    def after(self, seq: int) -> Sequence[OrderEventFrame] | None:
        """Return the events after one, in order; None if the first of them is not kept any more."""
        if seq >= self.last_seq:
            return ()
        if self._kept[0].seq > seq + 1:
            return None
        return tuple(event for event in self._kept if event.seq > seq)
