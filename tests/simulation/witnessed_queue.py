"""The orders queue, and what is put on it before it should be."""

from collections.abc import Sequence

from chalicelib.domain.queue_messages import FiredMessage
from chalicelib.services.ports import QueueMessage
from chalicelib.wire.queue_messages import parse_message
from tests.simulation.prices import WitnessedWatches
from tests.simulation.queue import SimulatedQueue


class WitnessedQueue:
    """``OrderQueue`` that notes each message of a firing which is not on record by then."""

    def __init__(self, queue: SimulatedQueue, watches: WitnessedWatches, unfounded: list[str]) -> None:
        self._queue = queue
        self._watches = watches
        self._unfounded = unfounded
        self.check, self.retry_in = queue.check, queue.retry_in

    def send(self, messages: Sequence[QueueMessage]) -> None:
        for each in messages:
            message = parse_message(each.body)
            if isinstance(message, FiredMessage):
                row = self._watches.rows.get(message.order_id)
                if row is not None and row.firing < message.firing:
                    self._unfounded.append(f"{message.order_id} was sent as fired before that was on record")
        self._queue.send(messages)
