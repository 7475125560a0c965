"""What a batch has to publish, beside its next step:
committed events to the operator and to the connections that wait.
"""

from collections.abc import Sequence
from uuid import UUID

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.orders import Order, OrderState
from chalicelib.logs import logger
from chalicelib.services.consumer.batch import Batch
from chalicelib.services.delivery.background import Background
from chalicelib.services.delivery.publisher import NONE_DEFERRED, DeferredAcknowledgements, EventPublisher
from chalicelib.services.delivery.republish import EventRepublisher
from chalicelib.services.isolation import one_by_one, together_or_alone
from chalicelib.services.ports import Observer

Committed = tuple[Order, tuple[OrderEvent, ...]]


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

    def announce(
        self,
        batch: Batch,
        committed: Sequence[Committed],
        deferred_acknowledgements: DeferredAcknowledgements = NONE_DEFERRED,
    ) -> None:
        """Publish events that have just been committed."""
        if not committed:
            return
        together_or_alone(
            committed, lambda some: self._observer.saw(some, batch.correlation_ids), _log_unobserved
        )

        def publish() -> None:
            together_or_alone(
                committed,
                lambda some: self._publisher.publish_buffered(some, deferred_acknowledgements),
                lambda one, error: batch.leave_unpublished(one[0].order_id, error),
            )

        self._background.run(publish)
        self._background.run_within(self._batch_hold_s, lambda: self._flush(batch))

    def republish(self, batch: Batch, found: OrderState) -> None:
        """Publish what may not have been published, ahead of all that will happen."""
        order_id: UUID = found.order.order_id
        if not batch.may_be_unpublished(order_id):
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

    def _flush(self, batch: Batch) -> None:
        try:
            self._publisher.flush()
        except RetryableError:
            raise
        except Exception as error:  # noqa: BLE001  # whose frame it was is not known: all of them are published again
            for order_id in batch.requests:
                batch.leave_unpublished(order_id, error)


def _log_unobserved(committed: Committed, error: Exception) -> None:
    # The log and the metrics decide nothing: no order waits for them.
    logger.error("defect", exc_info=error, order_id=str(committed[0].order_id), doing="observing")
