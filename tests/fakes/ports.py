"""The engine's ports, as tests want them: queues that remember, connections that can go,
a clock that stands still.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from chalicelib.domain.errors import RetryableError, UnansweredError
from chalicelib.domain.queue_messages import Message
from chalicelib.services.ports import Delivery, Frame, QueueMessage, Sent
from chalicelib.wire.queue_messages import parse_message
from tests.fakes.orders import NOON


class FrozenClock:
    """Stands still but for what it is asked to sleep, and for being set."""

    def __init__(self, now: datetime = NOON) -> None:
        self._now = now
        self._elapsed = timedelta()

    def now(self) -> datetime:
        return self._now

    def elapsed_s(self) -> float:
        return self._elapsed.total_seconds()

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._elapsed += timedelta(seconds=seconds)

    def put(self, by: timedelta) -> None:
        """Set it to another time, as a server of times does; no time passes."""
        self._now += by


class SteppingClock:
    """Each look at it is a millisecond later than the one before."""

    def __init__(self) -> None:
        self._now = NOON

    def now(self) -> datetime:
        self._now += timedelta(milliseconds=1)
        return self._now


class FakeQueue:
    """``OrderQueue`` that keeps what it was sent; ``is_down`` makes it fail, ``is_mute`` lose its answers."""

    def __init__(self) -> None:
        self.sent: list[QueueMessage] = []
        self.retries: list[tuple[str, int]] = []
        self.is_down = False
        self.is_mute = False
        self.outcomes: dict[int, Sent] = {}
        """Of ``send_each``, by place; those absent are taken."""

    @property
    def messages(self) -> list[Message]:
        return [parse_message(message.body) for message in self.sent]

    def send(self, messages: Sequence[QueueMessage]) -> None:
        self.check()
        self.sent += messages
        if self.is_mute:
            raise UnansweredError("the queue does not say")

    def send_each(self, messages: Sequence[QueueMessage]) -> Sequence[Sent]:
        if self.is_down:
            return [Sent.REFUSED] * len(messages)
        found = [self.outcomes.get(place, Sent.TAKEN) for place in range(len(messages))]
        # What is unknown may be there: the harder case for a sender that tries again.
        self.sent += [each for each, sent in zip(messages, found, strict=True) if sent is not Sent.REFUSED]
        return [Sent.UNKNOWN] * len(messages) if self.is_mute else found

    def check(self) -> None:
        if self.is_down:
            raise RetryableError("the queue does not answer")

    def retry_in(self, seconds: Mapping[str, int]) -> None:
        self.retries += seconds.items()


class FakeReceivedMessages:
    """``ReceivedMessages`` that notes what it deletes; ``is_down`` makes it fail."""

    def __init__(self) -> None:
        self.deleted: list[str] = []
        self.is_down = False

    def delete(self, receipt_handles: Sequence[str]) -> None:
        if self.is_down:
            raise RetryableError("the queue was not found")
        self.deleted += receipt_handles


class FakeConnections:
    """``Connections`` to peers that are there unless named in ``gone`` or ``slow``."""

    def __init__(self) -> None:
        self.frames: dict[str, list[str]] = {}
        self.gone: set[str] = set()
        self.slow: set[str] = set()

    def post(self, frames: Iterable[Frame]) -> Mapping[str, Delivery]:
        deliveries = {}
        for frame in frames:
            deliveries[frame.connection_id] = self._delivery(frame.connection_id)
            if deliveries[frame.connection_id] is Delivery.DELIVERED:
                self.frames.setdefault(frame.connection_id, []).append(frame.text)
        return deliveries

    def close(self, connection_id: str) -> None:
        self.gone.add(connection_id)

    def _delivery(self, connection_id: str) -> Delivery:
        if connection_id in self.gone:
            return Delivery.GONE
        return Delivery.UNDELIVERED if connection_id in self.slow else Delivery.DELIVERED


class FakeKeys:
    """``ClientOrderKeys`` and ``ClientOrderContents`` in memory; ``is_down`` makes it fail."""

    def __init__(self) -> None:
        self._contents: dict[tuple[str, str], str] = {}
        self.is_down = False

    def reserve(self, account_id: str, client_order_id: str, content_sha256: str) -> bool:
        if self.is_down:
            raise RetryableError("the database did not answer")
        return self._contents.setdefault((account_id, client_order_id), content_sha256) == content_sha256

    def content_of(self, account_id: str, client_order_id: str) -> str | None:
        if self.is_down:
            raise RetryableError("the database did not answer")
        return self._contents.get((account_id, client_order_id))
