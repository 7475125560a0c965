"""Having an order's owner told of a change even if the process that makes it dies right after.

An order that rests has no message in the queue: its last one was done when it was put to rest. So what
cancels or amends it sends one first, late enough to come after the change; the consumer publishes what is not
known to be.
"""

from typing import Final

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import OrderState
from chalicelib.logs import logger
from chalicelib.services.ports import OrderQueue, QueueMessage
from chalicelib.wire.queue_messages import ResumeMessage

TOLD_AFTER_S: Final = 5
"""Longer than a request may take to commit its change and publish it."""


def have_told(queue: OrderQueue, state: OrderState) -> None:
    """Send the message of an order that may rest, before it is changed.

    Best effort: a queue that is out of reach must not keep a cancel from its order. A message for a change
    that then is not made does nothing.
    """
    order = state.order
    if state.is_final or not order.terms.may_rest:
        return
    message = ResumeMessage(order_id=order.order_id)
    try:
        queue.send([QueueMessage(message.model_dump_json(), order.account_id, delay_s=TOLD_AFTER_S)])
    except RetryableError as fault:
        logger.warning("change may stay untold", order_id=str(order.order_id), reason=fault.message)
