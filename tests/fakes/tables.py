"""The record's tables in memory, with the constraints that the migrations put on them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from chalicelib.domain.events import OrderEvent, Recorded
from chalicelib.domain.orders import OrderState
from chalicelib.domain.progress import OpenAttempt
from chalicelib.domain.statuses import FINAL
from chalicelib.services.consumer.dead_letters import DeadLetter
from tests.fakes.orders import VIEWS
from tests.fakes.watches import MemoryWatches


class ConstraintViolation(Exception):  # noqa: N818  # it is what the database calls it
    """A row that the schema does not allow: the statement changes nothing, and its caller has a defect."""


@dataclass
class OrderRow:
    """One row of ``orders``."""

    state: OrderState
    fence: int
    lease_until: datetime
    updated_at: datetime
    filled: tuple[int, int] | None = None


@dataclass
class AttemptRow:
    """One row of ``attempts``."""

    order_id: UUID
    attempt: OpenAttempt
    outcome: Literal["landed", "refused", "dead"] | None = None


@dataclass
class ConnectionRow:
    """One row of ``connections``."""

    expires_at: datetime
    batched: bool


@dataclass
class SubscriptionRow:
    """One row of ``subscriptions``."""

    account_id: str
    live: bool
    replayed_to: int
    updated_at: datetime
    replay_id: UUID | None = None


@dataclass
class Tables:
    """All of the record. Time comes from outside, so that leases end when the simulation says so."""

    now: Callable[[], datetime]
    orders: dict[UUID, OrderRow] = field(default_factory=dict)
    events: dict[UUID, list[OrderEvent]] = field(default_factory=dict)
    attempts: dict[str, AttemptRow] = field(default_factory=dict)
    connections: dict[str, ConnectionRow] = field(default_factory=dict)
    subscriptions: dict[tuple[str, UUID], SubscriptionRow] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    dead_letters: dict[str, tuple[DeadLetter, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.watches = MemoryWatches(self.now, lambda order_id: self.orders[order_id].state.order.account_id)

    def append(self, events: tuple[OrderEvent, ...]) -> None:
        """Insert events as rows have them; two with one number, or two final ones, cannot be."""
        for event in events:
            log = self.events.setdefault(event.order_id, [])
            if any(old.seq == event.seq for old in log):
                raise ConstraintViolation("order_events_pkey")
            if event.status in FINAL and any(old.status in FINAL for old in log):
                raise ConstraintViolation("events_one_final")
            log.append(replace(event, what=Recorded(event.status, VIEWS.fields(event))))

    def insert_attempt(self, order_id: UUID, attempt: OpenAttempt) -> None:
        """Insert an open attempt; a second open one, or the same one again, cannot be."""
        if attempt.transaction.signature in self.attempts:
            raise ConstraintViolation("attempts_pkey")
        others = [row for row in self.attempts.values() if row.order_id == order_id]
        if any(row.attempt.attempt == attempt.attempt for row in others):
            raise ConstraintViolation("attempts_order_id_attempt_key")
        if any(row.outcome is None for row in others):
            raise ConstraintViolation("attempts_one_open")
        self.attempts[attempt.transaction.signature] = AttemptRow(order_id, attempt)

    def open_attempt(self, order_id: UUID) -> OpenAttempt | None:
        return next(
            (
                row.attempt
                for row in self.attempts.values()
                if row.order_id == order_id and row.outcome is None
            ),
            None,
        )
