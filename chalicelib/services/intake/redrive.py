"""Sending an archived message again: right for one alone, whose order never came on record."""

from uuid import UUID

from chalicelib.domain.errors import Code, ConflictError, RefusedError
from chalicelib.domain.queue_messages import OrderMessage
from chalicelib.logs import logger
from chalicelib.services.ports import OrderQueue, QueueMessage
from chalicelib.services.queries.operations import Operations, why_no_redrive
from chalicelib.wire.queue_messages import parse_message


class RedriveDeadLetters:
    """Puts an accepted order into the queue again, as it was accepted: its id is in the message.

    Nothing is taken out of the archive or of a queue. Sent twice, it is executed once, as any message is.
    """

    def __init__(self, operations: Operations, queue: OrderQueue) -> None:
        self._operations = operations
        self._queue = queue

    def redrive(self, message_id: str, *, operator: str) -> UUID:
        """Send the message again, note in the log who asked for it, and return its order's id.

        Args:
            operator: The account of who asks; the order goes on under its own.

        Raises:
            RefusedError: No such message is archived.
            ConflictError: Sending it again is wrong, and why.
            RetryableError: The record or the queue is unreachable. Perhaps the queue has it
                (``UnansweredError``): asking again is safe.
        """
        letter = self._operations.dead_letter(message_id)
        if letter is None:
            raise RefusedError(Code.NOT_FOUND, "no dead letter of this id is archived")
        if why := why_no_redrive(letter):
            raise ConflictError(Code.REDRIVE_REFUSED, why)
        message = parse_message(letter.body)
        assert isinstance(message, OrderMessage), "why_no_redrive lets no other through"
        order = message.order
        self._queue.send([QueueMessage(letter.body, order.account_id)])
        # A warning, since that is what every stage keeps.
        logger.warning(
            "dead letter sent again",
            message_id=message_id,
            order_id=str(order.order_id),
            account_id=operator,
        )
        return order.order_id
