"""Canceling an order that was never sent to a venue."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from chalicelib.domain.errors import Code, ConflictError, RetryableError, UnansweredError, UnknownOutcomeError
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import Published
from chalicelib.logs import logger
from chalicelib.services.delivery.publisher import EventPublisher
from chalicelib.services.intake.publish_later import publish_later
from chalicelib.services.ports import Clock, EventSpan, Observer, OrderQueries, OrderQueue, OrderRecord
from chalicelib.services.wait_budget import WaitBudget, found_in_time

_EARLIER_MAX: Final = 1_000


class CancelOrders:
    """A cancel and the consumer meet at the order's row: the first to change it wins."""

    def __init__(
        self,
        record: OrderRecord,
        queries: OrderQueries,
        publisher: EventPublisher,
        observer: Observer,
        queue: OrderQueue,
        clock: Clock,
        *,
        lookup_wait_ms: int,
    ) -> None:
        self._record = record
        self._queries = queries
        self._publisher = publisher
        self._observer = observer
        self._queue = queue
        self._clock = clock
        self._lookup_wait_s = lookup_wait_ms / 1000
        self._wait_budget = WaitBudget(clock)

    def cancel(
        self,
        account_id: str,
        order_id: UUID,
        *,
        connection_id: str | None = None,
        batched: bool = False,
        request_id: str | None = None,
    ) -> None:
        """End an order as canceled; publish that to its subscribers and to the connection that asked.

        ``batched``: the connection that asked gets its events in batches. ``request_id``: its frame names it.

        Raises:
            NotFoundError: The account has no such order.
            ConflictError: It is final already, or something of it was handed to a venue.
            UnknownOutcomeError: It may be canceled; asked again, it is or is not.
        """
        published_seq = self._found(account_id, order_id).published_seq
        try:
            canceled = self._record.cancel(account_id, order_id, self._clock.now())
        except UnansweredError as fault:
            logger.warning("cancel unknown", order_id=str(order_id), reason=fault.message)
            message = "whether the order was canceled is not known: ask for orderId, or cancel it again"
            raise UnknownOutcomeError(message, order_id) from fault
        if canceled is None:
            raise _refusal(self._found(account_id, order_id))
        order, event = canceled
        self._observer.saw([(order, [event])], {})
        try:
            try:
                after_seq = self._publish_earlier(order, published_seq, event.seq)
            except RetryableError:
                # Who asked waits for it, and may be no subscriber.
                self._publisher.answer(order, event, connection_id, batched=batched, request_id=request_id)
                raise
            self._publisher.publish_to(order, event, connection_id, batched=batched, request_id=request_id)
            self._record.note_published([Published(order_id, after_seq, event.seq)])
        except RetryableError as fault:
            logger.warning("cancel not published", order_id=str(order_id), reason=fault.message)
            publish_later(self._queue, [order])

    def _publish_earlier(self, order: Order, published_seq: int, seq: int) -> int:
        """Publish the events ahead of ``seq`` unless they are known to have been; return after which all
        have.
        """
        ((earlier, after_seq),) = earlier_events(self._queries, [(order.order_id, published_seq, seq)])
        if earlier:
            self._publisher.publish([(order, earlier)])
        return after_seq

    def _found(self, account_id: str, order_id: UUID) -> OrderState:
        """Return an order, waiting a little for one that was accepted and is not on record yet."""
        return found_in_time(
            lambda: self._record.state(account_id, order_id),
            self._wait_budget,
            account_id,
            wait_s=self._lookup_wait_s,
        )


def earlier_events(
    queries: OrderQueries, ended: Sequence[tuple[UUID, int, int]]
) -> list[tuple[Sequence[OrderEvent], int]]:
    """Return, for each order, the events ahead of its last one that are not known to have been published, and
    after which event all have been once these are.

    They are a consumer's that works at the order, and can note no more that it has published them. Its
    message comes back after the lease, and would have all of them told again, the cancel among them.

    Args:
        ended: Of each order its id, up to which event all are known to have been published, and the ``seq``
            of its last one.
    """
    spans = [
        EventSpan(order_id, published_seq, seq - 1)
        for order_id, published_seq, seq in ended
        if published_seq < seq - 1
    ]
    found = queries.events_of(spans, limit=_EARLIER_MAX) if spans else {}
    earlier = [found.get(order_id, ()) for order_id, _, _ in ended]
    return [
        (events, published_seq if len(events) == seq - 1 - published_seq else seq - 1)
        for events, (_, published_seq, seq) in zip(earlier, ended, strict=True)
    ]


def _refusal(state: OrderState) -> ConflictError:
    if state.is_final:
        return ConflictError(Code.ORDER_ALREADY_FINAL, f"the order is {state.status} already")
    return ConflictError(
        Code.ORDER_ALREADY_SENT, "the order was handed to a venue and can no longer be canceled"
    )
