"""Publishing events: frames that are copies of committed events, and what to do when one is not delivered."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
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
class _Outgoing:
    """What one connection is to be sent about one order.

    Attributes:
        texts: Frames, in order.
        replayed_to: The last event that the connection certainly has, should these not arrive.
    """

    connection_id: str
    order: Order
    texts: Sequence[str]
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
        self._buffered: list[_Outgoing] = []
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

        One that is being caught up gets it too, perhaps ahead of earlier events and once more among them: a
        replay does not know what was asked, and a request has to have its answer.

        Args:
            batched: That connection gets its events in batches.
            request_id: Of what it asked, which its frame names.

        Raises:
            RetryableError: As ``publish``; the connection that asked was sent its answer all the same.
        """
        answer, outgoing = self._answer(order, event, request_id), list[_Outgoing]()
        try:
            outgoing = self._outgoing([(order, [event])], NONE_DEFERRED)
            self._deliver(
                [
                    replace(each, texts=[answer]) if each.connection_id == connection_id else each
                    for each in outgoing
                ]
            )
        finally:
            if not any(each.connection_id == connection_id for each in outgoing):
                self.answer(order, event, connection_id, batched=batched, request_id=request_id)

    def answer(
        self,
        order: Order,
        event: OrderEvent,
        connection_id: str | None,
        *,
        batched: bool = False,
        request_id: str | None = None,
    ) -> None:
        """Send an event to the connection that asked for it alone, as ``publish_to`` does."""
        if connection_id is None:
            return
        texts = [self._answer(order, event, request_id)]
        self._connections.post(
            Frame(connection_id, text) for text in (batch_texts(texts) if batched else texts)
        )

    def _answer(self, order: Order, event: OrderEvent, request_id: str | None) -> str:
        frame = self._views.frame(order.terms.client_order_id, event)
        return json_text(frame if request_id is None else frame | {"requestId": request_id})

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
        if batched := [each for each in outgoing if each.is_batched]:
            self._buffered += batched
            outgoing = [each for each in outgoing if not each.is_batched]
        self._deliver(outgoing)

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
    ) -> list[_Outgoing]:
        # What was read before a connection was marked behind would have it live, and its stream have a gap.
        known = subscribed
        if self._missed:
            known = {order_id: found for order_id, found in known.items() if order_id not in self._missed}
        if unknown := [order for order, _ in committed if order.order_id not in known]:
            known = {**known, **self._asked_for(unknown)}
        outgoing: list[_Outgoing] = []
        for order, events in committed:
            its_own = known[order.order_id]
            if deferred_acknowledgements and order.order_id in deferred_acknowledgements:
                outgoing.append(
                    _acknowledgement_frame(order, deferred_acknowledgements[order.order_id], its_own)
                )
            if live := [subscription for subscription in its_own if subscription.live]:
                outgoing += _of_events(order, events, live, self._views)
        return outgoing

    def _asked_for(self, orders: Sequence[Order]) -> Mapping[UUID, Sequence[Subscription]]:
        found: Subscribed = {order.order_id: [] for order in orders}
        for subscription in self._subscriptions.of_orders(orders):
            found[subscription.order_id].append(subscription)
        return found

    def _deliver(self, outgoing: Sequence[_Outgoing]) -> None:
        if not outgoing:
            return
        deliveries = self._connections.post(_frames(outgoing))
        gone, missed = [], dict[tuple[str, UUID], list[_Outgoing]]()
        for connection_id, delivery in deliveries.items():
            if delivery is Delivery.GONE:
                gone.append(connection_id)
            if delivery is not Delivery.UNDELIVERED:
                self._behind.pop(connection_id, None)
        if gone:
            self._forget(gone)
        for each in outgoing:
            if deliveries[each.connection_id] is Delivery.UNDELIVERED:
                missed.setdefault((each.connection_id, each.order.order_id), []).append(each)
        if missed:
            self._mark_behind(list(missed.values()))

    def _forget(self, connection_ids: Sequence[str]) -> None:
        gone = sorted(connection_ids)
        self._subscriptions.forget(gone)
        logger.info("connections gone", connection_id=gone)

    def _mark_behind(self, missed: Sequence[Sequence[_Outgoing]]) -> None:
        """Have connections caught up with orders of which they took nothing, as far as is known.

        Not merely from before the first frame that failed: an earlier one may never have been sent, by
        a consumer that died or could not read the subscriptions.
        """
        noted = [
            Missed(each[0].connection_id, each[0].order, min(part.replayed_to for part in each))
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
                next((part.deferred_acknowledgement for part in each if part.deferred_acknowledgement), None),
            )
            for note, each in zip(noted, missed, strict=True)
        )
        if messages := [message for message in wanted if message is not None]:
            self._queue.send(messages)

    def _catching_up(
        self, missed: Missed, deferred_acknowledgement: Acknowledgement | None
    ) -> QueueMessage | None:
        """Return what has a connection caught up; None if that is left
        to the sweep, which brings all but the deferred acknowledgement.

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


def _of_events(
    order: Order, events: Sequence[OrderEvent], live: Sequence[Subscription], views: EventViews
) -> list[_Outgoing]:
    if not events:
        return []
    texts, outgoing = views.frame_texts(order.terms.client_order_id, events), []
    for each in live:
        unseen = texts
        if events[0].seq <= each.replayed_to:
            unseen = [text for event, text in zip(events, texts, strict=True) if event.seq > each.replayed_to]
        if unseen:
            outgoing.append(_Outgoing(each.connection_id, order, unseen, each.replayed_to, each.batched))
    return outgoing


def _acknowledgement_frame(
    order: Order, deferred_acknowledgement: Acknowledgement, subscribed: Sequence[Subscription]
) -> _Outgoing:
    texts = [json_text(accepted(deferred_acknowledgement.request_id, order))]
    for subscription in subscribed:
        if subscription.connection_id == deferred_acknowledgement.connection_id:
            return _Outgoing(
                deferred_acknowledgement.connection_id,
                order,
                texts,
                subscription.replayed_to,
                subscription.batched,
                deferred_acknowledgement,
            )
    # It has unsubscribed meanwhile; only batched connections have acknowledgements deferred.
    return _Outgoing(
        deferred_acknowledgement.connection_id,
        order,
        texts,
        0,
        is_batched=True,
        deferred_acknowledgement=deferred_acknowledgement,
    )


def _frames(outgoing: Sequence[_Outgoing]) -> list[Frame]:
    frames, together = list[Frame](), dict[str, list[str]]()
    for each in outgoing:
        if each.is_batched:
            together.setdefault(each.connection_id, []).extend(each.texts)
        else:
            frames += [Frame(each.connection_id, text) for text in each.texts]
    for connection_id, texts in together.items():
        frames += [Frame(connection_id, text) for text in batch_texts(texts)]
    return frames
