"""What operators are answered, as models.

For the specifications, and for tests that hold real bodies to them.
"""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from chalicelib.domain.errors import Code
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType
from chalicelib.wire.answers import Answer, Moment

Count = Annotated[int, Field(ge=0)]


class Bucket(Answer):
    up_to: Annotated[
        int | None, Field(description="Milliseconds; null for the last bucket, which has no bound.")
    ]
    count: Count


class HistogramBody(Answer):
    buckets: list[Bucket]
    count: Count
    sum_ms: Count


class QueueBody(Answer):
    """Approximate, as SQS's numbers are."""

    name: str
    waiting: Count
    in_flight: Count
    delayed: Count


class ConsumersBody(Answer):
    """Of the orders queue, in the last minute."""

    number: Annotated[Count, Field(description="Execution environments that took messages.")]
    oldest_ms: Annotated[
        Count | None,
        Field(description="How long the oldest message that they took had been in the queue; null for none."),
    ]


class EventCount(Answer):
    status: OrderStatus
    type: OrderType
    count: Count


class FailureCount(Answer):
    code: Code | str
    count: Count


class RetryCount(Answer):
    reason: str
    count: Count


class RecentBody(Answer):
    seconds: Annotated[float, Field(ge=0, description="The time that was looked at.")]
    is_whole: Annotated[bool, Field(description="False if there were too many events for all of them.")]
    queued_ms: Annotated[HistogramBody, Field(description="From accepted to claimed by a consumer.")]
    opened_ms: Annotated[HistogramBody, Field(description="From accepted to resting.")]
    confirmed_ms: Annotated[HistogramBody, Field(description="From accepted to confirmed.")]
    events: list[EventCount]
    failures: list[FailureCount]
    retries: list[RetryCount]
    attempts: Count


class UnfinishedCount(Answer):
    status: OrderStatus
    type: OrderType
    count: Count
    oldest_at: Moment


class UnfinishedBody(Answer):
    orders: list[UnfinishedCount]
    is_whole: bool


class ChainBody(Answer):
    slot: Count
    age_seconds: Annotated[Count, Field(description="Of the block whose pools were read.")]
    pools: Annotated[Count, Field(description="That can be traded with.")]
    refused_pools: Annotated[Count, Field(description="That cannot.")]


class OperatorHealth(Answer):
    """Null for what cannot be had now; ``problems`` says why."""

    at: Moment
    queues: list[QueueBody] | None
    recent: RecentBody | None
    unfinished: UnfinishedBody | None
    consumers: ConsumersBody | None
    connections: Count | None
    chain: Annotated[ChainBody | None, Field(description="Null also where the chain is the database.")]
    problems: dict[str, str]


class DeadLetterBody(Answer):
    message_id: str
    order_id: UUID | None
    order_status: OrderStatus | None
    receive_count: Count
    reason: str
    archived_at: Moment
    body: str
    why_no_redrive: Annotated[str | None, Field(description="Null if the message may be sent again.")]


class DeadLetters(Answer):
    dead_letters: list[DeadLetterBody]
    next_cursor: str | None


class Redriven(Answer):
    message_id: str
    order_id: UUID


class AuditViolation(Answer):
    subject: str
    problem: str


class AuditRule(Answer):
    rule_id: str
    rule: str
    ran_at: Moment | None
    held_at: Moment | None
    duration_ms: Count | None
    violations: list[AuditViolation]


class AuditRules(Answer):
    rules: list[AuditRule]
