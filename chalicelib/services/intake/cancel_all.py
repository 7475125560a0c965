"""Canceling all orders of an account that fit a filter, some at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from chalicelib.domain.errors import RetryableError, UnansweredError, UnknownOutcomeError
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import Published
from chalicelib.logs import logger
from chalicelib.services.delivery.publisher import EventPublisher
from chalicelib.services.intake.cancel import earlier_events
from chalicelib.services.intake.publish_later import publish_later
from chalicelib.services.ports import Clock, Observer, OrderQueries, OrderQueue

CANCELED_AT_ONCE: Final = 200
"""In one statement, whose events then leave together."""

CANCELED_PER_CALL_MAX: Final = 1_000
ALREADY_SENT_MAX: Final = 500
"""Ids in one answer, which has to fit into a frame."""

_LOOKS: Final = 5
_PAUSE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What is left of the orders that were meant: sent already, or changing hands at that moment."""

    already_sent: Sequence[UUID]
    cancelable: int


class EndedOrder(NamedTuple):
    """An order that was canceled, and its last event.

    Attributes:
        published_seq: Events up to this one are known to have been published.
    """

    order: Order
    event: OrderEvent
    published_seq: int


class OpenOrdersRecord(Protocol):
    """An account's unfinished orders together. Raises ``RetryableError`` if the record is unreachable."""

    def mark(self, account_id: str, wanted: OrderFilter, at: datetime) -> None:
        """Have such orders end as canceled too that were accepted until now and are on record later.

        Raises ``UnansweredError`` if they may.
        """
        ...

    def cancel_some(
        self, account_id: str, wanted: OrderFilter, at: datetime, *, limit: int
    ) -> Sequence[EndedOrder]:
        """End orders as canceled, at most ``limit``: those of which nothing was ever handed to a venue.

        They count as unpublished until ``note_published``.

        Orders that a consumer is writing at this moment are left out. Raises ``UnansweredError`` if some may
        be canceled.
        """
        ...

    def note_published(self, published: Sequence[Published]) -> None:
        """Note what was published, where all before it had been."""
        ...

    def unfinished(self, account_id: str, wanted: OrderFilter, *, limit: int) -> Unfinished:
        """Return what is left of such orders, the oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class CanceledAll:
    """What became of a request.

    Attributes:
        already_sent: Unfinished orders of which something was handed to a venue.
        has_more: Others are left that can be canceled: the same request again finds them.
        accepted_until: What was accepted until then and is not on record yet is canceled once it would be.
    """

    canceled: int
    already_sent: Sequence[UUID]
    has_more: bool
    accepted_until: datetime


class CancelAllOrders:
    """Each order meets its consumer at its row, as with a single cancel: the first to change it wins."""

    def __init__(
        self,
        record: OpenOrdersRecord,
        queries: OrderQueries,
        publisher: EventPublisher,
        queue: OrderQueue,
        observer: Observer,
        clock: Clock,
        *,
        at_once: int = CANCELED_AT_ONCE,
        per_call: int = CANCELED_PER_CALL_MAX,
    ) -> None:
        self._record = record
        self._queries = queries
        self._publisher = publisher
        self._queue = queue
        self._observer = observer
        self._clock = clock
        self._at_once = at_once
        self._per_call = per_call

    def cancel_all(self, account_id: str, wanted: OrderFilter) -> CanceledAll:
        """End the account's orders that fit, a bounded number; tell their subscribers.

        An order that is accepted and whose message is in the queue still is ended by its consumer: the mark
        is there before the first look at the record, and each order's first step after its creation asks for
        it.

        Raises:
            RetryableError: The record is unreachable, and nothing was canceled.
            UnknownOutcomeError: Some were, or may have been; the same request is safe to repeat.
        """
        canceled, now = 0, self._clock.now()
        is_marked = False
        try:
            self._record.mark(account_id, wanted, now)
            is_marked = True
            for look in range(_LOOKS):
                for part in self._canceled(account_id, wanted, self._per_call - canceled):
                    canceled += part
                left = self._record.unfinished(account_id, wanted, limit=ALREADY_SENT_MAX)
                if not left.cancelable or canceled >= self._per_call:
                    break
                if look < _LOOKS - 1:
                    self._clock.sleep(_PAUSE_S)
        except RetryableError as fault:
            if not is_marked and not isinstance(fault, UnansweredError):
                raise
            logger.warning("cancel of all unknown", canceled=canceled, reason=fault.message)
            message = f"at least {canceled} orders were canceled; whether more were is not known: ask again"
            raise UnknownOutcomeError(message, None) from fault
        return CanceledAll(canceled, left.already_sent, bool(left.cancelable), now)

    def _canceled(self, account_id: str, wanted: OrderFilter, most: int) -> Iterator[int]:
        """Cancel until a look finds fewer than it asked for; yield how many, once they are told."""
        while most:
            limit = min(self._at_once, most)
            ended = self._record.cancel_some(account_id, wanted, self._clock.now(), limit=limit)
            if ended:
                self._tell(ended)
                yield len(ended)
            if len(ended) < limit:
                break
            most -= len(ended)

    def _tell(self, ended: Sequence[EndedOrder]) -> None:
        self._observer.saw([(order, [event]) for order, event, _ in ended], {})
        try:
            last = [(order.order_id, published_seq, event.seq) for order, event, published_seq in ended]
            told, published = [], []
            for (order, event, _), (earlier, after_seq) in zip(
                ended, earlier_events(self._queries, last), strict=True
            ):
                told.append((order, [*earlier, event]))
                published.append(Published(order.order_id, after_seq, event.seq))
            self._publisher.publish(told)
            self._record.note_published(published)
        except RetryableError as fault:
            logger.warning("cancels not published", orders=len(ended), reason=fault.message)
            publish_later(self._queue, [order for order, _, _ in ended])
