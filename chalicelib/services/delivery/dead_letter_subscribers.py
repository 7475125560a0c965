"""Connections that a dead letter was to bring to an order: they are caught up, by the sweep at the latest,
unless they are refused.
"""

from collections.abc import Iterable
from uuid import UUID, uuid4

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.errors import ExecutionError, RetryableError, client_order_id_conflict
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import Subscription
from chalicelib.domain.queue_messages import SubscribeMessage
from chalicelib.logs import logger
from chalicelib.services.ports import Connections, Delivery, Frame, OrderQueue, QueueMessage
from chalicelib.services.subscription_ports import ReplayKind, Subscriptions
from chalicelib.wire.queue_messages import render_message
from chalicelib.wire.server_frames import accepted, batch_texts, error, json_text


class DeadLetterSubscribers:
    """Connections that still wait for an order's events when the message that promised them has died."""

    def __init__(self, subscriptions: Subscriptions, connections: Connections, queue: OrderQueue) -> None:
        self._subscriptions = subscriptions
        self._connections = connections
        self._queue = queue

    def subscribe(
        self,
        connection_id: str,
        recorded: Order,
        *,
        after_seq: int,
        content_sha256: str | None,
        request_id: str | None = None,
        deferred_acknowledgement: Acknowledgement | None = None,
        is_behind: bool = False,
    ) -> None:
        """Note that a connection waits for an order's events, or refuse it if it asked for something else.

        ``content_sha256``: of what it asked for, None if it merely subscribes. ``is_behind``: it was
        subscribed, and may have unsubscribed meanwhile.

        Raises:
            RetryableError: The record is unreachable, or the connection does not take the refusal or
                the acknowledgement.
        """
        if content_sha256 not in {None, recorded.content_sha256}:
            refusal = error(request_id, client_order_id_conflict(), order_id=recorded.order_id)
            self._post(connection_id, [json_text(refusal)])
            return
        if deferred_acknowledgement is not None:
            self._post(
                connection_id,
                batch_texts([json_text(accepted(deferred_acknowledgement.request_id, recorded))]),
            )
        subscriptions = [
            each for each in self._subscriptions.of_orders([recorded]) if each.connection_id == connection_id
        ]
        if any(_sees_all(each, after_seq) for each in subscriptions):
            return
        # Not live, and not being replayed: that is what the sweep looks for.
        self._subscriptions.begin_replay(
            connection_id,
            recorded.account_id,
            recorded.order_id,
            replay_id=uuid4(),
            after_seq=after_seq,
            kind=ReplayKind.CATCH_UP if is_behind else ReplayKind.NAMED,
        )
        if any(each.live for each in subscriptions):
            self._catch_up(connection_id, recorded, after_seq)

    def _catch_up(self, connection_id: str, recorded: Order, after_seq: int) -> None:
        """Have a connection caught up at once that would wait for live events until the sweep's next run.

        Only one that was live: a message that dies as well finds that it no longer is, and leads to no
        other. Best effort.
        """
        message = SubscribeMessage(
            connection_id=connection_id,
            account_id=recorded.account_id,
            order_id=recorded.order_id,
            after_seq=after_seq,
        )
        try:
            self._queue.send([QueueMessage(render_message(message), recorded.account_id)])
        except RetryableError as fault:
            logger.warning("catching up left to the sweep", connection_id=connection_id, reason=fault.message)

    def refuse(
        self, connection_id: str, request_id: str | None, refusal: ExecutionError, order_id: UUID
    ) -> None:
        """Tell a connection that an order it submitted is refused after all, if it still can be reached."""
        frame = error(request_id, refusal, order_id=order_id)
        self._connections.post([Frame(connection_id, json_text(frame))])

    def _post(self, connection_id: str, texts: Iterable[str]) -> None:
        posted = self._connections.post(Frame(connection_id, text) for text in texts)
        if posted[connection_id] is Delivery.UNDELIVERED:
            raise RetryableError("an answer was not delivered")


def _sees_all(subscription: Subscription, after_seq: int) -> bool:
    """Return whether a connection has seen, or will see, every event of an order after that one.

    One that asked for all orders may have done so when this one had ended; one that has seen events up to a
    later one by other means, as the answer to its cancel, may have seen none before it.
    """
    return not subscription.is_of_all and subscription.replayed_to <= after_seq
