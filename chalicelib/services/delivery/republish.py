"""Publishing again what an earlier consumer of an order may have died before publishing."""

from typing import Final

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.orders import OrderState
from chalicelib.domain.progress import Published
from chalicelib.services.delivery.publisher import NONE_DEFERRED, EventPublisher
from chalicelib.services.ports import OrderQueries, OrderRecord

PUBLISHED_WITHIN_S: Final = 5
"""A function that cancels or amends publishes that itself; for so long its change is left to it. What kept it
from doing so may be gone by then.
"""

_EVENTS_MAX: Final = 1_000


class EventRepublisher:
    """Goes by what the record knows to have been published: ``OrderState.published_seq``."""

    def __init__(self, queries: OrderQueries, publisher: EventPublisher, record: OrderRecord) -> None:
        self._queries = queries
        self._record = record
        self._publisher = publisher

    def republish(self, found: OrderState, deferred_acknowledgement: Acknowledgement | None = None) -> None:
        """Publish the events of an order, as it was found, that are not known to have been published.

        ``deferred_acknowledgement``: the acknowledgement that goes with the first of them.

        Raises:
            RetryableError: As ``EventPublisher.publish``, or the record is unreachable.
        """
        # Of an order that ended, what was published may have been so by another message than the one with the
        # acknowledgement: that goes ahead of all of it once more.
        is_owed = found.is_final and deferred_acknowledgement is not None
        published_seq = 0 if is_owed else found.published_seq
        if published_seq == found.seq:
            return
        order = found.order
        events = self._queries.events_after(order.order_id, published_seq, limit=_EVENTS_MAX)
        unpublished = [event for event in events if event.seq <= found.seq]
        goes_first = (
            {order.order_id: deferred_acknowledgement}
            if deferred_acknowledgement is not None and published_seq == 0
            else NONE_DEFERRED
        )
        self._publisher.publish([(order, unpublished)], goes_first)
        if found.is_final:
            # Of any other order the claim's end notes it.
            self.note(found)

    def note(self, found: OrderState) -> None:
        """Note that an order's events up to where it was found are published.

        Raises ``RetryableError`` if the record is unreachable.
        """
        if found.published_seq < found.seq:
            self._record.note_published([Published(found.order.order_id, found.published_seq, found.seq)])
