"""Amending an order that rests: other terms under the same id."""

from collections.abc import Callable, Mapping
from uuid import UUID

from chalicelib.domain.amendments import Amendment, amended
from chalicelib.domain.errors import (
    Code,
    ConflictError,
    FieldProblem,
    NotFoundError,
    RetryableError,
    UnansweredError,
    UnknownOutcomeError,
)
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import Published
from chalicelib.domain.rates import spelled_price
from chalicelib.domain.statuses import OrderStatus
from chalicelib.logs import logger
from chalicelib.services.delivery.publisher import EventPublisher
from chalicelib.services.intake.publish_later import publish_later
from chalicelib.services.mints import LearnMints
from chalicelib.services.ports import Clock, Observer, OrderQueue, OrderRecord
from chalicelib.services.wait_budget import WaitBudget, found_in_time
from chalicelib.wire.moments import rfc3339


class AmendOrders:
    """An amendment and the consumer meet at the order's row: the first to change it wins.

    Args:
        look: Has the prices looked at, which may be there already; it raises nothing.
    """

    def __init__(
        self,
        record: OrderRecord,
        publisher: EventPublisher,
        observer: Observer,
        queue: OrderQueue,
        mints: LearnMints,
        clock: Clock,
        *,
        lookup_wait_ms: int,
        look: Callable[[], object] = lambda: None,
    ) -> None:
        self._record = record
        self._publisher = publisher
        self._observer = observer
        self._queue = queue
        self._mints = mints
        self._clock = clock
        self._lookup_wait_s = lookup_wait_ms / 1000
        self._look = look
        self._wait_budget = WaitBudget(clock)

    def amend(
        self,
        account_id: str,
        order_id: UUID,
        changes: Amendment,
        *,
        if_seq: int | None = None,
        connection_id: str | None = None,
        batched: bool = False,
        request_id: str | None = None,
    ) -> None:
        """Give an order that is ``open`` other terms; publish that to subscribers and the client.

        Args:
            if_seq: Only if this is still the order's last event.
            request_id: What the frame to the client that asked names.

        Raises:
            NotFoundError: The account has no such order.
            ConflictError: It is not open, or has had another event; it is as it was.
            FieldError: It has no such term, or a new one breaks a rule; it is as it was.
            UnknownOutcomeError: It may be amended; asking for it tells.
        """
        now = self._clock.now()
        found = found_in_time(
            lambda: self._record.state(account_id, order_id),
            self._wait_budget,
            account_id,
            wait_s=self._lookup_wait_s,
        )
        tokens = self._mints.learn(found.order.terms.named_tokens)

        def change(state: OrderState) -> Order:
            _check(state, if_seq)
            return amended(state, changes, tokens, now)

        try:
            committed = self._record.amend(account_id, order_id, now, change, _amended(changes))
        except UnansweredError as fault:
            logger.warning("amendment unknown", order_id=str(order_id), reason=fault.message)
            message = "whether the order was amended is not known: ask for orderId"
            raise UnknownOutcomeError(message, order_id) from fault
        if committed is None:
            raise NotFoundError
        order, event = committed
        self._observer.saw([(order, [event])], {})
        try:
            self._publisher.publish_to(order, event, connection_id, batched=batched, request_id=request_id)
            self._record.note_published([Published(order_id, event.seq - 1, event.seq)])
        except RetryableError as fault:
            logger.warning("amendment not published", order_id=str(order_id), reason=fault.message)
            publish_later(self._queue, [order])
        self._look()


def _check(state: OrderState, if_seq: int | None) -> None:
    if state.is_final:
        raise ConflictError(Code.ORDER_ALREADY_FINAL, f"the order is {state.status} already")
    if state.status is not OrderStatus.OPEN:
        message = f"the order is {state.status}, and only one that is open can be amended"
        raise ConflictError(Code.ORDER_ALREADY_SENT, message)
    if if_seq is not None and if_seq != state.seq:
        problem = FieldProblem("ifSeq", f"is {if_seq}, and the order's last event is {state.seq}")
        raise ConflictError(
            Code.ORDER_CHANGED, f"the order's last event is {state.seq}, not {if_seq}", (problem,)
        )


def _amended(changes: Amendment) -> Mapping[str, object]:
    """Return what changes, in the one spelling that the order's terms are shown in."""
    decimals = {
        "limitPrice": changes.limit_price,
        "triggerPrice": changes.trigger_price,
        "amount": changes.amount,
    }
    shown = {name: spelled_price(value) for name, value in decimals.items() if value is not None}
    return shown if changes.expires_at is None else shown | {"expiresAt": rfc3339(changes.expires_at)}
