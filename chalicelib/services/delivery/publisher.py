"""Publishing events: frames that are copies of committed events, and what to do when one is not delivered."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final
from uuid import UUID

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import Subscribed, Subscription
from chalicelib.domain.queue_messages import SubscribeMessage
from chalicelib.logs import logger
from chalicelib.services.ports import Connections, Delivery, Frame, OrderQueue, QueueMessage
from chalicelib.services.subscription_ports import Missed, Subscriptions
from chalicelib.values import value
from chalicelib.wire.event_views import EventViews
from chalicelib.wire.queue_messages import render_message
from chalicelib.wire.server_frames import accepted, batch_texts, json_text

CATCH_UP_DELAY_S = 5
"""How long a connection that took no frame is left alone before it is caught up."""
CAUGHT_UP_SOON_MAX = 20
"""For so many orders on end, in each process; with more it is the sweep that catches a connection up."""
_BEHIND_MAX: Final = 10_000
_MISSED_MAX: Final = 1_000
"""Far more orders than one batch has, and subscriptions that were read before are those of one."""

CommittedEvents = tuple[Order, Sequence[OrderEvent]]
DeferredAcknowledgements = Mapping[UUID, Acknowledgement]
"""Acknowledgements by order; each goes ahead of the events that are published with it."""

NONE_DEFERRED: Final[DeferredAcknowledgements] = MappingProxyType({})
NONE_KNOWN: Final[Mapping[UUID, Sequence[Subscription]]] = MappingProxyType({})


@value
class _OutgoingFrame:
    """What one connection is to be sent, and what it is about.

    Attributes:
        replayed_to: The last event that the connection certainly has, should this one not arrive.
    """

    connection_id: str
    order: Order
    text: str
    replayed_to: int
    is_batched: bool
    deferred_acknowledgement: Acknowledgement | None = None


class EventPublisher:
    """Sends committed events to the subscribers of their orders.

    Frames for batched connections may be buffered, to travel together with later ones; ``publish_buffered``
    and ``flush`` are for one thread, ``publish`` for any.
    """

    def __init__(
        self, subscriptions: Subscriptions, connections: Connections, queue: OrderQueue, views: EventViews
    ) -> None:
        self._subscriptions = subscriptions
        self._connections = connections
        self._queue = queue
        self._views = views
        self._buffered: list[_OutgoingFrame] = []
        # For how many orders a connection was marked behind since it last took a frame.
        self._behind: OrderedDict[str, int] = OrderedDict()
        # Orders of which a connection has missed something: who is subscribed to them is asked for each time.
        self._missed: OrderedDict[UUID, None] = OrderedDict()

    def publish(
        self,
        committed: Sequence[CommittedEvents],
        deferred_acknowledgements: DeferredAcknowledgements = NONE_DEFERRED,
    ) -> None:
        """Send events to the live subscribers; the events must be committed already.

        A connection that is gone is forgotten. One that did not take a frame is marked as behind: it gets
        nothing more of that order until it has been caught up.

        Raises:
            RetryableError: A subscriber may have missed events, and nothing on record says which one. The
                events have to be published again, all of them if in doubt: clients go by ``seq``.
        """
        self._deliver(self._outgoing(committed, deferred_acknowledgements))

    def publish_to(
        self,
        order: Order,
        event: OrderEvent,
        connection_id: str | None,
        *,
        batched: bool = False,
        request_id: str | None = None,
    ) -> None:
        """Send an event as ``publish`` does, and to the connection that asked for it, subscribed or not.

        Args:
            batched: That connection gets its events in batches.
            request_id: Of what it asked, which its frame names.
        """
        subscriptions = self._subscriptions.of_orders([order]) if connection_id is not None else ()
        outgoing = self._outgoing([(order, [event])], NONE_DEFERRED)
        frame = self._views.frame(order.terms.client_order_id, event)
        answer = json_text(frame if request_id is None else frame | {"requestId": request_id})
        self._deliver(
            [replace(each, text=answer) if each.connection_id == connection_id else each for each in outgoing]
        )
        if connection_id is None or any(each.connection_id == connection_id for each in subscriptions):
            return
        texts = [answer]
        self._connections.post(
            Frame(connection_id, text) for text in (batch_texts(texts) if batched else texts)
        )

    def publish_buffered(
        self,
        committed: Sequence[CommittedEvents],
        deferred_acknowledgements: DeferredAcknowledgements = NONE_DEFERRED,
        subscribed: Mapping[UUID, Sequence[Subscription]] = NONE_KNOWN,
    ) -> None:
        """Send events as ``publish`` does, but keep those for batched connections until ``flush``.

        Args:
            subscribed: The subscriptions to some of the orders, read after the last of these events was
                committed; those to the others are asked for.
        """
        outgoing = self._outgoing(committed, deferred_acknowledgements, subscribed)
        self._buffered += [frame for frame in outgoing if frame.is_batched]
        self._deliver([frame for frame in outgoing if not frame.is_batched])

    @property
    def has_buffered(self) -> bool:
        """Whether anything waits for ``flush``."""
        return bool(self._buffered)

    def flush(self) -> None:
        """Send what was buffered, as ``publish`` does."""
        buffered, self._buffered = self._buffered, []
        self._deliver(buffered)

    def _outgoing(
        self,
        committed: Sequence[CommittedEvents],
        deferred_acknowledgements: DeferredAcknowledgements,
        subscribed: Mapping[UUID, Sequence[Subscription]] = NONE_KNOWN,
    ) -> list[_OutgoingFrame]:
        # What was read before a connection was marked behind would have it live, and its stream have a gap.
        known = {order_id: found for order_id, found in subscribed.items() if order_id not in self._missed}
        unknown = [order for order, _ in committed if order.order_id not in known]
        asked_for: Subscribed = {order.order_id: [] for order in unknown}
        for subscription in self._subscriptions.of_orders(unknown) if unknown else ():
            asked_for[subscription.order_id].append(subscription)
        by_order = {**known, **asked_for}
        outgoing: list[_OutgoingFrame] = []
        for order, events in committed:
            its_own = by_order[order.order_id]
            if deferred_acknowledgements and order.order_id in deferred_acknowledgements:
                outgoing.append(
                    _acknowledgement_frame(order, deferred_acknowledgements[order.order_id], its_own)
                )
            live = [subscription for subscription in its_own if subscription.live]
            outgoing += _event_frames(order, events, live, self._views)
        return outgoing

    def _deliver(self, outgoing: Sequence[_OutgoingFrame]) -> None:
        if not outgoing:
            return
        deliveries = self._connections.post(_frames(outgoing))
        self._forget(connection for connection, delivery in deliveries.items() if delivery is Delivery.GONE)
        for connection_id, delivery in deliveries.items():
            if delivery is not Delivery.UNDELIVERED:
                self._behind.pop(connection_id, None)
        missed: dict[tuple[str, UUID], list[_OutgoingFrame]] = {}
        for frame in outgoing:
            if deliveries[frame.connection_id] is Delivery.UNDELIVERED:
                missed.setdefault((frame.connection_id, frame.order.order_id), []).append(frame)
        if missed:
            self._mark_behind(list(missed.values()))

    def _forget(self, connection_ids: Iterable[str]) -> None:
        gone = sorted(connection_ids)
        if gone:
            self._subscriptions.forget(gone)
            logger.info("connections gone", connection_id=gone)

    def _mark_behind(self, missed: Sequence[Sequence[_OutgoingFrame]]) -> None:
        """Have connections caught up with orders of which they took nothing, as far as is known.

        Not merely from before the first frame that failed: an earlier one may never have been sent, by
        a consumer that died or could not read the subscriptions.
        """
        noted = [
            Missed(each[0].connection_id, each[0].order, min(frame.replayed_to for frame in each))
            for each in missed
        ]
        for note in noted:
            self._missed[note.order.order_id] = None
        while len(self._missed) > _MISSED_MAX:
            self._missed.popitem(last=False)
        self._subscriptions.mark_behind(noted)
        wanted = (
            self._catching_up(
                note,
                next(
                    (frame.deferred_acknowledgement for frame in each if frame.deferred_acknowledgement), None
                ),
            )
            for note, each in zip(noted, missed, strict=True)
        )
        if messages := [message for message in wanted if message is not None]:
            self._queue.send(messages)

    def _catching_up(
        self, missed: Missed, deferred_acknowledgement: Acknowledgement | None
    ) -> QueueMessage | None:
        """Return what has a connection caught up; None if that is left
        to the sweep, which brings all but what is owed.

        A connection that takes nothing, order after order, would otherwise cost the
        queue and its consumers as much as the orders do.
        """
        connection_id, order = missed.connection_id, missed.order
        logger.warning("frame not delivered", connection_id=connection_id, order_id=str(order.order_id))
        behind = self._behind.pop(connection_id, 0) + 1
        self._behind[connection_id] = behind
        if len(self._behind) > _BEHIND_MAX:
            self._behind.popitem(last=False)
        if behind > CAUGHT_UP_SOON_MAX and deferred_acknowledgement is None:
            return None
        message = SubscribeMessage(
            connection_id=connection_id,
            account_id=order.account_id,
            order_id=order.order_id,
            after_seq=missed.sent_to,
            deferred_acknowledgement=deferred_acknowledgement,
        )
        return QueueMessage(render_message(message), order.account_id, CATCH_UP_DELAY_S)


def _event_frames(
    order: Order, events: Sequence[OrderEvent], live: Sequence[Subscription], views: EventViews
) -> list[_OutgoingFrame]:
    if not live:
        return []
    texts = views.frame_texts(order.terms.client_order_id, events)
    return [
        _OutgoingFrame(
            subscription.connection_id, order, text, subscription.replayed_to, subscription.batched
        )
        for event, text in zip(events, texts, strict=True)
        for subscription in live
        if event.seq > subscription.replayed_to
    ]


def _acknowledgement_frame(
    order: Order, deferred_acknowledgement: Acknowledgement, subscribed: Sequence[Subscription]
) -> _OutgoingFrame:
    text = json_text(accepted(deferred_acknowledgement.request_id, order))
    for subscription in subscribed:
        if subscription.connection_id == deferred_acknowledgement.connection_id:
            return _OutgoingFrame(
                deferred_acknowledgement.connection_id,
                order,
                text,
                subscription.replayed_to,
                subscription.batched,
                deferred_acknowledgement,
            )
    # It has unsubscribed meanwhile; only batched connections have acknowledgements deferred.
    return _OutgoingFrame(
        deferred_acknowledgement.connection_id,
        order,
        text,
        0,
        is_batched=True,
        deferred_acknowledgement=deferred_acknowledgement,
    )


def _frames(outgoing: Sequence[_OutgoingFrame]) -> list[Frame]:
    frames = [Frame(frame.connection_id, frame.text) for frame in outgoing if not frame.is_batched]
    together: dict[str, list[str]] = {}
    for frame in outgoing:
        if frame.is_batched:
            together.setdefault(frame.connection_id, []).append(frame.text)
    for connection_id, texts in together.items():
        frames += [Frame(connection_id, text) for text in batch_texts(texts)]
    return frames
