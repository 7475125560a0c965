"""The scheduled sweep: finds what no message will finish, and sends the message that will."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from chalicelib.logs import logger
from chalicelib.services.ports import Connections, OrderQueue, QueueMessage, Subscriptions
from chalicelib.wire.queue_messages import FollowMessage, ResumeMessage

SWEPT_MAX: Final = 500
"""Of each kind in one run; the next run takes the rest."""


@dataclass(frozen=True, slots=True)
class StrandedOrder:
    """An unfinished order whose lease ended a while ago."""

    order_id: UUID
    account_id: str


@dataclass(frozen=True, slots=True)
class LaggingFollower:
    """A connection that missed events and was not caught up since."""

    connection_id: str
    account_id: str
    order_id: UUID
    replayed_to: int


class Housekeeping(Protocol):
    """What the record knows of things left behind. Raises ``RetryableError`` if it is unreachable."""

    def stranded_orders(self, *, limit: int) -> Sequence[StrandedOrder]:
        """Return unfinished orders that nobody has held for longer than any message stays away."""
        ...

    def lagging_followers(self, *, limit: int) -> Sequence[LaggingFollower]:
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
        resumed = self._resume_stranded()
        caught_up = self._catch_up()
        closed = self._close_expired()
        forgotten = self._housekeeping.forget_finished()
        if resumed or caught_up or closed or forgotten:
            logger.info("swept", resumed=resumed, caught_up=caught_up, closed=closed, forgotten=forgotten)

    def _resume_stranded(self) -> int:
        stranded = self._housekeeping.stranded_orders(limit=SWEPT_MAX)
        self._queue.send(
            [
                QueueMessage(ResumeMessage(order_id=order.order_id).model_dump_json(), order.account_id)
                for order in stranded
            ]
        )
        for order in stranded:
            logger.warning("stranded order resumed", order_id=str(order.order_id))
        return len(stranded)

    def _catch_up(self) -> int:
        lagging = self._housekeeping.lagging_followers(limit=SWEPT_MAX)
        messages = [
            FollowMessage(
                connection_id=each.connection_id,
                account_id=each.account_id,
                order_id=each.order_id,
                after_seq=each.replayed_to,
            )
            for each in lagging
        ]
        self._queue.send([QueueMessage(each.model_dump_json(), each.account_id) for each in messages])
        return len(lagging)

    def _close_expired(self) -> int:
        expired = self._housekeeping.expired_connections(limit=SWEPT_MAX)
        for connection_id in expired:
            self._connections.close(connection_id)
        if expired:
            self._subscriptions.forget(expired)
        return len(expired)
