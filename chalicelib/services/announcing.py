"""What a batch has to tell, beside its next step: committed events to the operator and to the connections that wait."""

from collections.abc import Sequence
from uuid import UUID

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import Order, OrderEvent, OrderState
from chalicelib.logs import logger
from chalicelib.services.background import Background
from chalicelib.services.batch import Batch
from chalicelib.services.isolation import one_by_one, together_or_alone
from chalicelib.services.ports import Observer
from chalicelib.services.retelling import Retelling
from chalicelib.services.telling import NOTHING_OWED, Owed, Teller

Committed = tuple[Order, tuple[OrderEvent, ...]]


class Announcer:
    """Tells in the background, in the order of the commits. A defect in one order's telling leaves that one untold."""

    def __init__(
        self,
        *,
        teller: Teller,
        retelling: Retelling,
        background: Background,
        observer: Observer,
        batch_hold_ms: int,
    ) -> None:
        self._teller = teller
        self._retelling = retelling
        self._background = background
        self._observer = observer
        self._batch_hold_s = batch_hold_ms / 1000

    def announce(self, batch: Batch, committed: Sequence[Committed], owed: Owed = NOTHING_OWED) -> None:
        """Tell events that have just been committed."""
        if not committed:
            return
        together_or_alone(
            committed, lambda some: self._observer.saw(some, batch.correlation_ids), _log_unobserved
        )

        def tell() -> None:
            together_or_alone(
                committed,
                lambda some: self._teller.hold(some, owed),
                lambda one, error: batch.leave_untold(one[0].order_id, error),
            )

        self._background.run(tell)
        self._background.run_within(self._batch_hold_s, lambda: self._flush(batch))

    def retell(self, batch: Batch, found: OrderState) -> None:
        """Tell what may not have been told, ahead of all that will happen."""
        order_id: UUID = found.order.order_id
        if not batch.may_be_untold(order_id):
            return
        creator = batch.creator(found.order)
        owed = creator.owed if creator else None

        def retell() -> None:
            one_by_one(
                [found],
                lambda state: self._retelling.retell(state, owed),
                lambda _, error: batch.leave_untold(order_id, error),
            )

        self._background.run(retell)

    def wait(self) -> None:
        """Return when all of it has been told.

        Raises:
            RetryableError: Some of it may not have been; nothing is lost, it can be told again.
        """
        self._background.wait()

    def _flush(self, batch: Batch) -> None:
        try:
            self._teller.flush()
        except RetryableError:
            raise
        except Exception as error:  # noqa: BLE001  # whose frame it was is not known: all of them are told again
            for order_id in batch.requests:
                batch.leave_untold(order_id, error)


def _log_unobserved(committed: Committed, error: Exception) -> None:
    # The log and the metrics decide nothing: no order waits for them.
    logger.error("defect", exc_info=error, order_id=str(committed[0].order_id), doing="observing")
