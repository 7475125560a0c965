"""A batch of requests while it is worked through: which message asks for what, what is claimed,
and what is to become of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Self
from uuid import UUID

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.errors import DatabaseInternalError
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import ClaimedOrder, Published
from chalicelib.domain.statuses import OrderStatus
from chalicelib.logs import logger
from chalicelib.values import value


@value
class Incoming:
    """A request to move an order on.

    Attributes:
        order: None if the order is on record already.
        connection_id: The WebSocket connection that submitted it, subscribed to it from the first event.
        correlation_id: Of the request that brought the order; for the log.
        delivery: Which delivery of the request this is, from 1.
        deferred_acknowledgement: The order's acknowledgement, if it has not been sent.
        firing: Of the watch that brought the order back; None if something else did.
    """

    order_id: UUID
    order: Order | None = None
    connection_id: str | None = None
    correlation_id: str | None = None
    delivery: int = 1
    deferred_acknowledgement: Acknowledgement | None = None
    firing: int | None = None

    @property
    def is_repeated(self) -> bool:
        """Whether a consumer may have worked on it before, and died."""
        return self.delivery > 1 or self.order is None


@value
class MessageOutcome:
    """What is to become of the messages that asked for an order.

    Attributes:
        retry_in_s: Look again after so long; None if the messages have done their work.
        order: As it is on record; None if it is not.
    """

    retry_in_s: int | None = None
    order: Order | None = None


@value
class Batch:
    """The requests, by order, and how far they have got.

    Attributes:
        outcomes: What is to become of the messages, as far as is known.
        claimed: The orders that this consumer has claimed.
        defective: Orders that something unforeseen was raised over: the others go on without them.
        put_off: Those of them that the database failed over: nothing is decided by that.
        unpublished: Orders whose events were not all published, for such a reason.
        armed: Orders that rest by now, with watches that are on record.
        reminded: What is to be noted as published of orders that ended before a message which wakes them.
    """

    requests: Mapping[UUID, Sequence[Incoming]]
    correlation_ids: Mapping[UUID, str | None]
    outcomes: dict[UUID, MessageOutcome] = field(default_factory=dict)
    claimed: dict[UUID, ClaimedOrder] = field(default_factory=dict)
    defective: set[UUID] = field(default_factory=set)
    put_off: set[UUID] = field(default_factory=set)
    unpublished: set[UUID] = field(default_factory=set)
    armed: set[UUID] = field(default_factory=set)
    reminded: list[Published] = field(default_factory=list)

    @classmethod
    def of(cls, incoming: Sequence[Incoming]) -> Self:
        requests: dict[UUID, list[Incoming]] = {}
        correlation_ids: dict[UUID, str | None] = {}
        for each in incoming:
            order_id = each.order_id
            requests.setdefault(order_id, []).append(each)
            correlation_ids[order_id] = each.correlation_id
        return cls(requests, correlation_ids)

    def leave(self, order_id: UUID, retry_in_s: int | None) -> None:
        """Note that nothing of an order is claimed any more, and when to look at it again, if ever."""
        del self.claimed[order_id]
        before = self.outcomes[order_id]
        if before.retry_in_s != retry_in_s:
            self.outcomes[order_id] = MessageOutcome(retry_in_s, before.order)

    def delivery(self, order_id: UUID) -> int:
        """Return how often an order's requests were delivered."""
        return max(each.delivery for each in self.requests[order_id])

    def is_due(self, order: ClaimedOrder, now: datetime) -> bool:
        """Return whether there is something to do for an order: one that rests has to have fired.

        A message of an earlier firing has been acted on, and is too late. A sniper order is looked at
        whenever it is asked for: what opens at a known time, or has a fee that falls, wakes it by a message
        of its own.
        """
        if order.state.status is not OrderStatus.OPEN or order.is_late(now):
            return True
        if order.state.order.terms.sniper is not None:
            return True
        if order.fired is None:
            return False
        named = {each.firing for each in self.requests[order.state.order.order_id]}
        return None in named or order.fired.firing in named

    def has_fired(self, order_id: UUID) -> bool:
        """Return whether a watch brought an order back."""
        return any(each.firing is not None for each in self.requests[order_id])

    def brings(self, order_id: UUID) -> bool:
        """Return whether one of an order's requests holds the order, with what its client waits for."""
        return any(each.order is not None for each in self.requests[order_id])

    def may_be_unpublished(self, found: OrderState) -> bool:
        """Return whether an order may have events that a consumer recorded and died before publishing.

        What fired is announced again while its message waits. The order has ended by then by a message that
        comes again itself, if its consumer died; a cancel alone needs none.
        """
        order_id = found.order.order_id
        if order_id in self.claimed:
            return True
        has_ended = found.is_final and found.status is not OrderStatus.CANCELED
        return any(
            each.is_repeated and not (has_ended and each.firing is not None and each.delivery == 1)
            for each in self.requests[order_id]
        )

    def creator(self, order: Order) -> Incoming | None:
        """Return the request that an order was made from, if it is one of these:
        only it knows the deferred acknowledgement.
        """
        for each in self.requests[order.order_id]:
            if each.order is not None and each.order.submission_id == order.submission_id:
                return each
        return None

    def deferred_acknowledgements(self, orders: Iterable[Order]) -> Mapping[UUID, Acknowledgement]:
        """Return the acknowledgements of orders made from these requests that have not been sent yet."""
        if not any(each.deferred_acknowledgement for some in self.requests.values() for each in some):
            return {}
        creators = ((order.order_id, self.creator(order)) for order in orders)
        return {
            order_id: creator.deferred_acknowledgement
            for order_id, creator in creators
            if creator and creator.deferred_acknowledgement
        }

    def is_acknowledged(self, state: OrderState) -> bool:
        """Return whether an order's acknowledgement, if it was deferred, has gone ahead of its events."""
        if state.order.order_id in self.unpublished:
            return False
        return state.published_seq > 0 or self.creator(state.order) is not None

    def hit_defect(self, order_id: UUID, error: Exception, doing: str) -> None:
        """Note a defect of ours that this order has run into, with all that is known of it."""
        self.defective.add(order_id)
        if isinstance(error, DatabaseInternalError):
            self.put_off.add(order_id)
        self._log(order_id, error, doing)

    def leave_unpublished(self, order_id: UUID, error: Exception) -> None:
        """Note that a defect of ours kept an order's events from being published;
        the order itself goes on.
        """
        self.unpublished.add(order_id)
        self._log(order_id, error, "publishing")

    def _log(self, order_id: UUID, error: Exception, doing: str) -> None:
        correlation_id = self.correlation_ids.get(order_id)
        logger.error(
            "defect", exc_info=error, order_id=str(order_id), correlation_id=correlation_id, doing=doing
        )
