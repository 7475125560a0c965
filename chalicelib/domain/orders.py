"""An order: what was asked for, and where it stands."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from chalicelib.domain.errors import InvalidTransitionError
from chalicelib.domain.events import Happened, OrderEvent, Recorded
from chalicelib.domain.statuses import FINAL, MAY_FOLLOW, OrderStatus
from chalicelib.domain.terms import OrderTerms
from chalicelib.values import value

UNRECORDED_MAX: Final = timedelta(days=14)
"""So long an accepted order may wait to be put on record: its message is kept by no queue for longer, and
what a cancel of all leaves behind for it is kept for a day more (``MARKS_KEPT``).
"""

MARKS_KEPT: Final = UNRECORDED_MAX + timedelta(days=1)

_BEFORE_ANOTHER: Final = frozenset({OrderStatus.ROUTING, OrderStatus.OPEN})
_NOTED: Final = frozenset({OrderStatus.SUBMITTED, OrderStatus.TRIGGERED})


@value
class Order:
    """What an account asked for; it changes only if the account amends it while it rests.

    Attributes:
        content_sha256: Digest of the terms as they were accepted; tells a retry from a conflict.
        valid_until: Past this moment the order is not sent any more; None if it waits until it is canceled.
        submission_id: Of the one request that this order was made from; another one for the same
            order, under the same client order id, has another. None from before there was one.
    """

    order_id: UUID
    account_id: str
    terms: OrderTerms
    accepted_at: datetime
    valid_until: datetime | None
    content_sha256: str
    submission_id: UUID | None = None

    def is_late(self, now: datetime) -> bool:
        """Return whether the order may not be sent any more."""
        return self.valid_until is not None and now > self.valid_until

    def is_overdue(self, now: datetime) -> bool:
        """Return whether an order that is not on record yet comes so late that it may have been canceled and
        nothing tells of that any more.
        """
        return now - self.accepted_at > UNRECORDED_MAX


@value
class OrderState:
    """Where an order stands: the last event's status, seq and attempt.

    Attributes:
        was_sent: Some attempt was handed to a venue, or may have been.
        published_seq: Events up to this one are known to have been published to all
            subscribers; of later ones it is not known. A connection that did not take them is
            marked as behind, and counts as served.
        is_triggered: What its trigger waits for was seen, or a pool that it buys has opened; neither is
            waited for again.
        refused_at_bound: How many of its transactions used up no attempt: refused at its limit, or never
            landed when there was none left, or no time.
        paid_refusals: How many of them the chain refused, which takes a fee for that, since its owner last
            changed what they are refused for.
        given_up: How many leases ran out since a consumer put it to rest last: those consumers died over it,
            or lost the record.
    """

    order: Order
    status: OrderStatus | None = None
    seq: int = 0
    attempt: int = 1
    was_sent: bool = False
    published_seq: int = 0
    is_triggered: bool = False
    refused_at_bound: int = 0
    paid_refusals: int = 0
    given_up: int = 0

    @property
    def used_attempts(self) -> int:
        """Which of the attempts that an order has this one is, from 1."""
        return self.attempt - self.refused_at_bound

    @property
    def is_held_to_refusals(self) -> bool:
        """Whether what the chain refused of it bounds the next attempt: it has no limit that always does.

        Also where it rests in between, as a sniper order whose pool is out of sight. Not a stop: held to a
        price of before, it would not sell in a market that falls.
        """
        terms = self.order.terms
        is_retried = self.was_sent and self.status in _BEFORE_ANOTHER
        return is_retried and terms.limit is None and not terms.is_stop_at_market

    @property
    def waits_for_trigger(self) -> bool:
        """Whether a trigger's price, or a sniper order's pool, is yet to be seen."""
        terms = self.order.terms
        return not self.is_triggered and (terms.trigger is not None or terms.sniper is not None)

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    def abandoned(self) -> "OrderState":
        """Return the state after one more lease that ran out."""
        return replace(self, given_up=self.given_up + 1)

    def with_order(self, order: Order) -> "OrderState":
        """Return the state under other terms; refusals of another price or amount do not count for these."""
        before, after = self.order.terms, order.terms
        is_same = (before.limit, before.amount_units) == (after.limit, after.amount_units)
        return replace(self, order=order, paid_refusals=self.paid_refusals if is_same else 0)

    def transition_to(
        self, what: Happened | Recorded, at: datetime, *, attempt: int | None = None
    ) -> tuple["OrderState", OrderEvent]:
        """Return the state after one more event, and that event.

        Raises:
            InvalidTransitionError: The status may not follow the present one.
        """
        state, (event,) = self.advanced([what], at, attempt=attempt)
        return state, event

    def advanced(
        self, steps: Iterable[Happened | Recorded], at: datetime, *, attempt: int | None = None
    ) -> tuple["OrderState", tuple[OrderEvent, ...]]:
        """Return the state after events of one moment, and those events.

        Raises:
            InvalidTransitionError: A status may not follow the one before it.
        """
        order_id, status, seq = self.order.order_id, self.status, self.seq
        attempt = attempt or self.attempt
        was_sent, is_triggered = self.was_sent, self.is_triggered
        events = []
        for what in steps:
            after = what.status
            # Not a call for each: every event of every order comes by here.
            if after not in MAY_FOLLOW[status]:
                raise InvalidTransitionError(status or "nothing", after)
            status, seq = after, seq + 1
            if status in _NOTED:
                was_sent = was_sent or status is OrderStatus.SUBMITTED
                is_triggered = is_triggered or status is OrderStatus.TRIGGERED
            events.append(OrderEvent(order_id, seq, attempt, at, what))
        # Not ``replace``, which goes through the fields by name.
        state = OrderState(
            self.order,
            status,
            seq,
            attempt,
            was_sent,
            self.published_seq,
            is_triggered,
            self.refused_at_bound,
            self.paid_refusals,
            self.given_up,
        )
        return state, tuple(events)
