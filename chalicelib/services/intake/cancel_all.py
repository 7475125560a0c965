"""Canceling all orders of an account that fit a filter, some at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from chalicelib.domain.errors import RetryableError, UnansweredError, UnknownOutcomeError
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.orders import Order
from chalicelib.logs import logger
from chalicelib.services.delivery.publisher import EventPublisher
from chalicelib.services.ports import BatchQueue, Clock, Observer, QueueMessage
from chalicelib.wire.queue_messages import OrderMessage

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


class OpenOrdersRecord(Protocol):
    """An account's unfinished orders together. Raises ``RetryableError`` if the record is unreachable."""

    def cancel_some(
        self, account_id: str, wanted: OrderFilter, at: datetime, *, limit: int
    ) -> Sequence[tuple[Order, OrderEvent]]:
        """End orders as canceled, at most ``limit``: those of which nothing was ever handed to a venue.

        Orders that a consumer is writing at this moment are left out. Raises ``UnansweredError`` if some may
        be canceled.
        """
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
    """

    canceled: int
    already_sent: Sequence[UUID]
    has_more: bool


class CancelAllOrders:
    """Each order meets its consumer at its row, as with a single cancel: the first to change it wins."""

    def __init__(
        self,
        record: OpenOrdersRecord,
        publisher: EventPublisher,
        queue: Callable[[], BatchQueue],
        observer: Observer,
        clock: Clock,
        *,
        at_once: int = CANCELED_AT_ONCE,
        per_call: int = CANCELED_PER_CALL_MAX,
    ) -> None:
        self._record = record
        self._publisher = publisher
        self._queue = queue
        self._observer = observer
        self._clock = clock
        self._at_once = at_once
        self._per_call = per_call

    def cancel_all(self, account_id: str, wanted: OrderFilter) -> CanceledAll:
        """End the account's orders that fit, a bounded number; tell their subscribers.

        An order that is accepted and not on record yet is not among them.

        Raises:
            RetryableError: The record is unreachable, and nothing was canceled.
            UnknownOutcomeError: Some were, or may have been; the same request is safe to repeat.
        """
        canceled = 0
        try:
            for look in range(_LOOKS):
                for part in self._canceled(account_id, wanted, self._per_call - canceled):
                    canceled += part
                left = self._record.unfinished(account_id, wanted, limit=ALREADY_SENT_MAX)
                if not left.cancelable or canceled >= self._per_call:
                    break
                if look < _LOOKS - 1:
                    self._clock.sleep(_PAUSE_S)
        except RetryableError as fault:
            if not canceled and not isinstance(fault, UnansweredError):
                raise
            logger.warning("cancel of all unknown", canceled=canceled, reason=fault.message)
            message = f"at least {canceled} orders were canceled; whether more were is not known: ask again"
            raise UnknownOutcomeError(message, None) from fault
        return CanceledAll(canceled, left.already_sent, bool(left.cancelable))

    def _canceled(self, account_id: str, wanted: OrderFilter, most: int) -> Iterator[int]:
        """Cancel until a look finds fewer than it asked for; yield how many, once they are told."""
        while most:
            limit = min(self._at_once, most)
            ended = self._record.cancel_some(account_id, wanted, self._clock.now(), limit=limit)
            if ended:
                self._tell([(order, [event]) for order, event in ended])
                yield len(ended)
            if len(ended) < limit:
                break
            most -= len(ended)

    def _tell(self, ended: Sequence[tuple[Order, Sequence[OrderEvent]]]) -> None:
        self._observer.saw(ended, {})
        try:
            self._publisher.publish(ended)
        except RetryableError as fault:
            # A message of a final order has its consumer tell it again. Those of resting orders are used up.
            logger.warning("cancels not published", orders=len(ended), reason=fault.message)
            messages = [OrderMessage(order=order).model_dump_json() for order, _ in ended]
            self._queue().send_each(
                [
                    QueueMessage(body, order.account_id)
                    for body, (order, _) in zip(messages, ended, strict=True)
                ]
            )
