"""The record's ports together, on one store: in memory, or on Postgres."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol
from uuid import UUID

from sqlalchemy import Engine

from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.postgres.cancel_all import PostgresOpenOrders
from chalicelib.adapters.postgres.order_queries import PostgresClientOrderKeys, PostgresOrderQueries
from chalicelib.adapters.postgres.order_record import PostgresOrderRecord
from chalicelib.adapters.postgres.subscriptions import PostgresSubscriptions
from chalicelib.adapters.postgres.usage import PostgresUsage
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import AttemptOutcome, ClaimedOrder, NewOrder, OpenAttempt, Transition
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.transactions import SignedTransaction
from chalicelib.services.intake.cancel_all import OpenOrdersRecord
from chalicelib.services.intake.limits import CONNECTION_DURATION_MAX
from chalicelib.services.ports import ClientOrderContents, ClientOrderKeys, OrderQueries, OrderRecord
from chalicelib.services.subscription_ports import Subscriptions
from tests.fakes.open_orders import MemoryOpenOrders
from tests.fakes.orders import LIFE, VIEWS, advanced
from tests.fakes.ports import SteppingClock
from tests.fakes.queries import MemoryQueries
from tests.fakes.record import MemoryRecord
from tests.fakes.subscriptions import MemorySubscriptions
from tests.fakes.tables import Tables

LONG_LEASE_MS = 60_000
SENT = LIFE[:-1]


class Connected(Protocol):
    """Notes a connection, whether it wants batches, and how long its token lasts."""

    def __call__(
        self, connection_id: str, batched: bool, *, lasts: timedelta = CONNECTION_DURATION_MAX
    ) -> None: ...


@dataclass(frozen=True)
class Store:
    """One store behind all of its ports."""

    record: OrderRecord
    subscriptions: Subscriptions
    queries: OrderQueries
    keys: ClientOrderKeys
    connected: Connected
    open_orders: OpenOrdersRecord
    contents: ClientOrderContents

    def created(
        self,
        order: Order,
        *statuses: OrderStatus,
        connection_id: str | None = None,
        lease_ms: int = LONG_LEASE_MS,
    ) -> ClaimedOrder:
        """Put an order on record with its first events; return it as its creator has claimed it."""
        state, events = advanced(OrderState(order), *(statuses or (OrderStatus.PENDING, OrderStatus.ROUTING)))
        assert self.record.create([NewOrder(state, events, connection_id)], lease_ms=lease_ms)
        return ClaimedOrder(state, fence=1)

    def begun(self, *orders: Order, lease_ms: int = LONG_LEASE_MS) -> dict[UUID, ClaimedOrder]:
        """Put orders on record with their signed transactions; return those that were, as claimed."""
        new = []
        for order in orders:
            state, events = advanced(OrderState(order), *SENT)
            attempt = an_attempt(signature=f"sig-{order.order_id}-1")
            new.append(NewOrder(state, events, None, attempt=attempt))
        created = self.record.create(new, lease_ms=lease_ms)
        return {
            each.state.order.order_id: ClaimedOrder(each.state, 1, each.attempt)
            for each in new
            if each.state.order.order_id in created
        }

    def moved(self, claimed: ClaimedOrder, *statuses: OrderStatus) -> ClaimedOrder:
        """Record some more events of an order that is claimed;
        what is sent is on record before its outcome.
        """
        sent = statuses.index(OrderStatus.SUBMITTED) + 1 if OrderStatus.SUBMITTED in statuses else 0
        for part in (statuses[:sent], statuses[sent:]):
            if part:
                transition = next_transition(claimed, *part)
                assert self.record.record([transition], lease_ms=LONG_LEASE_MS)
                claimed = ClaimedOrder(
                    transition.state, claimed.fence, transition.new_attempt or claimed.open_attempt
                )
        return claimed

    def seqs(self, order_id: UUID) -> list[int]:
        return [event.seq for event in self.queries.events_after(order_id, 0, limit=100)]


def in_memory() -> Store:
    return on_tables(Tables(SteppingClock().now))


def on_tables(tables: Tables) -> Store:
    queries, subscriptions = MemoryQueries(tables), MemorySubscriptions(tables)

    def connected(connection_id: str, batched: bool, *, lasts: timedelta = CONNECTION_DURATION_MAX) -> None:
        subscriptions.connected(connection_id, tables.now() + lasts, batched=batched)

    return Store(
        MemoryRecord(tables), subscriptions, queries, queries, connected, MemoryOpenOrders(tables), queries
    )


def on_postgres(engine: Engine) -> Store:
    def connected(connection_id: str, batched: bool, *, lasts: timedelta = CONNECTION_DURATION_MAX) -> None:
        expires_at = SystemClock().now() + lasts
        usage.note_connection(connection_id, connection_id, expires_at, batched=batched, limit=1)

    usage = PostgresUsage(engine)
    return Store(
        PostgresOrderRecord(engine, VIEWS),
        PostgresSubscriptions(engine),
        PostgresOrderQueries(engine),
        PostgresClientOrderKeys(engine),
        connected,
        PostgresOpenOrders(engine),
        PostgresClientOrderKeys(engine),
    )


def an_attempt(attempt: int = 1, signature: str = "5ig") -> OpenAttempt:
    transaction = SignedTransaction(signature, b"\x00\xffbytes", last_valid_height=150)
    return OpenAttempt(
        transaction, attempt, quoted_in_units=10**9, quoted_out_units=150 * 10**6, threshold_units=1
    )


def next_transition(
    claimed: ClaimedOrder,
    *statuses: OrderStatus,
    attempt: OpenAttempt | None = None,
    outcome: Literal["landed", "refused", "dead"] | None = None,
    release: bool = False,
) -> Transition:
    """A transition through some statuses, with what the record demands of each."""
    state, events = advanced(claimed.state, *statuses)
    new = attempt
    if new is None and OrderStatus.SUBMITTED in statuses:
        new = an_attempt(state.attempt, signature=f"sig-{state.order.order_id}-{state.attempt}")
    ended = state.status is OrderStatus.CONFIRMED
    open_attempt = new or claimed.open_attempt
    signature_status = outcome or ("landed" if ended else None)
    return Transition(
        claimed,
        state,
        events,
        new_attempt=new,
        outcome=AttemptOutcome(open_attempt.transaction.signature, signature_status)
        if open_attempt and signature_status
        else None,
        filled=(10**9, 150 * 10**6) if ended else None,
        failure_code=None,
        release=release or state.is_final,
    )
