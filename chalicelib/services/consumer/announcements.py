"""What a batch has to publish, beside its next step:
committed events to the operator and to the connections that wait.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import Subscription
from chalicelib.logs import logger
from chalicelib.services.consumer.batch import Batch
from chalicelib.services.delivery.background import Background
from chalicelib.services.delivery.publisher import (
    NONE_DEFERRED,
    NONE_KNOWN,
    DeferredAcknowledgements,
    EventPublisher,
)
from chalicelib.services.delivery.republish import EventRepublisher
from chalicelib.services.isolation import one_by_one, together_or_alone
from chalicelib.services.ports import Observer

Committed = tuple[Order, tuple[OrderEvent, ...]]
_Subscribed = Mapping[UUID, Sequence[Subscription]]
_Held = tuple[Sequence[Committed], DeferredAcknowledgements, _Subscribed]

CLAIM_HOLD_S: Final = 0.01
"""So long the events of a claim wait for those of the write-ahead, which are some milliseconds away where the
venues answer at once: one question for the subscribers and one post carry both.
"""


class Announcer:
    """Publishes in the background, in the order of the commits.
    A defect with one order leaves that one unpublished.
    """

    def __init__(
        self,
        *,
        publisher: EventPublisher,
        republisher: EventRepublisher,
        background: Background,
        observer: Observer,
        batch_hold_ms: int,
    ) -> None:
        self._publisher = publisher
        self._republisher = republisher
        self._background = background
        self._observer = observer
        self._batch_hold_s = batch_hold_ms / 1000
        self._batch: Batch | None = None
        # Appended to by the caller, taken from by the background.
        self._held: deque[_Held] = deque()

    def announce(
        self,
        batch: Batch,
        committed: Sequence[Committed],
        deferred_acknowledgements: DeferredAcknowledgements = NONE_DEFERRED,
        *,
        subscribed: _Subscribed = NONE_KNOWN,
        hold_s: float = 0.0,
    ) -> None:
        """Publish events that have just been committed.

        Args:
            subscribed: The subscriptions to some of the orders, read after that commit.
            hold_s: How long they may wait for what is committed next.
        """
        if not committed:
            return
        together_or_alone(
            committed, lambda some: self._observer.saw(some, batch.correlation_ids), _log_unobserved
        )

        self._batch = batch
        self._held.append((committed, deferred_acknowledgements, subscribed))
        if hold_s:
            self._background.run_within(hold_s, self._publish)
        else:
            self._background.run(self._publish)

    def republish(self, batch: Batch, found: OrderState) -> None:
        """Publish what may not have been published, ahead of all that will happen."""
        order_id: UUID = found.order.order_id
        if not batch.may_be_unpublished(found):
            return
        creator = batch.creator(found.order)
        deferred_acknowledgement = creator.deferred_acknowledgement if creator else None

        def republish() -> None:
            one_by_one(
                [found],
                lambda state: self._republisher.republish(state, deferred_acknowledgement),
                lambda _, error: batch.leave_unpublished(order_id, error),
            )

        self._background.run(republish)

    def wait(self) -> None:
        """Return when all of it has been published.

        Raises:
            RetryableError: Some of it may not have been; nothing is lost, it can be published again.
        """
        self._background.wait()

    def _publish(self) -> None:
        """Publish what is held: all events of an order together, in the order of their commits."""
        batch = self._batch
        held: list[_Held] = []
        while self._held:
            held.append(self._held.popleft())
        if batch is None or not held:
            return
        committed, deferred_acknowledgements, subscribed = held[0] if len(held) == 1 else _together(held)
        together_or_alone(
            committed,
            lambda some: self._publisher.publish_buffered(some, deferred_acknowledgements, subscribed),
            lambda one, error: batch.leave_unpublished(one[0].order_id, error),
        )
        if self._publisher.has_buffered:
            self._background.run_within(self._batch_hold_s, self._flush)

    def _flush(self) -> None:
        try:
            self._publisher.flush()
        except RetryableError:
            raise
        except Exception as error:  # noqa: BLE001  # whose frame it was is not known: all of them are published again
            assert self._batch is not None, "it has published"
            for order_id in self._batch.requests:
                self._batch.leave_unpublished(order_id, error)


def _together(held: Sequence[_Held]) -> _Held:
    """Return what several commits have to publish as one."""
    events = dict[UUID, Committed]()
    deferred_acknowledgements: dict[UUID, Acknowledgement] = {}
    subscribed: dict[UUID, Sequence[Subscription]] = {}
    for committed, deferred, known in held:
        deferred_acknowledgements.update(deferred)
        for order, more in committed:
            _, before = events.get(order.order_id, (order, ()))
            events[order.order_id] = order, (*before, *more)
            # As of its last commit: of an earlier one's, a replay may have gone live in between.
            subscribed.pop(order.order_id, None)
            if order.order_id in known:
                subscribed[order.order_id] = known[order.order_id]
    return list(events.values()), deferred_acknowledgements, subscribed


def _log_unobserved(committed: Committed, error: Exception) -> None:
    # The log and the metrics decide nothing: no order waits for them.
    logger.error("defect", exc_info=error, order_id=str(committed[0].order_id), doing="observing")
