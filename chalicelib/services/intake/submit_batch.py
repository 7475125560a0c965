"""Several orders in one request: each is accepted or refused by itself.

The names of orders with a client order id follow from it, so a batch that broke off in its middle (the caller
heard nothing) is sent again as it was: what was accepted then is the same order now, and executes once.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from chalicelib.domain.errors import ExecutionError, RetryableError, client_order_id_conflict
from chalicelib.domain.orders import Order
from chalicelib.domain.queue_messages import OrderMessage
from chalicelib.domain.terms import OrderTerms
from chalicelib.logs import info_each, logger
from chalicelib.services.intake.submit import SubmitOrders, acceptance_unknown
from chalicelib.services.ports import BatchQueue, QueueMessage, Sent
from chalicelib.wire.queue_messages import render_message

Asked = OrderTerms | ExecutionError
"""An order of a batch, or why what stands in its place is none."""

Result = Order | ExecutionError
"""An accepted order, or why it is not accepted; an ``UnknownOutcomeError`` if it may be."""

_NOT_TAKEN: Final = "the queue did not take the order"


class SubmitBatch:
    """The accept path for several orders: as for one, it needs the queue and nothing else."""

    def __init__(self, submit_orders: SubmitOrders, queue: BatchQueue) -> None:
        self._submit_orders = submit_orders
        self._queue = queue

    def submit(
        self,
        asked: Sequence[Asked],
        account_id: str,
        *,
        connection_id: str | None = None,
        request_id: str | None = None,
    ) -> Sequence[Result]:
        """Put each order on the queue that may be; return what became of each, in the order of the batch.

        Each counts against the account's limits as it would alone. The same order twice in one batch is one
        order and one message.
        """
        results = self._admitted(asked, account_id)
        orders = {each.order_id: each for each in results if isinstance(each, Order)}
        correlation_id = logger.get_correlation_id()
        messages = [
            OrderMessage(
                order=order,
                connection_id=connection_id,
                request_id=request_id,
                correlation_id=correlation_id,
            )
            for order in orders.values()
        ]
        sent: Mapping[UUID, Sent] = {}
        if messages:
            bodies = [QueueMessage(render_message(message), account_id) for message in messages]
            sent = dict(zip(orders, self._queue.send_each(bodies), strict=True))
        taken = [order_id for order_id, outcome in sent.items() if outcome is Sent.TAKEN]
        info_each(
            "order accepted", [{"order_id": str(each), "connection_id": connection_id} for each in taken]
        )
        return [_outcome(each, sent[each.order_id]) if isinstance(each, Order) else each for each in results]

    def _admitted(self, asked: Sequence[Asked], account_id: str) -> list[Result]:
        results: list[Result] = []
        firsts: dict[UUID, Order] = {}
        is_record_answering = True
        for each in asked:
            if isinstance(each, ExecutionError):
                results.append(each)
                continue
            try:
                order = self._submit_orders.admitted(each, account_id)
                first = firsts.get(order.order_id)
                if first is None:
                    # One look that takes its whole time in vain is enough: the queue needs the rest.
                    is_record_answering = is_record_answering and self._submit_orders.reserve(order)
                    first = firsts[order.order_id] = order
                elif first.content_sha256 != order.content_sha256:
                    # With the database down, nothing but this tells the two apart.
                    raise client_order_id_conflict()
                results.append(first)
            except ExecutionError as refusal:
                results.append(refusal)
        return results


def _outcome(order: Order, sent: Sent) -> Result:
    match sent:
        case Sent.TAKEN:
            return order
        case Sent.REFUSED:
            return RetryableError(_NOT_TAKEN)
        case Sent.UNKNOWN:
            logger.warning("acceptance unknown", order_id=str(order.order_id), reason="of a batch")
            return acceptance_unknown(order)
