"""SQS, as unkind as its documentation allows: late, out of order, twice, and again after a delete."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from chalicelib.domain.errors import RetryableError, UnansweredError
from chalicelib.services.ports import OrderQueue, QueueMessage, Sent
from tests.simulation.world import World

VISIBILITY_S: Final = 60.0


@dataclass(eq=False)
class Stored:
    """A message in a queue.

    Attributes:
        receipt: Of its latest delivery: only that one deletes it for sure.
    """

    message_id: str
    body: str
    visible_at_s: float
    receive_count: int = 0
    receipt: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of a message."""

    message_id: str
    body: str
    receive_count: int
    receipt_handle: str


class SimulatedQueue:
    """A queue with its consumer's side, ``ReceivedMessages`` among it; ``OrderQueue`` is the other."""

    def __init__(
        self, name: str, world: World, *, dead_letters: "SimulatedQueue | None", wake: Callable[[], None]
    ) -> None:
        self._name = name
        self._world = world
        self._dead_letters = dead_letters
        self._wake = wake
        self._stored: dict[str, Stored] = {}
        self._count = 0
        self.received: set[str] = set()

    def __len__(self) -> int:
        return len(self._stored)

    def send(self, messages: Sequence[QueueMessage]) -> None:
        for message in messages:
            self.put(message.body, delay_s=message.delay_s)

    def check(self) -> None:
        return None

    def retry_in(self, seconds: Mapping[str, int]) -> None:
        for receipt_handle, each in seconds.items():
            message_id, _, receipt = receipt_handle.partition("#")
            stored = self._stored.get(message_id)
            if stored is not None and stored.receipt == int(receipt):
                stored.visible_at_s = self._world.scheduler.now_s + each
                self._wake_at(stored.visible_at_s)

    def put(self, body: str, *, delay_s: float = 0.0) -> None:
        """Store a message; now and then, twice."""
        copies = 2 if self._world.happens(self._world.weather.duplicate) else 1
        for _ in range(copies):
            self._count += 1
            message_id = f"{self._name}-{self._count}"
            late_s = self._world.dice.random() * 0.2
            self._stored[message_id] = Stored(
                message_id, body, self._world.scheduler.now_s + delay_s + late_s
            )
            self._wake_at(self._stored[message_id].visible_at_s)

    def receive(self, most: int) -> list[Delivery]:
        """Return visible messages in any order, hidden from now on; those received too often move away."""
        now_s = self._world.scheduler.now_s
        visible = [each for each in self._stored.values() if each.visible_at_s <= now_s]
        self._world.dice.shuffle(visible)
        taken = []
        for stored in visible[:most]:
            if self._dead_letters is not None and stored.receive_count >= self._world.weather.receives_max:
                del self._stored[stored.message_id]
                self._world.note(self._name, f"{stored.message_id} is a dead letter")
                self._dead_letters.put(stored.body)
                continue
            taken.append(self._delivered(stored))
        return taken

    def delete(self, receipt_handles: Sequence[str]) -> None:
        """Delete messages, unless they were delivered again meanwhile;
        a deleted one may come back once more.
        """
        for receipt_handle in receipt_handles:
            message_id, _, receipt = receipt_handle.partition("#")
            stored = self._stored.get(message_id)
            if stored is None or stored.receipt != int(receipt):
                continue
            if self._world.happens(self._world.weather.duplicate):
                self._world.note(self._name, f"{stored.message_id} survives its delete")
                continue
            del self._stored[message_id]

    def _delivered(self, stored: Stored) -> Delivery:
        self.received.add(stored.message_id)
        stored.receive_count += 1
        stored.receipt += 1
        hidden_s = VISIBILITY_S
        if self._world.happens(self._world.weather.duplicate):
            hidden_s = self._world.dice.random() * 3.0  # a second delivery while the first is at work
        stored.visible_at_s = self._world.scheduler.now_s + hidden_s
        self._wake_at(stored.visible_at_s)
        handle = f"{stored.message_id}#{stored.receipt}"
        return Delivery(stored.message_id, stored.body, stored.receive_count, handle)

    def _wake_at(self, time_s: float) -> None:
        self._world.scheduler.at(time_s + 0.001, self._wake)


class EachAlone:
    """``BatchQueue`` that sends one after the other, and tells what is known of each."""

    def __init__(self, queue: OrderQueue) -> None:
        self._queue = queue

    def send_each(self, messages: Sequence[QueueMessage]) -> Sequence[Sent]:
        return [self._send(message) for message in messages]

    def _send(self, message: QueueMessage) -> Sent:
        try:
            self._queue.send([message])
        except UnansweredError:
            return Sent.UNKNOWN
        except RetryableError:
            return Sent.REFUSED
        return Sent.TAKEN


class BestEffortRetry:
    """``OrderQueue`` whose ``retry_in`` gives up in silence, as the adapter's does."""

    def __init__(self, queue: OrderQueue) -> None:
        self._queue = queue

    def send(self, messages: Sequence[QueueMessage]) -> None:
        self._queue.send(messages)

    def check(self) -> None:
        self._queue.check()

    def retry_in(self, seconds: Mapping[str, int]) -> None:
        with suppress(RetryableError):
            self._queue.retry_in(seconds)
