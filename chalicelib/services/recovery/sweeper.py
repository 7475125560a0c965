"""The scheduled sweep: finds what no message will finish, and sends the message that will."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar
from uuid import UUID

from chalicelib.logs import logger
from chalicelib.services.isolation import one_by_one, together_or_alone
from chalicelib.services.ports import Connections, OrderQueue, QueueMessage, Subscriptions
from chalicelib.wire.queue_messages import Message, ResumeMessage, SubscribeMessage

SWEPT_MAX: Final = 500
"""Of each kind in one run; the next run takes the rest."""


@dataclass(frozen=True, slots=True)
class StrandedOrder:
    """An unfinished order whose lease ended a while ago."""

    order_id: UUID
    account_id: str


@dataclass(frozen=True, slots=True)
class SubscriptionBehind:
    """A connection that missed events and was not caught up since."""

    connection_id: str
    account_id: str
    order_id: UUID
    replayed_to: int


Found = TypeVar("Found", StrandedOrder, SubscriptionBehind)


class Housekeeping(Protocol):
    """What the record knows of things left behind. Raises ``RetryableError`` if it is unreachable."""

    def stranded_orders(self, *, limit: int) -> Sequence[StrandedOrder]:
        """Return unfinished orders that no consumer has claimed for longer than any message stays away."""
        ...

    def subscriptions_behind(self, *, limit: int) -> Sequence[SubscriptionBehind]:
        """Return subscriptions that wait for a replay, and note that they were returned."""
        ...

    def expired_connections(self, *, limit: int) -> Sequence[str]:
        """Return connections past their time."""
        ...

    def forget_finished(self) -> int:
        """Remove subscriptions to orders that ended a while ago; return how many."""
        ...


class Sweep:
    """One run of the sweep. Safe to repeat and to overlap: every message it sends is idempotent."""

    def __init__(
        self,
        housekeeping: Housekeeping,
        queue: OrderQueue,
        connections: Connections,
        subscriptions: Subscriptions,
    ) -> None:
        self._housekeeping = housekeeping
        self._queue = queue
        self._connections = connections
        self._subscriptions = subscriptions

    def run(self) -> None:
        """Do all of it once.

        Raises:
            RetryableError: The record or the queue is unreachable; the next run goes on.
        """
        parts = (
            self._resume_stranded,
            self._catch_up,
            self._close_expired,
            self._housekeeping.forget_finished,
        )
        # A defect in one part, or over one order, must not keep the sweep from all the others.
        resumed, caught_up, closed, forgotten = (
            sum(one_by_one([part], lambda each: each(), _log_defect)) for part in parts
        )
        if resumed or caught_up or closed or forgotten:
            logger.info("swept", resumed=resumed, caught_up=caught_up, closed=closed, forgotten=forgotten)

    def _resume_stranded(self) -> int:
        stranded = self._housekeeping.stranded_orders(limit=SWEPT_MAX)
        return self._send(stranded, lambda order: ResumeMessage(order_id=order.order_id), _log_resumed)

    def _catch_up(self) -> int:
        behind = self._housekeeping.subscriptions_behind(limit=SWEPT_MAX)
        return self._send(behind, _subscribe_message)

    def _send(
        self,
        found: Sequence[Found],
        message_for: Callable[[Found], Message],
        sent: Callable[[Found], None] = lambda _: None,
    ) -> int:
        """Send a message for each of what was found; return how many were sent."""

        def message(each: Found) -> tuple[Found, QueueMessage]:
            return each, QueueMessage(message_for(each).model_dump_json(), each.account_id)

        def send(some: Sequence[tuple[Found, QueueMessage]]) -> int:
            self._queue.send([message for _, message in some])
            for each, _ in some:
                sent(each)
            return len(some)

        messages = one_by_one(found, message, _log_defect)
        return sum(together_or_alone(messages, send, lambda one, error: _log_defect(one[0], error)))

    def _close_expired(self) -> int:
        expired = self._housekeeping.expired_connections(limit=SWEPT_MAX)
        one_by_one(expired, self._connections.close, _log_defect)
        if expired:
            self._subscriptions.forget(expired)
        return len(expired)


def _subscribe_message(behind: SubscriptionBehind) -> SubscribeMessage:
    return SubscribeMessage(
        connection_id=behind.connection_id,
        account_id=behind.account_id,
        order_id=behind.order_id,
        after_seq=behind.replayed_to,
    )


def _log_resumed(order: StrandedOrder) -> None:
    logger.warning("stranded order resumed", order_id=str(order.order_id))


def _log_defect(what: object, error: Exception) -> None:
    order_id = str(what.order_id) if isinstance(what, StrandedOrder | SubscriptionBehind) else None
    logger.error("defect", exc_info=error, order_id=order_id, doing="sweeping")
