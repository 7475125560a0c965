"""The consumer's services on fakes, wired as ``chalicelib.bootstrap`` wires them on the real thing."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import OpenAttempt
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.transactions import SignedTransaction
from chalicelib.services.consumer.batch import Incoming, MessageOutcome
from chalicelib.services.consumer.claiming import ExecutionLimits
from chalicelib.services.consumer.confirmation import Confirmation, PollPolicy
from chalicelib.services.consumer.dead_letters import ResolveDeadLetters
from chalicelib.services.consumer.execute_batch import ExecuteOrders
from chalicelib.services.consumer.messages import ConsumeMessages
from chalicelib.services.consumer.wait_policy import WaitPolicy
from chalicelib.services.delivery.dead_letter_subscribers import DeadLetterSubscribers
from chalicelib.services.delivery.publisher import EventPublisher
from chalicelib.services.delivery.replay import ReplayOrders
from chalicelib.services.delivery.replies import Replies
from chalicelib.services.delivery.republish import EventRepublisher
from chalicelib.services.mints import NO_MINTS, LearnMints
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.services.ports import LostTransactions, Mints
from chalicelib.services.resting.launching import NO_OPENINGS
from chalicelib.services.resting.matcher import Matcher
from chalicelib.services.resting.ports import Openings
from chalicelib.services.resting.size_rates import SizeRates
from chalicelib.services.resting.watcher import PriceWatcher, fired_message
from chalicelib.wire.queue_messages import parse_message
from chalicelib.wire.unreadable_messages import remains
from tests.fakes.inline import InlineBackground, InOneThread, Unobserved
from tests.fakes.market import FakeChain, FakePrices, FakeVenue
from tests.fakes.orders import VIEWS
from tests.fakes.ports import FakeConnections, FakeQueue, FrozenClock
from tests.fakes.queries import MemoryHousekeeping, MemoryQueries
from tests.fakes.record import MemoryRecord
from tests.fakes.subscriptions import MemorySubscriptions
from tests.fakes.tables import Tables

LEASE_MS: Final = 15_000
LEASE_S: Final = 15
ATTEMPTS_MAX: Final = 3
RETRY_DELAY_S: Final = 2


class ConsumerOnFakes:
    """One consumer; time passes only when it polls the chain, or a test says so."""

    def __init__(
        self,
        record_type: type[MemoryRecord] = MemoryRecord,
        *,
        openings: Openings = NO_OPENINGS,
        mints: Mints = NO_MINTS,
        lost_transactions: LostTransactions | None = None,
    ) -> None:
        self._may_have_executed = lost_transactions.are_sought if lost_transactions else lambda: False
        self.signed_before: int | None = None
        """The record may lack later transactions than those up to this height; None: than any."""
        self.clock = FrozenClock()
        self.tables = Tables(self._database_time)
        self.record = record_type(self.tables)
        self.queries = MemoryQueries(self.tables)
        self.subscriptions = MemorySubscriptions(self.tables)
        self.queue, self.connections, self.chain = FakeQueue(), FakeConnections(), FakeChain()
        self.venues = [FakeVenue("raydium"), FakeVenue("meteora")]
        self.publisher = EventPublisher(self.subscriptions, self.connections, self.queue, VIEWS)
        republisher = EventRepublisher(self.queries, self.publisher, self.record)
        self.replay_orders = ReplayOrders(
            self.subscriptions, self.queries, self.connections, self.clock, VIEWS, lookup_wait_ms=0
        )
        matcher = Matcher(
            self.tables.watches, self.queue, fired_message, openings=openings, sizes=SizeRates(load_tokens())
        )
        prices = FakePrices(self.venues, self.chain, self.clock)
        self.price_watcher = PriceWatcher(prices, matcher, self.tables.watches, self.queue, self.clock)
        self.execute_orders = ExecuteOrders(
            record=self.record,
            quote_collector=QuoteCollector(
                self.venues, InOneThread(), self.clock, time_limit_ms=0, valid_ms=2_000
            ),
            chain=self.chain,
            confirmation=self._confirmation(ATTEMPTS_MAX),
            publisher=self.publisher,
            republisher=republisher,
            background=InlineBackground(),
            executor=InOneThread(),
            observer=Unobserved(),
            tokens=load_tokens(),
            clock=self.clock,
            limits=ExecutionLimits(LEASE_MS, ATTEMPTS_MAX, RETRY_DELAY_S, batch_hold_ms=100),
            after_swaps=self.price_watcher.after_swaps,
            at_rest=self.price_watcher.at_rest,
            after_arming=self.price_watcher.after_arming,
            openings=openings,
            mints=mints,
            lost_transactions=lost_transactions,
        )
        self.consume_messages = ConsumeMessages(
            execute_orders=self.execute_orders,
            replay_orders=self.replay_orders,
            replies=Replies(self.connections),
            queue=self.queue,
            executor=InOneThread(),
        )
        self.resolve_dead_letters = ResolveDeadLetters(
            record=self.record,
            queries=self.queries,
            archive=MemoryHousekeeping(self.tables),
            confirmation=self._confirmation(1),
            republisher=republisher,
            observer=Unobserved(),
            dead_letter_subscribers=DeadLetterSubscribers(self.subscriptions, self.connections, self.queue),
            clock=self.clock,
            lease_ms=LEASE_MS,
            parse=parse_message,
            remains=remains,
            mints=LearnMints(load_tokens(), mints),
            may_have_executed=self._may_have_executed,
        )

    def _may_lack_later(self, transaction: SignedTransaction) -> bool:
        before = self.signed_before
        return self._may_have_executed() and (before is None or transaction.last_valid_height <= before)

    def execute(self, *orders: Order, delivery: int = 1) -> Mapping[UUID, MessageOutcome]:
        """Work through one batch of submissions, each by the connection ``c=``."""
        return self.execute_orders.execute(
            [Incoming(each.order_id, each, "c=", delivery=delivery) for each in orders]
        )

    def statuses(self, order: Order) -> tuple[OrderStatus, ...]:
        """Every status that the record has of an order, in order."""
        return tuple(event.status for event in self.tables.events.get(order.order_id, ()))

    def frames(self, order: Order, connection_id: str = "c=") -> list[dict[str, Any]]:
        """What a connection was sent of an order."""
        frames = [json.loads(text) for text in self.connections.frames.get(connection_id, [])]
        return [frame for frame in frames if frame.get("orderId") == str(order.order_id)]

    def failure_code(self, order: Order) -> str:
        """Why an order did not execute, as its owner is told."""
        return str(self.frames(order)[-1]["code"])

    def open_attempt(self, order: Order) -> OpenAttempt | None:
        return self.tables.open_attempt(order.order_id)

    def is_claimed(self, order: Order) -> bool:
        return self.tables.orders[order.order_id].lease_until > self.clock.now()

    def _database_time(self) -> datetime:
        """No two statements run at one moment: a lease that ends now has ended for the next one."""
        self.clock.sleep(0.000_001)
        return self.clock.now()

    def _confirmation(self, attempts_max: int) -> Confirmation:
        return Confirmation(
            self.chain,
            self.clock,
            poll_policy=PollPolicy(wait_s=1.0, poll_s=0.4, again_s=1.0),
            wait_policy=WaitPolicy(self.clock),
            attempts_max=attempts_max,
            may_have_executed=self._may_have_executed,
            may_lack_later=self._may_lack_later,
        )
