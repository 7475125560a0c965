"""Telling the listeners: frames that are copies of committed events, and what to do when one is not delivered."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from uuid import UUID

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.orders import Order, OrderEvent
from chalicelib.logs import logger
from chalicelib.services.ports import (
    Connections,
    Delivery,
    Frame,
    Listener,
    Missed,
    OrderQueue,
    QueueMessage,
    Subscriptions,
)
from chalicelib.wire.queue_messages import FollowMessage
from chalicelib.wire.server_frames import accepted, batch_texts, json_text, order_event

CATCH_UP_DELAY_S = 5
"""How long a connection that took no frame is left alone before it is caught up."""
CAUGHT_UP_SOON_MAX = 20
"""For so many orders on end, in each process; with more it is the sweep that catches a connection up."""
_BEHIND_MAX: Final = 10_000

Told = tuple[Order, Sequence[OrderEvent]]
Owed = Mapping[UUID, Acknowledgement]
"""Acknowledgements by order; each goes ahead of the events that are told with it."""

NOTHING_OWED: Final[Owed] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Letter:
    """What one connection is to be sent, and what it is about.

    Attributes:
        replayed_to: The last event that the connection certainly has, should this one not arrive.
    """

    connection_id: str
    order: Order
    text: str
    replayed_to: int
    is_batched: bool
    owed: Acknowledgement | None = None


class Teller:
    """Sends committed events to everybody who follows their orders.

    What batched connections get may be held back, to travel together with what follows; ``hold`` and
    ``flush`` are for one thread, ``tell`` for any.
    """

    def __init__(self, subscriptions: Subscriptions, connections: Connections, queue: OrderQueue) -> None:
        self._subscriptions = subscriptions
        self._connections = connections
        self._queue = queue
        self._held: list[_Letter] = []
        # How many orders a connection was set back for since it last took a frame.
        self._behind: OrderedDict[str, int] = OrderedDict()

    def tell(self, told: Sequence[Told], owed: Owed = NOTHING_OWED) -> None:
        """Send events to the live listeners; the events must be committed already.

        A connection that is gone is forgotten. One that did not take a frame is set back: it gets
        nothing more of that order until it has been caught up.

        Raises:
            RetryableError: Somebody may not have been told, and nothing on record says who. The
                events have to be told again, all of them if in doubt: clients go by ``seq``.
        """
        self._deliver(self._letters(told, owed))

    def hold(self, told: Sequence[Told], owed: Owed = NOTHING_OWED) -> None:
        """Send events as ``tell`` does, but keep those for batched connections until ``flush``."""
        letters = self._letters(told, owed)
        self._held += [letter for letter in letters if letter.is_batched]
        self._deliver([letter for letter in letters if not letter.is_batched])

    def flush(self) -> None:
        """Send what was held back, as ``tell`` does."""
        held, self._held = self._held, []
        self._deliver(held)

    def _letters(self, told: Sequence[Told], owed: Owed) -> list[_Letter]:
        listeners = self._subscriptions.listeners([order for order, _ in told])
        by_order: dict[UUID, list[Listener]] = {order.order_id: [] for order, _ in told}
        for listener in listeners:
            by_order[listener.order_id].append(listener)
        letters: list[_Letter] = []
        for order, events in told:
            listening = by_order[order.order_id]
            if order.order_id in owed:
                letters.append(_acknowledging(order, owed[order.order_id], listening))
            letters += _telling(order, events, [listener for listener in listening if listener.live])
        return letters

    def _deliver(self, letters: Sequence[_Letter]) -> None:
        if not letters:
            return
        deliveries = self._connections.post(_frames(letters))
        self._forget(connection for connection, delivery in deliveries.items() if delivery is Delivery.GONE)
        for connection_id, delivery in deliveries.items():
            if delivery is not Delivery.UNDELIVERED:
                self._behind.pop(connection_id, None)
        missed: dict[tuple[str, UUID], list[_Letter]] = {}
        for letter in letters:
            if deliveries[letter.connection_id] is Delivery.UNDELIVERED:
                missed.setdefault((letter.connection_id, letter.order.order_id), []).append(letter)
        if missed:
            self._set_back(list(missed.values()))

    def _forget(self, connection_ids: Iterable[str]) -> None:
        gone = sorted(connection_ids)
        if gone:
            self._subscriptions.forget(gone)
            logger.info("connections gone", connection_id=gone)

    def _set_back(self, missed: Sequence[Sequence[_Letter]]) -> None:
        """Have connections caught up with orders of which they took nothing, as far as anybody knows.

        Not merely from before the first frame that failed: an earlier one may never have been sent, by
        a consumer that died or could not read who listens.
        """
        noted = [
            Missed(each[0].connection_id, each[0].order, min(letter.replayed_to for letter in each))
            for each in missed
        ]
        self._subscriptions.lag(noted)
        wanted = (
            self._catching_up(note, next((letter.owed for letter in each if letter.owed), None))
            for note, each in zip(noted, missed, strict=True)
        )
        if messages := [message for message in wanted if message is not None]:
            self._queue.send(messages)

    def _catching_up(self, missed: Missed, owed: Acknowledgement | None) -> QueueMessage | None:
        """Return what has a connection caught up; None if that is left to the sweep, which brings all but what is owed.

        A connection that takes nothing, order after order, would otherwise cost the queue and its consumers as much
        as the orders do.
        """
        connection_id, order = missed.connection_id, missed.order
        logger.warning("frame not delivered", connection_id=connection_id, order_id=str(order.order_id))
        behind = self._behind.pop(connection_id, 0) + 1
        self._behind[connection_id] = behind
        if len(self._behind) > _BEHIND_MAX:
            self._behind.popitem(last=False)
        if behind > CAUGHT_UP_SOON_MAX and owed is None:
            return None
        message = FollowMessage(
            connection_id=connection_id,
            account_id=order.account_id,
            order_id=order.order_id,
            after_seq=missed.sent_to,
            owed=owed,
        )
        return QueueMessage(message.model_dump_json(), order.account_id, CATCH_UP_DELAY_S)


def _telling(order: Order, events: Sequence[OrderEvent], live: Sequence[Listener]) -> Iterator[_Letter]:
    for event in events if live else ():
        text = json_text(order_event(order.client_order_id, event))
        for listener in live:
            if event.seq > listener.replayed_to:
                yield _Letter(listener.connection_id, order, text, listener.replayed_to, listener.batched)


def _acknowledging(order: Order, owed: Acknowledgement, listening: Sequence[Listener]) -> _Letter:
    text = json_text(accepted(owed.request_id, order))
    for listener in listening:
        if listener.connection_id == owed.connection_id:
            return _Letter(owed.connection_id, order, text, listener.replayed_to, listener.batched, owed)
    # It has stopped following meanwhile; only batched connections are owed anything.
    return _Letter(owed.connection_id, order, text, 0, is_batched=True, owed=owed)


def _frames(letters: Sequence[_Letter]) -> list[Frame]:
    frames = [Frame(letter.connection_id, letter.text) for letter in letters if not letter.is_batched]
    together: dict[str, list[str]] = {}
    for letter in letters:
        if letter.is_batched:
            together.setdefault(letter.connection_id, []).append(letter.text)
    for connection_id, texts in together.items():
        frames += [Frame(connection_id, text) for text in batch_texts(texts)]
    return frames
