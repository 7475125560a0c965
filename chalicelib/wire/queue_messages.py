"""What travels through the orders queue."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.orders import Order


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OrderMessage(_Message):
    """An accepted order.

    Attributes:
        connection_id: The WebSocket connection it came over, which then follows it.
        correlation_id: Of the request that brought it: log lines of both sides carry it.
        owed: Nobody has acknowledged it yet; whoever tells its first events does.
    """

    kind: Literal["order"] = "order"
    order: Order
    connection_id: str | None = None
    request_id: str | None = None
    correlation_id: str | None = None
    owed: Acknowledgement | None = None


class ResumeMessage(_Message):
    """An order on record that nobody is working on any more."""

    kind: Literal["resume"] = "resume"
    order_id: UUID


class FollowMessage(_Message):
    """A connection that should see an order's events from some point on, and then live.

    Attributes:
        is_new: The connection may not be established yet, and asked for this itself: it is told
            if there is no such order.
        content_sha256: Of the order that was accepted together with this message: it is on its way
            to the record, unless another one has taken its client order id.
        owed: The order has not been acknowledged yet.
    """

    kind: Literal["follow"] = "follow"
    connection_id: str
    account_id: str
    order_id: UUID
    after_seq: int = Field(ge=0)
    is_new: bool = False
    content_sha256: str | None = None
    owed: Acknowledgement | None = None


Message = OrderMessage | ResumeMessage | FollowMessage
_ANY: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def parse_message(body: str) -> Message:
    """Return the message of a queue record's body.

    Raises:
        ValueError: It is not one of ours.
    """
    return _ANY.validate_json(body)
