"""What the queue's messages ask for: orders to execute, orders to go on with, connections to catch up."""

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from typing import Final
from uuid import UUID

from chalicelib.domain.errors import (
    ArchivedError,
    NotFoundError,
    RefusedError,
    RetryableError,
    client_order_id_conflict,
)
from chalicelib.domain.orders import Order
from chalicelib.domain.queue_messages import (
    FiredMessage,
    Message,
    OrderMessage,
    ResumeMessage,
    SubscribeMessage,
)
from chalicelib.logs import logger
from chalicelib.services.consumer.batch import Incoming, MessageOutcome
from chalicelib.services.consumer.execute_batch import ExecuteOrders
from chalicelib.services.delivery.replay import ReplayOrders, Subscriber
from chalicelib.services.delivery.replies import Replies
from chalicelib.services.ports import Delivery, OrderQueue
from chalicelib.values import value

_AGAIN_S: Final = 2
_AGAIN_MAX_S: Final = 60
# A message may be received any number of times; so many doublings reach the bound.
_DOUBLINGS_MAX: Final = 5


@value
class Received:
    """One message as the queue delivered it.

    Attributes:
        receive_count: Above 1 the message was delivered before, and something did not finish.
    """

    message: Message
    receipt_handle: str
    receive_count: int

    @property
    def order_id(self) -> UUID:
        match self.message:
            case OrderMessage():
                return self.message.order.order_id
            case ResumeMessage() | FiredMessage() | SubscribeMessage():
                return self.message.order_id


