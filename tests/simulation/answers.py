"""What clients were answered about their orders has to stay so: cancels, amendments, and ends by time."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from chalicelib.domain.errors import Code
from chalicelib.domain.events import OrderEvent, Recorded
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.intake.cancel_all import CanceledAll
from tests.fakes.tables import Tables


class AnsweredCancelOfAll(NamedTuple):
    """A cancel of all orders of an account that was said to be done.

    Attributes:
        spared: Orders of which something may have been sent by then.
        signatures: Of all transactions that were on record by then.
    """

    account_id: str
    wanted: OrderFilter
    until: datetime
    spared: Collection[UUID]
    signatures: Collection[str]


class AnsweredAmendment(NamedTuple):
    """An amendment that was said to be made.

    Attributes:
        changes: As the order's event names them.
        if_seq: What the order's last event had to be; None if any would do.
    """

    order_id: UUID
    changes: Mapping[str, str]
    if_seq: int | None


@dataclass
class Answers:
    """All answers of one run."""

    canceled: list[UUID] = field(default_factory=list)
    canceled_all: list[AnsweredCancelOfAll] = field(default_factory=list)
    amended: list[AnsweredAmendment] = field(default_factory=list)

    def note_canceled_all(
        self, tables: Tables, account_id: str, wanted: OrderFilter, done: CanceledAll
    ) -> None:
        """Note what a client knows once no order is left that could be canceled."""
        if done.has_more:
            return
        on_their_way = {row.order_id for row in tables.attempts.values() if row.outcome in {None, "landed"}}
        spared = on_their_way.union(done.already_sent)
        self.canceled_all.append(
            AnsweredCancelOfAll(account_id, wanted, done.accepted_until, spared, set(tables.attempts))
        )

    def violations(self, tables: Tables) -> Iterator[str]:
        """Yield what did not stay as it was answered."""
        for order_id in self.canceled:
            if (status := tables.orders[order_id].state.status) is not OrderStatus.CANCELED:
                yield f"{order_id} was said to be canceled, and is {status}"
        for amendment in self.amended:
            yield from _unmade(amendment, tables.events[amendment.order_id])
        for cancel in self.canceled_all:
            yield from _sent_after(cancel, tables)
        for order_id, events in tables.events.items():
            ends_at = tables.orders[order_id].state.order.valid_until
            if _is_over_time(events[-1]) and (ends_at is None or events[-1].at < ends_at):
                yield f"{order_id} expired at {events[-1].at}, before its end"


def _unmade(amendment: AnsweredAmendment, events: Collection[OrderEvent]) -> Iterator[str]:
    seqs = [event.seq for event in events if _amended(event) == amendment.changes]
    if not seqs:
        yield f"{amendment.order_id} was said to be amended, and no event says so"
    elif amendment.if_seq is not None and amendment.if_seq + 1 not in seqs:
        yield f"{amendment.order_id} was amended after another event than the one that was named"


def _sent_after(cancel: AnsweredCancelOfAll, tables: Tables) -> Iterator[str]:
    for signature, row in tables.attempts.items():
        order = tables.orders[row.order_id].state.order
        is_meant = order.account_id == cancel.account_id and cancel.wanted.fits(order)
        is_covered = is_meant and order.accepted_at <= cancel.until and row.order_id not in cancel.spared
        if is_covered and signature not in cancel.signatures:
            yield f"{row.order_id} was sent after a cancel of all that covers it was answered"


def _amended(event: OrderEvent) -> object:
    return event.what.fields.get("amended") if isinstance(event.what, Recorded) else None


def _is_over_time(event: OrderEvent) -> bool:
    """Return whether an order ended because its time was up, and not because its limit was not offered."""
    said = event.what.fields.get("code") if isinstance(event.what, Recorded) else None
    return event.status is OrderStatus.EXPIRED and said == Code.DEADLINE_EXCEEDED
