"""Submitting an order: named, put on the queue, and only then acknowledged."""

from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.errors import (
    Code,
    LimitExceededError,
    RetryableError,
    UnansweredError,
    UnknownOutcomeError,
    client_order_id_conflict,
)
from chalicelib.domain.ids import client_order_uuid, id_text, new_order_id
from chalicelib.domain.lifetimes import Lifetime
from chalicelib.domain.orders import Order
from chalicelib.domain.queue_messages import OrderMessage, SubscribeMessage
from chalicelib.domain.terms import OrderTerms
from chalicelib.logs import info_texts, logger
from chalicelib.services.intake.limits import OrderLimits
from chalicelib.services.ports import ClientOrderContents, ClientOrderKeys, Clock, OrderQueue, QueueMessage
from chalicelib.wire.queue_messages import render_message
from chalicelib.wire.server_frames import json_text

_BEFORE_ITS_END: Final = timedelta(microseconds=1)


class SubmitOrders:
    """The accept path. It needs the queue and nothing else; the database may be down."""

    def __init__(
        self,
        queue: OrderQueue,
        keys: ClientOrderKeys,
        clock: Clock,
        limits: OrderLimits | None = None,
    ) -> None:
        self._queue = queue
        self._keys = keys
        self._clock = clock
        self._limits = limits

    def submit(
        self,
        terms: OrderTerms,
        account_id: str,
        *,
        connection_id: str | None = None,
        request_id: str | None = None,
        is_connecting: bool = False,
        is_acknowledgement_deferred: bool = False,
    ) -> Order:
        """Put an order on the queue and return it; from now on it will reach a final status.

        The same client order id and terms give the same order again, and no second execution, also past the
        end that they name and while the account has as many orders as it may.
        ``is_connecting``: the order came in a connection URL, so its frames have to wait until the
        connection is established. ``is_acknowledgement_deferred``: the consumer sends the
        acknowledgement with the order's first events.

        Raises:
            FieldError: It names a moment that is past, or too far ahead.
            LimitExceededError: The account has reached a limit.
            ConflictError: The client order id is taken by an order with other terms.
            RetryableError: The queue did not take it, or it would be refused unless it is known, which the
                record cannot tell; nothing was accepted.
            UnknownOutcomeError: The queue may have taken it.
        """
        order = self.admitted(terms, account_id)
        self.reserve(order)
        own = None if is_connecting else connection_id
        message = OrderMessage(
            order=order,
            connection_id=own,
            request_id=request_id,
            correlation_id=logger.get_correlation_id(),
            deferred_acknowledgement=Acknowledgement(own, request_id)
            if is_acknowledgement_deferred and own is not None
            else None,
        )
        messages = [QueueMessage(render_message(message), account_id)]
        if is_connecting and connection_id is not None:
            subscription = SubscribeMessage(
                connection_id=connection_id,
                account_id=account_id,
                order_id=order.order_id,
                after_seq=0,
                is_new=True,
                content_sha256=order.content_sha256,
            )
            messages.append(QueueMessage(render_message(subscription), account_id))
        try:
            self._queue.send(messages)
        except UnansweredError as fault:
            logger.warning("acceptance unknown", order_id=str(order.order_id), reason=fault.message)
            raise acceptance_unknown(order) from fault
        info_texts("order accepted", lambda: [_members(order, connection_id)])
        return order

    def admitted(self, terms: OrderTerms, account_id: str) -> Order:
        """Return an order that counts against the account's limits from now on.

        Raises:
            FieldError: It names a moment that is past, or too far ahead.
            LimitExceededError: The account has reached one.
            RetryableError: It would be refused unless it is known, which the record cannot tell.
        """
        if self._limits is not None:
            self._admit(self._limits, terms, account_id)
        return self._named(terms, account_id)

    def _admit(self, limits: OrderLimits, terms: OrderTerms, account_id: str) -> None:
        try:
            limits.admit(account_id, may_rest=terms.may_rest)
        except LimitExceededError as refusal:
            # An order that is known is among those that were counted: it may even be the one too many.
            if refusal.code is Code.RATE_LIMITED or not is_known(self._keys, terms, account_id):
                raise

    def _named(self, terms: OrderTerms, account_id: str) -> Order:
        accepted_at = self._accepted_at(terms, account_id)
        if terms.client_order_id is None:
            order_id = new_order_id(int(accepted_at.timestamp() * 1000))
        else:
            order_id = client_order_uuid(account_id, terms.client_order_id)
        return Order(
            order_id=order_id,
            account_id=account_id,
            terms=terms,
            accepted_at=accepted_at,
            valid_until=Lifetime(terms.time_in_force, terms.valid_for_s, terms.expires_at).ends_at(
                accepted_at
            ),
            content_sha256=terms.sha256,
            submission_id=uuid4(),
        )

    def _accepted_at(self, terms: OrderTerms, account_id: str) -> datetime:
        """Return now, or just before the end of an order that is submitted again past it.

        Refused as late, it would look as if it had never been accepted. On record it is what it was; if the
        queue never took it, it expires.
        """
        now, end = self._clock.now(), terms.expires_at
        if end is None or now < end or not is_known(self._keys, terms, account_id):
            return now
        return end - _BEFORE_ITS_END

    def reserve(self, order: Order) -> bool:
        """Refuse other terms under a known client order id as early as possible.

        An early answer is a courtesy: with the database down the order is accepted all the same,
        and the consumer, which decides by the record, refuses the second of two contents.
        Returns whether the record answered, if it was asked.

        Raises:
            ConflictError: The client order id is taken by an order with other terms.
        """
        client_order_id = order.terms.client_order_id
        if client_order_id is None:
            return True
        try:
            is_ours = self._keys.reserve(order.account_id, client_order_id, order.content_sha256)
        except RetryableError as error:
            logger.warning("client order id not checked", order_id=str(order.order_id), reason=error.message)
            return False
        if not is_ours:
            raise client_order_id_conflict()
        return True


def is_known(keys: ClientOrderContents, terms: OrderTerms, account_id: str) -> bool:
    """Return whether just this was submitted before, by its client order id.

    Raises:
        RetryableError: The record cannot tell.
    """
    key = terms.client_order_id
    return key is not None and keys.content_of(account_id, key) == terms.sha256


def _members(order: Order, connection_id: str | None) -> str:
    """Return what an order's line says, as text: it is the only one of the message function's."""
    said = f'"order_id":"{id_text(order.order_id)}"'
    return said if connection_id is None else f'{said},"connection_id":{json_text(connection_id)}'


def acceptance_unknown(order: Order) -> UnknownOutcomeError:
    """Return what is said of an order that the queue may have taken, or not."""
    again = ", or submit it again under the same clientOrderId" if order.terms.client_order_id else ""
    problem = f"whether the order was accepted is not known: ask for orderId{again}"
    return UnknownOutcomeError(problem, order.order_id)
