"""What operators see of the engine: how orders fare now, what waits, and what died. Across all accounts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from chalicelib.domain.queue_messages import (
    FiredMessage,
    OrderMessage,
    ResumeMessage,
    SubscribeMessage,
    UnreadableMessageError,
)
from chalicelib.domain.statuses import FINAL, OrderStatus
from chalicelib.domain.terms import OrderType
from chalicelib.wire.queue_messages import parse_message

WINDOW_S: Final = 300
"""How far back recent events are looked at."""

EVENTS_MAX: Final = 20_000
UNFINISHED_MAX: Final = 20_000
CONNECTIONS_MAX: Final = 20_000
CONSUMERS_MAX: Final = 20_000
"""Where counting stops: an engine far beyond these costs no more to look at."""

BOUNDS_MS: Final = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000)
"""Upper bounds of the histograms' buckets; one more has what took longer."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How long something took, in milliseconds: ``counts`` has one bucket more than ``BOUNDS_MS``."""

    counts: tuple[int, ...]
    sum_ms: int

    @property
    def count(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Recent:
    """Events of the last while.

    Attributes:
        seconds: The time that was looked at: the window, or less if there were too many events in it.
        is_whole: False if the window had ``EVENTS_MAX`` events or more: only the newest of them are in here.
        queued: From accepted to claimed by a consumer: how long orders waited in the queue.
        opened: From accepted to resting.
        confirmed: From accepted to confirmed; of an order that rested, this is mostly waiting.
        events: Number by status and order type.
        failures: Orders that failed, by code.
        retries: Attempts after the first, by what the one before ended with.
        attempts: Transactions signed.
    """

    seconds: float
    is_whole: bool
    queued: Histogram
    opened: Histogram
    confirmed: Histogram
    events: Mapping[tuple[OrderStatus, OrderType], int]
    failures: Mapping[str, int]
    retries: Mapping[str, int]
    attempts: int


@dataclass(frozen=True, slots=True)
class UnfinishedOrders:
    """Orders of one status and type that are under way, and since when the oldest of them is."""

    status: OrderStatus
    order_type: OrderType
    count: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class Consumers:
    """Who took messages from the orders queue in the last minute.

    Attributes:
        number: Execution environments.
        oldest_ms: How long the oldest message that they took had been in the queue; None if they took none.
    """

    number: int
    oldest_ms: int | None


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """A queue's approximate numbers, as SQS has them."""

    name: str
    waiting: int
    in_flight: int
    delayed: int


@dataclass(frozen=True, slots=True)
class ArchivedLetter:
    """A dead letter that was resolved, and where its order stands.

    None for one that names no order on record.

    Attributes:
        forgotten_before: Orders that were accepted before may have ended, and been forgotten since; None if
            the record has forgotten none.
    """

    message_id: str
    order_id: UUID | None
    receive_count: int
    reason: str
    archived_at: datetime
    body: str
    order_status: OrderStatus | None
    forgotten_before: datetime | None = None


BODY_CHARS_MAX: Final = 16_000
"""What is read of an archived message: several times the longest that holds an order."""


class Operations(Protocol):
    """Reading across accounts.

    Every method is bounded. Raises ``RetryableError`` if the record is unreachable.
    """

    def recent(self) -> Recent: ...

    def unfinished(self) -> Sequence[UnfinishedOrders]:
        """Return what is under way, counted up to ``UNFINISHED_MAX`` orders."""
        ...

    def connections(self) -> int:
        """Return how many clients are connected, counted up to ``CONNECTIONS_MAX``."""
        ...

    def consumers(self) -> Consumers: ...

    def refusals(self) -> Mapping[str, int]:
        """Return how many requests were refused in the last five minutes, the present one counted, by code.

        They are counted while metrics are on.
        """
        ...

    def dead_letters(self, *, limit: int, before: tuple[datetime, str] | None) -> Sequence[ArchivedLetter]:
        """Return archived dead letters, newest first; ``before`` is the last one of the page before.

        Of their bodies, the first ``BODY_CHARS_MAX`` characters.
        """
        ...

    def dead_letter(self, message_id: str) -> ArchivedLetter | None:
        """Return one archived dead letter, or None if there is none of that id."""
        ...


class QueueDepths(Protocol):
    def depths(self) -> Sequence[QueueDepth]:
        """Return the orders queue's depth and the dead-letter queue's. Raises ``RetryableError``."""
        ...


def why_no_redrive(letter: ArchivedLetter) -> str | None:
    """Return why sending an archived message again is wrong.

    None if it is right: the message holds an accepted order that is not on record.
    """
    if letter.order_status is not None:
        return _why_it_needs_none(letter.order_status)
    try:
        message = parse_message(letter.body)
    except UnreadableMessageError as error:
        return (
            f"This release cannot read it ({error}). If another release wrote it, deploy one that can read"
            " it, and look again."
        )
    match message:
        case OrderMessage():
            forgotten_before = letter.forgotten_before
            if forgotten_before is None or message.order.accepted_at >= forgotten_before:
                return None
            return (
                "Its order is so old that the record may have forgotten it: it may have executed, and would"
                " execute again. Submit a new order instead."
            )
        case SubscribeMessage():
            return "It only asked for an order's events: its client gets them when it subscribes again."
        case ResumeMessage() | FiredMessage():
            return "It names an order that is not on record, and does not hold the order itself."


def _why_it_needs_none(status: OrderStatus) -> str:
    """Return why an order on record gains nothing from its message."""
    if status in FINAL:
        return (
            f"Its order is {status}, and final: sent again it would execute nothing."
            " Submit a new order instead."
        )
    if status is OrderStatus.OPEN:
        return "Its order rests: what it waits for brings it on by itself."
    return "Its order is still under way: the sweep takes it up each minute by itself."
