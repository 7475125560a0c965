"""What operators see, as a test wants it to be."""

from collections.abc import Sequence
from datetime import UTC, datetime

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.queue_messages import Message
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType
from chalicelib.services.queries.operations import (
    BOUNDS_MS,
    ArchivedLetter,
    Consumers,
    Histogram,
    QueueDepth,
    Recent,
    UnfinishedOrders,
)
from chalicelib.wire.queue_messages import render_message

AT = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)


def a_histogram(*taken_ms: int) -> Histogram:
    counts = [0] * (len(BOUNDS_MS) + 1)
    for ms in taken_ms:
        counts[sum(ms > bound for bound in BOUNDS_MS)] += 1
    return Histogram(tuple(counts), sum(taken_ms))


def a_letter(
    message_id: str = "m", status: OrderStatus | None = None, message: Message | None = None
) -> ArchivedLetter:
    body = "{}" if message is None else render_message(message)
    return ArchivedLetter(message_id, None, 10, "cannot be read", AT, body, status)


class FakeOperations:
    """``Operations`` and ``QueueDepths``; ``is_down`` makes every answer a passing fault."""

    def __init__(self) -> None:
        self.letters: list[ArchivedLetter] = []
        self.is_down = False
        self.queues_are_down = False

    def recent(self) -> Recent:
        self._check()
        return Recent(
            seconds=300,
            is_whole=True,
            queued=a_histogram(30, 700),
            opened=a_histogram(),
            confirmed=a_histogram(1_200),
            events={(OrderStatus.PENDING, OrderType.MARKET): 2, (OrderStatus.CONFIRMED, OrderType.MARKET): 1},
            failures={"NO_ROUTE": 1},
            retries={"SLIPPAGE_EXCEEDED": 3},
            attempts=4,
        )

    def unfinished(self) -> Sequence[UnfinishedOrders]:
        self._check()
        return [UnfinishedOrders(OrderStatus.OPEN, OrderType.LIMIT, 7, AT)]

    def connections(self) -> int:
        self._check()
        return 5

    def consumers(self) -> Consumers:
        self._check()
        return Consumers(2, 1_500)

    def refusals(self) -> dict[str, int]:
        self._check()
        return {"INVALID_REQUEST": 6}

    def dead_letters(self, *, limit: int, before: tuple[datetime, str] | None) -> Sequence[ArchivedLetter]:
        self._check()
        older = [
            each for each in self.letters if before is None or (each.archived_at, each.message_id) < before
        ]
        return sorted(older, key=lambda each: (each.archived_at, each.message_id), reverse=True)[:limit]

    def dead_letter(self, message_id: str) -> ArchivedLetter | None:
        self._check()
        return next((each for each in self.letters if each.message_id == message_id), None)

    def depths(self) -> Sequence[QueueDepth]:
        if self.queues_are_down:
            raise RetryableError("the queue orders does not say how deep it is")
        return [QueueDepth("orders", 3, 2, 1), QueueDepth("orders-dlq", 0, 0, 0)]

    def _check(self) -> None:
        if self.is_down:
            raise RetryableError("the database did not answer")
