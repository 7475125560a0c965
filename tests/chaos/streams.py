"""What one client has seen of its orders, and whether that is one whole story each."""

from collections.abc import Iterator
from typing import Any, Final

Frame = dict[str, Any]

FINAL: Final = frozenset({"confirmed", "failed", "canceled", "expired"})


class Streams:
    """The events of each accepted order by number; frames may repeat, and arrive in any order."""

    def __init__(self) -> None:
        self._events: dict[str, dict[int, Frame]] = {}
        self._conflicts: list[str] = []

    def accepted(self, order_id: str) -> None:
        self._events.setdefault(order_id, {})

    def saw(self, frame: Frame) -> None:
        """Take an order frame in; the same number again must say the same."""
        events = self._events.setdefault(frame["orderId"], {})
        known = events.setdefault(frame["seq"], frame)
        if known != frame:
            differing = sorted(name for name in known.keys() | frame if known.get(name) != frame.get(name))
            found = f"event {frame['seq']} came with two contents, by {', '.join(differing)}"
            self._conflicts.append(f"{frame['orderId']}: {found}")

    def whole_to(self, order_id: str) -> int:
        """Return the number up to which nothing is missing."""
        events, seq = self._events[order_id], 0
        while seq + 1 in events:
            seq += 1
        return seq

    def unfinished(self) -> list[str]:
        """Return the orders whose stream is not whole up to a final event."""
        return [order_id for order_id in self._events if not self._is_whole(order_id)]

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the streams, now that nothing more will come."""
        yield from self._conflicts
        for order_id, events in self._events.items():
            statuses = [events[seq]["status"] for seq in sorted(events)]
            if not self._is_whole(order_id):
                yield f"{order_id}: saw {sorted(events)}, {statuses}"
            elif sum(status in FINAL for status in statuses) != 1:
                yield f"{order_id}: ended more than once, {statuses}"

    @property
    def event_count(self) -> int:
        """How many different events have come. Safe while more come."""
        return sum(map(len, list(self._events.values())))

    def told(self) -> Iterator[tuple[str, str, list[Frame]]]:
        """Yield the id, the client's own id and the events of each order of which something was seen.

        Safe while more is seen: another thread may ask.
        """
        for order_id, events in list(self._events.items()):
            if events:
                in_order = [events[seq] for seq in sorted(events)]
                yield order_id, in_order[0]["clientOrderId"], in_order

    def __len__(self) -> int:
        return len(self._events)

    def _is_whole(self, order_id: str) -> bool:
        whole_to = self.whole_to(order_id)
        events = self._events[order_id]
        return whole_to == len(events) > 0 and events[whole_to]["status"] in FINAL
