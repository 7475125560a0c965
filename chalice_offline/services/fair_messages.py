"""The messages of a standard queue, received fairly: a group with
a backlog does not delay the others' messages.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
"""

import copy
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from heapq import heapify, heappop, heappush
from itertools import count
from threading import RLock
from typing import Any, Final

Message = dict[str, Any]
"""As MiniStack keeps one; ``visible_at`` is a moment of Unix time, ``group_id`` may be None."""

# Heaps keep what is out of date until it comes up, or until it is more than what counts, and this.
_STALE_MAX: Final = 64

_SET_BACK_S: Final = 60.0
"""By less a clock is corrected without a word, and no message is late by more for it."""


class _Entry:
    __slots__ = ("group", "is_in_flight", "is_waiting", "message", "number")

    def __init__(self, message: Message, number: int) -> None:
        self.message = message
        self.number = number
        self.group: str | None = message["group_id"]
        self.is_waiting = False
        self.is_in_flight = False


class _Group:
    __slots__ = ("in_flight", "offered", "turn", "waiting")

    def __init__(self, turn: int) -> None:
        self.waiting: list[tuple[int, _Entry]] = []
        self.in_flight = 0
        # When it was served last: of groups with as many in flight, the one that has waited longest is next.
        self.turn = turn
        self.offered: tuple[int, int] | None = None

    def first(self) -> _Entry | None:
        """Return the oldest message that waits."""
        while self.waiting and not self.waiting[0][1].is_waiting:
            heappop(self.waiting)
        return self.waiting[0][1] if self.waiting else None


_Turn = tuple[int, int, str | None]
"""Where a group stood when it was offered: its messages in flight, its turn, and its name."""


