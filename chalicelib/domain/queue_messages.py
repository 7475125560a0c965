"""What a message of the orders queue asks for, as its consumers take it: sound, and without JSON."""

from uuid import UUID

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.orders import Order
from chalicelib.values import named_value, value


@named_value
class OrderMessage:
    """An accepted order.

    Attributes:
        connection_id: The WebSocket connection it came over, which is then subscribed to it.
        correlation_id: Of the request that brought it: log lines of both sides carry it.
        deferred_acknowledgement: It has not been acknowledged yet; the consumer does, with its first events.
    """

    order: Order
    connection_id: str | None = None
    request_id: str | None = None
    correlation_id: str | None = None
    deferred_acknowledgement: Acknowledgement | None = None


@named_value
class ResumeMessage:
    """An order on record that no consumer is working on any more."""

    order_id: UUID


@named_value
class FiredMessage:
    """An order whose watch is committed as fired.

    Attributes:
        firing: How often it had fired by then: a message that names another number is out of date.
    """

    order_id: UUID
    firing: int


@named_value
class SubscribeMessage:
    """A connection that should see an order's events from some point on, and then live.

    Attributes:
        is_new: The connection may not be established yet, and asked for this itself: it is told
            if there is no such order.
        content_sha256: Of the order that was accepted together with this message: it is on its way
            to the record, unless another one has taken its client order id.
        deferred_acknowledgement: The order has not been acknowledged yet.
    """

    connection_id: str
    account_id: str
    order_id: UUID
    after_seq: int
    is_new: bool = False
    content_sha256: str | None = None
    deferred_acknowledgement: Acknowledgement | None = None

    @property
    def is_behind(self) -> bool:
        """Whether the connection was subscribed already, and missed something."""
        return not self.is_new and self.content_sha256 is None


Message = OrderMessage | ResumeMessage | FiredMessage | SubscribeMessage


class UnreadableMessageError(ValueError):
    """A message breaks rules: which, by member, and nothing of what it says, so that this can be logged."""


@value
class Remains:
    """The sound parts of a message; each is None if there is none.

    Attributes:
        order: An accepted order that is sound but for what is around it or was added to it, such as members
            that a newer release wrote. What those ask for is not known here: it must not be executed.
    """

    order_id: UUID | None = None
    order: Order | None = None
    connection_id: str | None = None
    request_id: str | None = None
