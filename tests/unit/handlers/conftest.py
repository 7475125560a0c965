"""The handlers' services on fakes, where clients have to show tokens."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from chalicelib.bootstrap import Services
from chalicelib.config import Settings
from chalicelib.domain.orders import Order
from chalicelib.services.consumer.execute_batch import ExecuteOrders
from chalicelib.services.consumer.presence import TellPresence
from chalicelib.services.intake.cancel import CancelOrders
from chalicelib.services.intake.known_connections import KnownConnections
from chalicelib.services.intake.limits import ConnectionLimits
from chalicelib.services.intake.rates import RequestKind, RequestRate, RequestRates
from chalicelib.services.planning.quotes import QuoteSwaps
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.services.queries.orders import ReadOrders
from chalicelib.services.recovery.sweeper import Sweep
from tests.fakes.consumer import ConsumerOnFakes
from tests.fakes.inline import InOneThread, Unobserved
from tests.fakes.orders import an_order
from tests.fakes.ports import FakeReceivedMessages
from tests.fakes.queries import MemoryHousekeeping
from tests.fakes.usage import FakeUsage
from tests.security.tokens import AUDIENCE, ISSUER, SECRET

ENVIRONMENT = {
    "AUTH_MODE": "jwt",
    "CONNECTIONS_URL": "http://127.0.0.1:9/ws",
    "PARTIAL_BATCH_RESPONSES": "1",
    "JWT_SECRET": SECRET,
    "JWT_ISSUER": ISSUER,
    "JWT_AUDIENCE": AUDIENCE,
    "ORDERS_PER_SECOND_MAX": "1000",
    "ORDERS_BURST_MAX": "5",
    "PINGS_PER_SECOND_MAX": "1",
    "READS_PER_SECOND_MAX": "5",
    "ORDER_LOOKUP_WAIT_MS": "0",
}


class CountingObserver(Unobserved):
    """An observer that counts what it is told to, and how often it was flushed."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.flushed = 0

    def count(self, name: str, number: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + number

    def flush(self) -> None:
        self.flushed += 1


class NotedConsumers:
    """``ConsumerNotes``; ``error`` is raised instead."""

    def __init__(self) -> None:
        self.noted: list[tuple[UUID, int]] = []
        self.error: Exception | None = None

    def note(self, consumer_id: UUID, oldest_ms: int) -> None:
        if self.error is not None:
            raise self.error
        self.noted.append((consumer_id, oldest_ms))


class Wired:
    """The services that the handlers find, and the fakes behind them."""

    def __init__(self) -> None:
        self.parts = parts = ConsumerOnFakes()
        self.observer, self.usage = CountingObserver(), FakeUsage()
        self.consumers = NotedConsumers()
        self.housekeeping = MemoryHousekeeping(parts.tables)
        self.services = services = Services(Settings.from_env(ENVIRONMENT))
        self.received = FakeReceivedMessages()
        services.clock = parts.clock
        collector = QuoteCollector(parts.venues, InOneThread(), parts.clock, time_limit_ms=0, valid_ms=2_000)
        cancel_orders = CancelOrders(
            parts.record,
            parts.queries,
            parts.publisher,
            self.observer,
            parts.queue,
            parts.clock,
            lookup_wait_ms=0,
        )
        read_orders = ReadOrders(parts.queries, parts.clock, lookup_wait_ms=0, page_size_max=3)
        sweep = Sweep(self.housekeeping, parts.queue, parts.connections, parts.subscriptions)
        vars(services).update(
            queue=parts.queue,
            connections=parts.connections,
            client_order_keys=parts.queries,
            subscriptions=parts.subscriptions,
            queries=parts.queries,
            record=parts.record,
            publisher=parts.publisher,
            replay_orders=parts.replay_orders,
            execute_orders=parts.execute_orders,
            tell_presence=TellPresence(self.consumers, parts.clock, uuid4()),
            consume_messages=parts.consume_messages,
            resolve_dead_letters=parts.resolve_dead_letters,
            observer=self.observer,
            received_orders=self.received,
            received_dead_letters=self.received,
            cancel_orders=cancel_orders,
            read_orders=read_orders,
            quote_swaps=QuoteSwaps(collector, services.tokens),
            sweep=sweep,
            watches=parts.tables.watches,
            price_watcher=parts.price_watcher,
            price_looks=parts.price_watcher,
        )
        vars(services.access).update(
            connections=ConnectionLimits(self.usage, parts.clock, connections_max=2, subscriptions_max=2),
            known_connections=KnownConnections(self.usage),
        )

    def set(self, **environment: str) -> None:
        """Change settings, by the names of their variables."""
        self.services.settings = Settings.from_env(ENVIRONMENT | environment)

    def allow_one_request_of_each_kind(self) -> None:
        rates = {kind: RequestRate(per_second=1, burst=1) for kind in RequestKind}
        vars(self.services.access).update(requests=RequestRates(rates, self.parts.clock))

    @property
    def execute_orders(self) -> ExecuteOrders:
        return self.parts.execute_orders

    def on_record(self, account_id: str = "alice", client_order_id: str | None = None) -> Order:
        """An order of an account that has been executed; its submitter is gone."""
        order = an_order(
            account_id=account_id,
            client_order_id=client_order_id,
            accepted_at=self.parts.clock.now(),
        )
        self.parts.execute(order)
        self.parts.connections.frames.clear()
        return order

    def frames(self, connection_id: str) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.parts.connections.frames.get(connection_id, [])]


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Wired:
    made = Wired()
    for module in ("identity", "queue", "refusals", "rest", "schedule", "several_orders", "websocket"):
        monkeypatch.setattr(f"chalicelib.handlers.{module}.services", lambda: made.services)
    return made
