"""Having a change published soon that could not be published at once.

The commit of the change names the order as unpublished, so that the sweep has it published whatever happens.
This is for the moment in between: the consumer of the message publishes what is not known to be.
"""

from collections.abc import Sequence

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.queue_messages import ResumeMessage
from chalicelib.logs import logger
from chalicelib.services.delivery.republish import PUBLISHED_WITHIN_S
from chalicelib.services.ports import OrderQueue, QueueMessage
from chalicelib.wire.queue_messages import render_message


def publish_later(queue: OrderQueue, orders: Sequence[Order]) -> None:
    """Send a message for each order; best effort, since the sweep finds them too."""
    messages = [
        QueueMessage(
            render_message(ResumeMessage(order_id=order.order_id)),
            order.account_id,
            delay_s=PUBLISHED_WITHIN_S,
        )
        for order in orders
    ]
    try:
        queue.send(messages)
    except RetryableError as fault:
        order_ids = [str(order.order_id) for order in orders]
        logger.warning("changes left to the sweep", order_id=order_ids, reason=fault.message)
