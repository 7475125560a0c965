"""The reading side of the record in memory: queries, reservations, housekeeping and the archive."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from chalicelib.adapters.postgres.housekeeping import (
    BEHIND_AFTER_S,
    FINISHED_AFTER_S,
    SENT_AGAIN_AFTER_S,
    STRANDED_AFTER_S,
)
from chalicelib.adapters.postgres.unpublished import UNPUBLISHED_AFTER_S
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.statuses import FINAL, RESTING, OrderStatus
from chalicelib.services.consumer.dead_letters import DeadLetter
from chalicelib.services.ports import OrderView
from chalicelib.services.recovery.sweeper import Forgotten, StrandedOrder, SubscriptionBehind, SweepPart
from chalicelib.services.recovery.turns import Rest
from tests.fakes.tables import OrderRow, Tables


class MemoryQueries:
    """``OrderQueries`` and ``ClientOrderKeys``."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def find(self, account_id: str, order_id: UUID) -> OrderView | None:
        row = self._tables.orders.get(order_id)
        if row is None or row.state.order.account_id != account_id:
            return None
        return OrderView(row.state, row.updated_at, self._tables.events[order_id][-1])

    def page(
        self, account_id: str, *, status: OrderStatus | None, limit: int, before: tuple[datetime, UUID] | None
    ) -> Sequence[OrderView]:
        found = [
            row
            for row in self._tables.orders.values()
            if row.state.order.account_id == account_id and status in {None, row.state.status}
        ]
        found.sort(key=_place, reverse=True)
        page = [row for row in found if before is None or _place(row) < before][:limit]
        return [
            OrderView(row.state, row.updated_at, self._tables.events[row.state.order.order_id][-1])
            for row in page
        ]

    def events_after(self, order_id: UUID, seq: int, *, limit: int) -> Sequence[OrderEvent]:
        return [event for event in self._tables.events.get(order_id, ()) if event.seq > seq][:limit]

    def reserve(self, account_id: str, client_order_id: str, content_sha256: str) -> bool:
        return self._tables.keys.setdefault((account_id, client_order_id), content_sha256) == content_sha256

    def content_of(self, account_id: str, client_order_id: str) -> str | None:
        return self._tables.keys.get((account_id, client_order_id))


def _place(row: OrderRow) -> tuple[datetime, UUID]:
    return row.state.order.accepted_at, row.state.order.order_id


class MemoryHousekeeping:
    """``Housekeeping`` and ``DeadLetterArchive``."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._resumed_at: dict[UUID, datetime] = {}

    def stranded_orders(self, rest: Rest, *, limit: int) -> SweepPart[StrandedOrder]:  # noqa: ARG002  # all at once
        since = self._tables.now() - timedelta(seconds=STRANDED_AFTER_S)
        return SweepPart(
            [
                StrandedOrder(id_, row.state.order.account_id)
                for id_, row in self._tables.orders.items()
                if row.state.status not in FINAL | RESTING
                and row.lease_until < since
                and not self._waits(id_, row.lease_until)
            ]
        )

    def unpublished_orders(self, *, limit: int) -> Sequence[StrandedOrder]:
        since = self._tables.now() - timedelta(seconds=UNPUBLISHED_AFTER_S)
        old = [id_ for id_, at in self._tables.unpublished.items() if at < since][:limit]
        found = []
        for id_ in old:
            state = self._tables.orders[id_].state
            if state.published_seq == state.seq:
                del self._tables.unpublished[id_]
            else:
                found.append(StrandedOrder(id_, state.order.account_id))
        return found

    def _waits(self, order_id: UUID, lease_until: datetime) -> bool:
        """Return whether the message that resumes an order may be in the queue still."""
        at = self._resumed_at.get(order_id)
        again = timedelta(seconds=SENT_AGAIN_AFTER_S)
        return at is not None and at >= lease_until and at >= self._tables.now() - again

    def note_resumed(self, order_ids: Sequence[UUID]) -> None:
        now, unpublished = self._tables.now(), self._tables.unpublished
        self._resumed_at |= dict.fromkeys(order_ids, now)
        unpublished |= dict.fromkeys((id_ for id_ in order_ids if id_ in unpublished), now)

    def subscriptions_behind(self, rest: Rest, *, limit: int) -> SweepPart[SubscriptionBehind]:  # noqa: ARG002  # as above
        now = self._tables.now()
        behind = []
        for (connection_id, order_id), row in list(self._tables.subscriptions.items()):
            if not row.live and row.updated_at < now - timedelta(seconds=BEHIND_AFTER_S):
                row.updated_at = now + timedelta(seconds=SENT_AGAIN_AFTER_S - BEHIND_AFTER_S)
                behind.append(SubscriptionBehind(connection_id, row.account_id, order_id, row.replayed_to))
        return SweepPart(behind)

    def expired_connections(self, *, limit: int) -> Sequence[str]:
        now = self._tables.now()
        return [id_ for id_, row in self._tables.connections.items() if row.expires_at < now][:limit]

    def forget_finished(self, *, limit: int) -> Forgotten:
        since = self._tables.now() - timedelta(seconds=FINISHED_AFTER_S)
        orders = self._tables.orders
        finished = [
            key
            for key, row in self._tables.subscriptions.items()
            if row.live
            and key[1] in orders
            and orders[key[1]].state.is_final
            and orders[key[1]].updated_at < since
        ]
        for key in finished[:limit]:
            del self._tables.subscriptions[key]
        return Forgotten(len(finished[:limit]), is_more=len(finished) > limit)

    def forget_pairs(self, *, limit: int) -> Forgotten:
        """Remove none: in memory pairs have no numbers."""
        assert limit > 0
        return Forgotten(0, is_more=False)

    def archive(self, letter: DeadLetter, *, order_id: UUID | None, reason: str) -> None:
        del order_id
        self._tables.dead_letters.setdefault(letter.message_id, (letter, reason))
