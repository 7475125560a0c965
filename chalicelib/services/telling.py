"""Telling the listeners: frames that are copies of committed events, and what to do when one is not delivered."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from chalicelib.domain.orders import Order, OrderEvent
from chalicelib.logs import logger
from chalicelib.services.ports import (
    Connections,
    Delivery,
    Frame,
    Listener,
    OrderQueue,
    QueueMessage,
    Subscriptions,
)
from chalicelib.wire.queue_messages import FollowMessage
from chalicelib.wire.server_frames import json_text, order_event

CATCH_UP_DELAY_S = 5
"""How long a connection that took no frame is left alone before it is caught up."""

Told = tuple[Order, Sequence[OrderEvent]]


class Teller:
    """Sends committed events to everybody who follows their orders."""

    def __init__(self, subscriptions: Subscriptions, connections: Connections, queue: OrderQueue) -> None:
        self._subscriptions = subscriptions
        self._connections = connections
        self._queue = queue

    def tell(self, told: Sequence[Told]) -> None:
        """Send events to the live listeners; the events must be committed already.

        A connection that is gone is forgotten. One that did not take a frame is set back: it gets
        nothing more of that order until it has been caught up.

        Raises:
            RetryableError: Somebody may not have been told, and nothing on record says who. The
                events have to be told again, all of them if in doubt: clients go by ``seq``.
        """
        listeners = self._subscriptions.listeners([order for order, _ in told])
        if not listeners:
            return
        sent = _frames(told, listeners)
        deliveries = self._connections.post(frame for _, _, frame in sent)
        self._forget(connection for connection, delivery in deliveries.items() if delivery is Delivery.GONE)
        missed = {
            (frame.connection_id, order.order_id): (order, listener)
            for order, listener, frame in sent
            if deliveries[frame.connection_id] is Delivery.UNDELIVERED
        }
        for order, listener in missed.values():
            # Not merely to before the first frame that failed: an earlier one may never have been
            # sent, by a consumer that died or could not read who listens.
            self._set_back(listener.connection_id, order, sent_to=listener.replayed_to)

    def _forget(self, connection_ids: Iterable[str]) -> None:
        gone = sorted(connection_ids)
        if gone:
            self._subscriptions.forget(gone)
            logger.info("connections gone", connection_id=gone)

    def _set_back(self, connection_id: str, order: Order, *, sent_to: int) -> None:
        self._subscriptions.lag(connection_id, order, sent_to=sent_to)
        message = FollowMessage(
            connection_id=connection_id,
            account_id=order.account_id,
            order_id=order.order_id,
            after_seq=sent_to,
        )
        self._queue.send([QueueMessage(message.model_dump_json(), order.account_id, CATCH_UP_DELAY_S)])
        logger.warning("frame not delivered", connection_id=connection_id, order_id=str(order.order_id))


def _frames(told: Sequence[Told], listeners: Sequence[Listener]) -> list[tuple[Order, Listener, Frame]]:
    by_order: Mapping[UUID, list[Listener]] = {order.order_id: [] for order, _ in told}
    for listener in listeners:
        by_order[listener.order_id].append(listener)
    frames = []
    for order, events in told:
        live = [listener for listener in by_order[order.order_id] if listener.live]
        for event in events if live else ():
            text = json_text(order_event(order.client_order_id, event))
            frames += [
                (order, listener, Frame(listener.connection_id, text))
                for listener in live
                if event.seq > listener.replayed_to
            ]
    return frames
