"""What the queue's messages ask for: orders to execute, orders to go on with, connections to catch up."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from uuid import UUID

from chalicelib.domain.errors import NotFoundError, RetryableError
from chalicelib.logs import logger
from chalicelib.services.accepting import client_order_id_conflict
from chalicelib.services.execution import ExecuteOrders, Incoming, Verdict
from chalicelib.services.following import Follower, FollowOrders
from chalicelib.services.ports import Connections, Frame, OrderQueries, OrderQueue
from chalicelib.services.telling import Teller
from chalicelib.wire.queue_messages import FollowMessage, Message, OrderMessage, ResumeMessage
from chalicelib.wire.server_frames import error, json_text


@dataclass(frozen=True, slots=True)
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
            case ResumeMessage() | FollowMessage():
                return self.message.order_id


class ConsumeMessages:
    """Works through a batch: catching up goes on beside the execution, not before or after it."""

    def __init__(
        self,
        *,
        execution: ExecuteOrders,
        following: FollowOrders,
        teller: Teller,
        queries: OrderQueries,
        connections: Connections,
        queue: OrderQueue,
        executor: Executor,
    ) -> None:
        self._execution = execution
        self._following = following
        self._teller = teller
        self._queries = queries
        self._connections = connections
        self._queue = queue
        self._executor = executor

    def consume(self, batch: Sequence[Received]) -> Sequence[bool]:
        """Return for each message whether it has done its work; the others become visible again.

        Raises:
            RetryableError: The record is unreachable: none of the messages has.
        """
        orders = [received for received in batch if not isinstance(received.message, FollowMessage)]
        follows = {
            index: self._executor.submit(self._follow, received.message)
            for index, received in enumerate(batch)
            if isinstance(received.message, FollowMessage)
        }
        verdicts = (
            self._execution.execute([_incoming(received.message) for received in orders]) if orders else {}
        )
        for received in orders:
            self._after(received, verdicts)
        return [
            follows[index].result() if index in follows else verdicts[received.order_id].retry_in_s is None
            for index, received in enumerate(batch)
        ]

    def _after(self, received: Received, verdicts: Mapping[UUID, Verdict]) -> None:
        verdict = verdicts[received.order_id]
        if verdict.retry_in_s is not None:
            self._queue.retry_in(received.receipt_handle, verdict.retry_in_s)
        if verdict.found is None:
            return
        if received.receive_count > 1:
            self._retell(verdict)
        if isinstance(received.message, OrderMessage):
            self._join(received.message, verdict)

    def _retell(self, verdict: Verdict) -> None:
        """Send an order's events again: whoever worked on it before may have died before telling."""
        assert verdict.found is not None
        order = verdict.found.order
        self._teller.tell([(order, self._queries.events_after(order.order_id, 0, limit=1_000))])

    def _join(self, message: OrderMessage, verdict: Verdict) -> None:
        """Let a second submission of an order follow the first, or refuse it if it says something else."""
        assert verdict.found is not None
        if message.connection_id is None:
            return
        if message.order.content_sha256 != verdict.found.order.content_sha256:
            refusal = error(message.request_id, client_order_id_conflict(), order_id=message.order.order_id)
            self._connections.post([Frame(message.connection_id, json_text(refusal))])
            return
        follower = Follower(message.connection_id, message.order.account_id)
        self._best_effort(lambda: self._following.follow(follower, message.order.order_id, after_seq=0))

    def _follow(self, message: FollowMessage) -> bool:
        follower = Follower(message.connection_id, message.account_id, message.is_new)
        try:
            self._following.follow(follower, message.order_id, after_seq=message.after_seq)
        except NotFoundError as refusal:
            if message.is_new:
                self._connections.post([Frame(message.connection_id, json_text(error(None, refusal)))])
        return True

    def _best_effort(self, work: Callable[[], object]) -> None:
        try:
            work()
        except RetryableError as fault:
            logger.warning("not followed", error_code=fault.code, reason=fault.message)


def _incoming(message: Message) -> Incoming:
    match message:
        case OrderMessage():
            return Incoming(message.order.order_id, message.order, message.connection_id)
        case ResumeMessage() | FollowMessage():
            return Incoming(message.order_id)