class FairMessages:
    """Takes the place of MiniStack's list of a queue's messages, whose every call looks at all of them.

    A receive takes each message from the group that has the fewest in flight, a group's own in the order in
    which they were sent. SQS promises no order either, only that quiet groups go first. Messages without a
    group are one group. Receiving and deleting cost the logarithm of what the queue holds. Safe to share
    between threads: MiniStack's own event source mappings have some.
    """

    def __init__(
        self,
        messages: Iterable[Message] = (),
        *,
        prepare: Callable[[Message], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._prepare = prepare
        self._clock = clock
        self._lock = RLock()
        self._ticks = count(1)
        self._entries: dict[int, _Entry] = {}
        self._by_handle: dict[str, _Entry] = {}
        self._groups: dict[str | None, _Group] = {}
        self._turns: list[_Turn] = []
        self._hidden: list[tuple[float, int, _Entry]] = []
        self._returned: list[_Entry] = []
        self._visible = 0
        self._latest = 0.0
        self._listeners: list[Callable[[int], None]] = []
        for message in messages:
            self.append(message)

    def clear(self) -> None:
        """Remove every message."""
        with self._lock:
            for every in (self._entries, self._by_handle, self._groups):
                every.clear()
            for heap in (self._turns, self._hidden, self._returned):
                heap.clear()
            self._visible = 0

    def append(self, message: Message) -> None:
        """Add a message that was sent, or that another queue or a saved state had before."""
        self._prepare(message)
        with self._lock:
            entry = _Entry(message, next(self._ticks))
            self._entries[id(message)] = entry
            if message["receipt_handle"] is not None:
                self._by_handle[message["receipt_handle"]] = entry
            now = self._clock()
            # A clock that was set back is followed before: what is new tells its time already.
            self._wake(now)
            self._place(entry, now)

    def remove(self, message: Message) -> None:
        """Raises ``ValueError`` if the message is not there."""
        entry = self._entries.get(id(message))
        if entry is None:
            raise ValueError("no such message")
        self._drop(entry)

    def receive(self, most: int, now: float, mark: Callable[[Message], None]) -> list[Message]:
        """Return up to ``most`` visible messages; ``mark`` gives each its handle and hides it."""
        with self._lock:
            self._wake(now)
            received: list[Message] = []
            while len(received) < most and (found := self._next()) is not None:
                name, group, entry = found
                heappop(self._turns)
                group.offered = None
                received.append(self._given(entry, group, mark))
                # On to the next of the same group, as long as no other one stands before it.
                while len(received) < most and (next_entry := self._next_of(group)) is not None:
                    received.append(self._given(next_entry, group, mark))
                self._offer(name, group)
            return received

    def returned(self, now: float) -> list[Message]:
        """Return the messages that became visible again, undeleted, since this was asked last."""
        with self._lock:
            self._wake(now)
            found, self._returned = self._returned, []
            return [entry.message for entry in found if entry.is_waiting]

    def delete(self, handle: str) -> bool:
        """Remove what was received under this handle; False if there is no such message."""
        with self._lock:
            entry = self._by_handle.get(handle)
            if entry is not None:
                self._drop(entry)
            return entry is not None

    def show_at(self, handle: str, moment: float) -> bool:
        """Change when a received message becomes visible; False if there is no such message."""
        with self._lock:
            entry = self._by_handle.get(handle)
            if entry is None:
                return False
            now = self._clock()
            self._wake(now)
            entry.message["visible_at"] = moment
            self._take(entry)
            self._place(entry, now)
            return True

    def oldest(self) -> Message | None:
        """Return the message that came first."""
        entry = next(iter(self._entries.values()), None)
        return None if entry is None else entry.message

    def visible(self, now: float) -> int:
        """Return how many messages can be received."""
        with self._lock:
            self._wake(now)
            return self._visible

    def next_return(self) -> float | None:
        """Return the moment at which a message may become visible, if any is hidden."""
        with self._lock:
            return self._hidden[0][0] if self._hidden else None

    @contextmanager
    def heard_by(self, listener: Callable[[int], None]) -> Iterator[None]:
        """Tell a listener meanwhile how many messages are visible, whenever one more is: in whichever thread
        that happens.
        """
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def __iter__(self) -> Iterator[Message]:
        return iter([entry.message for entry in list(self._entries.values())])

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index]

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Message]:
        """Return a list: what MiniStack saves."""
        return copy.deepcopy(list(self), memo)

    def _place(self, entry: _Entry, now: float) -> None:
        if entry.message["visible_at"] > now:
            self._hide(entry)
            return
        self._land(entry)
        if not entry.is_waiting:
            entry.is_waiting = True
            self._visible += 1
        if entry.message["receive_count"]:
            self._returned.append(entry)
        group = self._groups.setdefault(entry.group, _Group(next(self._ticks)))
        heappush(group.waiting, (entry.number, entry))
        self._offer(entry.group, group)
        for listener in tuple(self._listeners):
            listener(self._visible)

    def _take(self, entry: _Entry) -> None:
        """Note that a message is not to be had any more, for now or for good."""
        if entry.is_waiting:
            entry.is_waiting = False
            self._visible -= 1

    def _next_of(self, group: _Group) -> _Entry | None:
        """Return the next message of a group that is not offered, if it is its turn."""
        others = self._first_offered()
        if others is not None and (others[1].in_flight, others[1].turn) < (group.in_flight, group.turn):
            return None
        return group.first()

    def _given(self, entry: _Entry, group: _Group, mark: Callable[[Message], None]) -> Message:
        """Hand out a message that waits."""
        message = entry.message
        self._by_handle.pop(message["receipt_handle"], None)
        mark(message)
        self._by_handle[message["receipt_handle"]] = entry
        self._take(entry)
        self._await_return(entry)
        entry.is_in_flight = True
        group.in_flight += 1
        group.turn = next(self._ticks)
        return message

    def _hide(self, entry: _Entry) -> None:
        self._await_return(entry)
        if entry.message["receive_count"] and not entry.is_in_flight:
            entry.is_in_flight = True
            group = self._groups.setdefault(entry.group, _Group(next(self._ticks)))
            group.in_flight += 1
            self._offer(entry.group, group)

    def _await_return(self, entry: _Entry) -> None:
        heappush(self._hidden, (entry.message["visible_at"], entry.number, entry))
        if len(self._hidden) > 2 * len(self._entries) + _STALE_MAX:
            self._hidden = [each for each in self._hidden if self._is_hidden(*each)]
            heapify(self._hidden)

    def _is_hidden(self, until: float, _number: int, entry: _Entry) -> bool:
        is_here = id(entry.message) in self._entries
        return is_here and not entry.is_waiting and entry.message["visible_at"] == until

    def _wake(self, now: float) -> None:
        if now < self._latest - _SET_BACK_S:
            self._follow(now - self._latest)
        self._latest = now
        while self._hidden and self._hidden[0][0] <= now:
            until, number, entry = heappop(self._hidden)
            if self._is_hidden(until, number, entry):
                self._place(entry, now)

    def _follow(self, seconds: float) -> None:
        """Move all returns with a clock that was set back, or what is hidden would stay so for longer."""
        hidden = {each[1]: each[2] for each in self._hidden if self._is_hidden(*each)}
        for entry in hidden.values():
            entry.message["visible_at"] += seconds
        self._hidden = [(entry.message["visible_at"], entry.number, entry) for entry in hidden.values()]
        heapify(self._hidden)

    def _land(self, entry: _Entry) -> None:
        """Note that a message is no longer in flight."""
        if not entry.is_in_flight:
            return
        entry.is_in_flight = False
        group = self._groups[entry.group]
        group.in_flight -= 1
        if group.waiting or not group.in_flight:
            self._offer(entry.group, group)
        else:
            # It has nothing to give: where it stands is told with the next message that waits.
            group.offered = None

    def _drop(self, entry: _Entry) -> None:
        with self._lock:
            self._entries.pop(id(entry.message), None)
            self._by_handle.pop(entry.message["receipt_handle"], None)
            self._take(entry)
            self._land(entry)

    def _next(self) -> tuple[str | None, _Group, _Entry] | None:
        """Return the group whose turn it is, which is offered first, and its message whose turn it is."""
        while (name_and_group := self._first_offered()) is not None:
            name, group = name_and_group
            entry = group.first()
            if entry is not None:
                return name, group, entry
            group.offered = None
            if not group.in_flight:
                del self._groups[name]
            heappop(self._turns)
        return None

    def _first_offered(self) -> tuple[str | None, _Group] | None:
        """Return the group that is offered first and stands there still; forget what stands before it."""
        while self._turns:
            in_flight, turn, name = self._turns[0]
            group = self._groups.get(name)
            if group is not None and turn == group.turn and in_flight == group.in_flight:
                return name, group
            heappop(self._turns)
        return None

    def _offer(self, name: str | None, group: _Group) -> None:
        """Note where a group stands among the others;
        one without anything to give is found out when its turn comes.
        """
        stands = (group.in_flight, group.turn)
        if group.offered == stands:
            return
        group.offered = stands
        heappush(self._turns, (*stands, name))
        if len(self._turns) > 2 * len(self._groups) + _STALE_MAX:
            self._turns = [(each.in_flight, each.turn, key) for key, each in self._groups.items()]
            heapify(self._turns)
            for each in self._groups.values():
                each.offered = (each.in_flight, each.turn)
