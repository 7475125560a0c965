"""The record's tables in memory, with the constraints that the migrations put on them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from chalicelib.domain.events import Canceled, OrderEvent, Recorded
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import OpenAttempt, Published
from chalicelib.domain.statuses import FINAL, OrderStatus
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.services.consumer.dead_letters import DeadLetter
from chalicelib.wire.event_views import EventViews
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
    """All of the record. Time comes from outside, so that leases end when the simulation says so.

    Attributes:
        views: How the process that writes renders events: with the decimals that it knows.
    """

    now: Callable[[], datetime]
    orders: dict[UUID, OrderRow] = field(default_factory=dict)
    events: dict[UUID, list[OrderEvent]] = field(default_factory=dict)
    attempts: dict[str, AttemptRow] = field(default_factory=dict)
    connections: dict[str, ConnectionRow] = field(default_factory=dict)
    subscriptions: dict[tuple[str, UUID], SubscriptionRow] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    dead_letters: dict[str, tuple[DeadLetter, str]] = field(default_factory=dict)
    unpublished: dict[UUID, datetime] = field(default_factory=dict)
    cancel_marks: dict[tuple[str, OrderFilter], datetime] = field(default_factory=dict)
    views: Callable[[], EventViews] = lambda: VIEWS

    def __post_init__(self) -> None:
        self.watches = MemoryWatches(
            self.now,
            lambda order_id: self.orders[order_id].state.order.account_id,
            lambda order_id: self.orders[order_id].state.is_final,
        )

    def append(self, events: tuple[OrderEvent, ...]) -> None:
        """Insert events as rows have them; two with one number, or two final ones, cannot be."""
        for event in events:
            log = self.events.setdefault(event.order_id, [])
            if any(old.seq == event.seq for old in log):
                raise ConstraintViolation("order_events_pkey")
            if event.status in FINAL and any(old.status in FINAL for old in log):
                raise ConstraintViolation("events_one_final")
            log.append(replace(event, what=Recorded(event.status, self.views().fields(event))))

    def is_covered(self, row: OrderRow) -> bool:
        """Return whether all such orders were canceled before this one was on record, and it is unsent."""
        state = row.state
        is_unsent = state.status in {OrderStatus.PENDING, OrderStatus.ROUTING} and not state.was_sent
        return is_unsent and self.is_marked(state.order)

    def is_marked(self, order: Order) -> bool:
        """Return whether a cancel of all such orders has left its mark since this one was accepted."""
        return any(
            account_id == order.account_id and order.accepted_at <= until and wanted.fits(order)
            for (account_id, wanted), until in self.cancel_marks.items()
        )

    def cancel(self, row: OrderRow, at: datetime) -> tuple[Order, OrderEvent]:
        """End an order as canceled, whoever has claimed it."""
        after, event = row.state.transition_to(Canceled(), at)
        self.watches.disarm([after.order.order_id])
        self.append((event,))
        row.state, row.fence, row.updated_at = after, row.fence + 1, self.now()
        return after.order, event

    def note_published(self, published: Sequence[Published]) -> None:
        """Note what was published, where all before it had been."""
        for order_id, after_seq, seq in published:
            row = self.orders[order_id]
            if after_seq <= row.state.published_seq < seq <= row.state.seq:
                row.state = replace(row.state, published_seq=seq)
                if seq == row.state.seq:
                    self.unpublished.pop(order_id, None)

    def insert_attempt(self, order_id: UUID, attempt: OpenAttempt) -> None:
        """Insert an open attempt; one beside one that is open or has landed, or the same again, cannot be."""
        if attempt.transaction.signature in self.attempts:
            raise ConstraintViolation("attempts_signature")
        others = [row for row in self.attempts.values() if row.order_id == order_id]
        if any(row.attempt.attempt == attempt.attempt for row in others):
            raise ConstraintViolation("attempts_pkey")
        if any(row.outcome in {None, "landed"} for row in others):
            raise ConstraintViolation("attempts_one_alive")
        self.attempts[attempt.transaction.signature] = AttemptRow(order_id, attempt)

    def refused_at(self, order_id: UUID) -> int | None:
        """Return the strictest threshold that the chain refused of an order, for its present amount."""
        since = self.attempt_since_resized(order_id)
        refused = [
            row.attempt.threshold_units
            for row in self.attempts.values()
            if row.order_id == order_id and row.outcome == "refused" and row.attempt.attempt >= since
        ]
        is_exact_in = self.orders[order_id].state.order.terms.swap_mode is SwapMode.EXACT_IN
        return (max if is_exact_in else min)(refused, default=None)

    def attempt_since_resized(self, order_id: UUID) -> int:
        """Return the number of the first attempt after an order's amount was last amended."""
        resized = [
            event.attempt
            for event in self.events.get(order_id, ())
            if isinstance(event.what, Recorded)
            and isinstance(amended := event.what.fields.get("amended"), Mapping)
            and "amount" in amended
        ]
        return max(resized, default=1)

    def open_attempt(self, order_id: UUID) -> OpenAttempt | None:
        return next(
            (
                row.attempt
                for row in self.attempts.values()
                if row.order_id == order_id and row.outcome is None
            ),
            None,
        )
