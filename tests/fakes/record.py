"""``OrderRecord`` in memory, statement for statement what ``adapters/postgres/order_record.py`` does.

``tests/simulation/test_claims.py`` compares the two.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from chalicelib.adapters.postgres.claims import CLOCK_JUMP_S
from chalicelib.domain.events import Open, OrderEvent
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import ClaimedOrder, Claims, NewOrder, Published, Subscribed, Transition
from chalicelib.domain.statuses import CANCELABLE, OrderStatus
from chalicelib.services.resting.waiting import watch_of_amended
from tests.fakes.subscriptions import MemorySubscriptions
from tests.fakes.tables import OrderRow, SubscriptionRow, Tables


class MemoryRecord:
    """Every method is one transaction: nothing else happens while it runs."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def create(
        self, orders: Sequence[NewOrder], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        created = set()
        for new in orders:
            order = new.state.order
            if order.order_id in self._tables.orders:
                continue
            if new.attempt is not None and self._tables.is_marked(order):
                continue
            now = self._tables.now()
            self._tables.append(new.events)
            if new.attempt is not None:
                self._tables.insert_attempt(order.order_id, new.attempt)
            row = OrderRow(new.state, 1, now + timedelta(milliseconds=lease_ms), now)
            self._tables.orders[order.order_id] = row
            if new.connection_id is not None:
                self._tables.subscriptions.setdefault(
                    (new.connection_id, order.order_id), SubscriptionRow(order.account_id, True, 0, now)
                )
            created.add(order.order_id)
        self._note_subscribed([new.state.order for new in orders if new.attempt is not None], subscribed)
        return frozenset(created)

    def claim(self, order_ids: Sequence[UUID], *, lease_ms: int) -> Claims:
        known = {id_: self._tables.orders[id_] for id_ in order_ids if id_ in self._tables.orders}
        unfinished = {id_: row for id_, row in known.items() if not row.state.is_final}
        free = {id_: row for id_, row in unfinished.items() if self._is_free(row, lease_ms)}
        claimed = {}
        for id_, row in free.items():
            row.fence += 1
            is_abandoned = row.lease_until > row.updated_at + timedelta(milliseconds=100)
            row.state = row.state.abandoned() if is_abandoned else row.state
            row.lease_until = self._tables.now() + timedelta(milliseconds=lease_ms)
            fired = self._tables.watches.fired(id_) if row.state.status is OrderStatus.OPEN else None
            held_to = self._tables.refused_at(id_) if row.state.is_held_to_refusals else None
            claimed[id_] = ClaimedOrder(
                row.state, row.fence, self._tables.open_attempt(id_), fired, held_to, is_abandoned
            )
        return Claims(
            claimed=claimed,
            busy={id_: row.state for id_, row in unfinished.items() if id_ not in free},
            final={id_: row.state for id_, row in known.items() if row.state.is_final},
        )

    def record(
        self, transitions: Sequence[Transition], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        counted = set()
        for transition in transitions:
            row = self._tables.orders[transition.state.order.order_id]
            if self._counts(transition, row):
                self._apply(transition, row, lease_ms)
                counted.add(transition.state.order.order_id)
        self._note_subscribed([each.state.order for each in transitions if each.events], subscribed)
        return frozenset(counted)

    def _note_subscribed(self, orders: Sequence[Order], subscribed: Subscribed | None) -> None:
        if subscribed is not None:
            subscribed |= {order.order_id: [] for order in orders}
            for each in MemorySubscriptions(self._tables).of_orders(orders):
                subscribed[each.order_id].append(each)

    def cancel(self, account_id: str, order_id: UUID, at: datetime) -> tuple[Order, OrderEvent] | None:
        row = self._tables.orders.get(order_id)
        if row is None or row.state.order.account_id != account_id:
            return None
        rests = row.state.status is OrderStatus.OPEN
        if row.state.status not in CANCELABLE or (row.state.was_sent and not rests):
            return None
        self._tables.unpublished[order_id] = self._tables.now()
        return self._tables.cancel(row, at)

    def cancel_covered(self, order_ids: Sequence[UUID], at: datetime) -> Sequence[tuple[Order, OrderEvent]]:
        rows = [self._tables.orders[id_] for id_ in order_ids if id_ in self._tables.orders]
        return [self._tables.cancel(row, at) for row in rows if self._tables.is_covered(row)]

    def amend(
        self,
        account_id: str,
        order_id: UUID,
        at: datetime,
        change: Callable[[OrderState], Order],
        amended: Mapping[str, object],
    ) -> tuple[Order, OrderEvent] | None:
        row = self._tables.orders.get(order_id)
        if row is None or row.state.order.account_id != account_id:
            return None
        after, event = row.state.with_order(change(row.state)).transition_to(Open(amended=amended), at)
        self._tables.append((event,))
        self._tables.watches.arm([watch_of_amended(after, at)])
        self._tables.unpublished[order_id] = self._tables.now()
        row.state, row.fence, row.updated_at = after, row.fence + 1, self._tables.now()
        row.lease_until = row.updated_at
        return after.order, event

    def note_published(self, published: Sequence[Published]) -> None:
        self._tables.note_published(published)

    def published_elsewhere(self, order_ids: Sequence[UUID], *, within_s: int) -> frozenset[UUID]:
        since, unpublished = self._tables.now() - timedelta(seconds=within_s), self._tables.unpublished
        rows = {id_: self._tables.orders[id_] for id_ in order_ids}
        return frozenset(
            id_
            for id_, row in rows.items()
            if row.state.published_seq == row.state.seq or (id_ in unpublished and row.updated_at > since)
        )

    def state(self, account_id: str, order_id: UUID) -> OrderState | None:
        row = self._tables.orders.get(order_id)
        return row.state if row is not None and row.state.order.account_id == account_id else None

    def _is_free(self, row: OrderRow, lease_ms: int) -> bool:
        now = self._tables.now()
        return not now <= row.lease_until <= now + timedelta(seconds=CLOCK_JUMP_S, milliseconds=lease_ms)

    def _counts(self, transition: Transition, row: OrderRow) -> bool:
        return (
            row.fence == transition.claimed.fence
            and row.state.seq == transition.claimed.state.seq
            and (transition.state.is_final or transition.is_found or not self._tables.is_covered(row))
        )

    def _apply(self, transition: Transition, row: OrderRow, lease_ms: int) -> None:
        now, order_id = self._tables.now(), transition.state.order.order_id
        self._tables.append(transition.events)
        if transition.outcome is not None:
            attempt = self._tables.attempts[transition.outcome.signature]
            if attempt.outcome is None:
                attempt.outcome = transition.outcome.outcome
        if transition.new_attempt is not None:
            self._tables.insert_attempt(order_id, transition.new_attempt)
        if transition.watch is not None:
            self._tables.watches.arm([transition.watch])
        elif row.state.status is OrderStatus.OPEN and transition.state.status is not OrderStatus.OPEN:
            self._tables.watches.disarm([order_id])
        row.state = replace(
            transition.state, was_sent=row.state.was_sent or transition.new_attempt is not None
        )
        row.filled = transition.filled
        row.updated_at = now
        row.lease_until = now if transition.release else now + timedelta(milliseconds=lease_ms)