class ConsumeMessages:
    """Works through a batch: catching up goes on beside the execution, not before or after it.

    What becomes of a message is a pause in seconds until it comes again, or None once it has done its work.
    """

    def __init__(
        self,
        *,
        execute_orders: ExecuteOrders,
        replay_orders: ReplayOrders,
        replies: Replies,
        queue: OrderQueue,
        executor: Executor,
    ) -> None:
        self._execute_orders = execute_orders
        self._replay_orders = replay_orders
        self._replies = replies
        self._queue = queue
        self._executor = executor

    def consume(self, batch: Sequence[Received]) -> Sequence[bool]:
        """Return for each message whether it has done its work; the others become visible again."""
        replays = {
            index: self._executor.submit(self._replay, received, received.message)
            for index, received in enumerate(batch)
            if isinstance(received.message, SubscribeMessage)
        }
        orders = [received for index, received in enumerate(batch) if index not in replays]
        executed = iter(self._execute(orders) if orders else ())
        pauses_s = [
            self._followed(received, replays[index]) if index in replays else next(executed)
            for index, received in enumerate(batch)
        ]
        again = {
            received.receipt_handle: pause_s
            for received, pause_s in zip(batch, pauses_s, strict=True)
            if pause_s is not None
        }
        if again:
            self._queue.retry_in(again)
        return [pause_s is None for pause_s in pauses_s]

    def _followed(self, received: Received, subscription: "Future[int | None]") -> int | None:
        try:
            return subscription.result()
        except Exception as error:  # noqa: BLE001  # a defect of ours is this message's alone
            return self._defect(received, error)

    def _execute(self, orders: Sequence[Received]) -> list[int | None]:
        """Return for each message the pause until it comes again."""
        incoming = [_incoming(received) for received in orders]
        try:
            outcomes = self._execute_orders.execute(incoming)
        except RetryableError as fault:
            return [self._again(received, fault.message) for received in orders]
        except Exception as error:  # noqa: BLE001  # nothing of a batch may take what is beside it along
            return [self._defect(received, error) for received in orders]
        return [
            self._after(received, wanted, outcomes[wanted.order_id])
            for received, wanted in zip(orders, incoming, strict=True)
        ]

    def _after(self, received: Received, wanted: Incoming, outcome: MessageOutcome) -> int | None:
        if outcome.order is None or outcome.order is wanted.order:
            return outcome.retry_in_s
        try:
            self._admit(received.message, outcome.order)
        except RetryableError as fault:
            pause_s = self._again(received, fault.message)
            return pause_s if outcome.retry_in_s is None else outcome.retry_in_s
        except Exception as error:  # noqa: BLE001  # as above
            return self._defect(received, error)
        return outcome.retry_in_s

    def _admit(self, message: Message, recorded: Order) -> None:
        """Subscribe a client to the order it submitted if another message had put that on record.

        Raises ``RetryableError`` if it has not received everything.
        """
        if not isinstance(message, OrderMessage) or message.connection_id is None:
            return
        if message.order.submission_id != recorded.submission_id:
            self._join(message, message.connection_id, recorded)

    def _join(self, message: OrderMessage, connection_id: str, recorded: Order) -> None:
        """Subscribe a second submission of an order to it,
        or refuse the submission if it says something else.
        """
        refusal: RefusedError = client_order_id_conflict()
        if message.order.content_sha256 == recorded.content_sha256:
            subscriber = Subscriber(connection_id, recorded.account_id)
            try:
                self._replay_orders.replay(
                    subscriber,
                    recorded.order_id,
                    after_seq=0,
                    deferred_acknowledgement=message.deferred_acknowledgement,
                )
            except ArchivedError as archived:
                refusal = archived
            else:
                return
        delivery = self._replies.refuse(
            connection_id, message.request_id, refusal, order_id=recorded.order_id
        )
        if delivery is Delivery.UNDELIVERED:
            raise RetryableError("the refusal was not delivered")

    def _replay(self, received: Received, message: SubscribeMessage) -> int | None:
        subscriber = Subscriber(message.connection_id, message.account_id, message.is_new)
        try:
            if message.is_behind:
                self._replay_orders.catch_up(
                    subscriber,
                    message.order_id,
                    after_seq=message.after_seq,
                    deferred_acknowledgement=message.deferred_acknowledgement,
                )
            else:
                self._replay_orders.replay(
                    subscriber,
                    message.order_id,
                    after_seq=message.after_seq,
                    content_sha256=message.content_sha256,
                    deferred_acknowledgement=message.deferred_acknowledgement,
                )
        except RefusedError as refusal:
            if isinstance(refusal, NotFoundError) and message.content_sha256 is not None:
                return self._again(received, "the order was accepted and is not on record yet")
            return self._refuse(received, message, refusal) if message.is_new else None
        except RetryableError as fault:
            return self._again(received, fault.message)
        return None

    def _refuse(self, received: Received, message: SubscribeMessage, refusal: RefusedError) -> int | None:
        delivery = self._replies.refuse(message.connection_id, None, refusal, order_id=message.order_id)
        is_too_early = delivery is Delivery.GONE and received.receive_count == 1
        if delivery is Delivery.UNDELIVERED or is_too_early:
            return self._again(received, "the refusal was not delivered")
        return None

    def _defect(self, received: Received, error: Exception) -> int:
        order_id = str(received.order_id)
        logger.error("defect", exc_info=error, order_id=order_id, doing="consuming a message")
        return self._again(received, "a defect of ours")

    def _again(self, received: Received, reason: str) -> int:
        """Return the pause before a message comes again, longer each time:
        an outage must not use up its deliveries.
        """
        logger.warning("message comes back", receive_count=received.receive_count, reason=reason)
        return min(_AGAIN_MAX_S, _AGAIN_S << min(max(0, received.receive_count - 1), _DOUBLINGS_MAX))


def _incoming(received: Received) -> Incoming:
    match received.message:
        case OrderMessage() as message:
            return Incoming(
                message.order.order_id,
                message.order,
                message.connection_id,
                message.correlation_id,
                received.receive_count,
                message.deferred_acknowledgement,
            )
        case FiredMessage() as message:
            return Incoming(message.order_id, delivery=received.receive_count, firing=message.firing)
        case ResumeMessage() | SubscribeMessage():
            return Incoming(received.order_id, delivery=received.receive_count)
