"""The one place where adapters meet services. Everything is made
on first use and kept while the process lives.

The WebSocket functions accept orders without the database: what needs it is imported where it is made.
"""

import os
from functools import cache
from typing import TYPE_CHECKING
from uuid import uuid4

from chalicelib.bootstrap.ports import Ports
from chalicelib.config import ChainName, Settings
from chalicelib.made_once import made_once
from chalicelib.services.delivery.replies import Replies
from chalicelib.services.intake.submit import SubmitOrders
from chalicelib.services.intake.submit_batch import SubmitBatch

if TYPE_CHECKING:
    from chalicelib.services.consumer.confirmation import Confirmation
    from chalicelib.services.consumer.dead_letters import ResolveDeadLetters
    from chalicelib.services.consumer.execute_batch import AfterArming, ExecuteOrders
    from chalicelib.services.consumer.messages import ConsumeMessages
    from chalicelib.services.consumer.presence import TellPresence
    from chalicelib.services.delivery.publisher import EventPublisher
    from chalicelib.services.delivery.replay import ReplayOrders
    from chalicelib.services.delivery.republish import EventRepublisher
    from chalicelib.services.intake.amend import AmendOrders
    from chalicelib.services.intake.cancel import CancelOrders
    from chalicelib.services.intake.cancel_all import CancelAllOrders
    from chalicelib.services.intake.preview import PreviewOrders
    from chalicelib.services.intake.redrive import RedriveDeadLetters
    from chalicelib.services.intake.refusals import CountRefusals
    from chalicelib.services.planning.markets import ReadMarkets
    from chalicelib.services.planning.quotes import QuoteSwaps
    from chalicelib.services.ports import Chain
    from chalicelib.services.queries.orders import ReadOrders
    from chalicelib.services.recovery.sweeper import Sweep
    from chalicelib.services.resting.watcher import PriceWatcher


class Services(Ports):
    """Every use case, wired to the world that its ports lead to."""

    @made_once
    def submit_orders(self) -> SubmitOrders:
        return SubmitOrders(self.queue, self.client_order_keys, self.clock, self.access.orders)

    @made_once
    def submit_batch(self) -> SubmitBatch:
        return SubmitBatch(self.submit_orders, self.batch_queue)

    @made_once
    def replies(self) -> Replies:
        return Replies(self.connections)

    @made_once
    def publisher(self) -> "EventPublisher":
        from chalicelib.services.delivery.publisher import EventPublisher

        return EventPublisher(self.subscriptions, self.connections, self.queue, self.event_views)

    @made_once
    def republisher(self) -> "EventRepublisher":
        from chalicelib.services.delivery.republish import EventRepublisher

        return EventRepublisher(self.queries, self.publisher, self.record)

    @made_once
    def replay_orders(self) -> "ReplayOrders":
        from chalicelib.services.delivery.replay import ReplayOrders

        return ReplayOrders(
            self.subscriptions,
            self.queries,
            self.connections,
            self.clock,
            self.event_views,
            lookup_wait_ms=self.settings.order_lookup_wait_ms,
        )

    @made_once
    def read_orders(self) -> "ReadOrders":
        from chalicelib.services.queries.orders import ReadOrders

        return ReadOrders(
            self.queries,
            self.clock,
            lookup_wait_ms=self.settings.order_lookup_wait_ms,
            page_size_max=self.settings.query_page_size_max,
        )

    @made_once
    def quote_swaps(self) -> "QuoteSwaps":
        from chalicelib.services.planning.quotes import QuoteSwaps

        return QuoteSwaps(self.market.quote_collector, self.tokens)

    @made_once
    def read_markets(self) -> "ReadMarkets":
        from chalicelib.services.planning.markets import ReadMarkets

        market = self.market
        return ReadMarkets(market.quote_collector, market.height, self.tokens, self.clock, mints=market)

    @made_once
    def preview_orders(self) -> "PreviewOrders":
        from chalicelib.services.intake.preview import PreviewOrders

        return PreviewOrders(
            self.market.quote_collector, self.client_order_keys, self.access.orders, self.tokens
        )

    @made_once
    def execute_orders(self) -> "ExecuteOrders":
        from chalicelib.services.consumer.claiming import ExecutionLimits
        from chalicelib.services.consumer.execute_batch import ExecuteOrders
        from chalicelib.services.delivery.background import ThreadBackground

        settings = self.settings
        return ExecuteOrders(
            record=self.record,
            quote_collector=self.market.quote_collector,
            chain=self.market.chain,
            confirmation=self._confirmation(self.market.chain, attempts_max=settings.attempts_max),
            publisher=self.publisher,
            republisher=self.republisher,
            background=ThreadBackground(),
            executor=self.clients.executor,
            observer=self.observer,
            tokens=self.tokens,
            clock=self.clock,
            limits=ExecutionLimits(
                settings.lease_ms,
                settings.attempts_max,
                settings.retry_delay_s,
                settings.batch_hold_ms,
            ),
            after_swaps=self.price_watcher.after_swaps,
            at_rest=self.price_watcher.at_rest,
            after_arming=self._after_arming,
            openings=self.market.openings,
            mints=self.market,
            expecting=self.market.expecting,
            lost_transactions=self.market.lost_transactions,
        )

    @made_once
    def price_watcher(self) -> "PriceWatcher":
        """Looks at prices for the orders that rest."""
        from chalicelib.bootstrap.watching import watcher

        market = self.market
        return watcher(market.prices, market.openings, self.watches, self.queue, self.clock, self.tokens)

    @property
    def _after_arming(self) -> "AfterArming":
        """Where swaps of ours are what moves the pools, and reading those costs one statement."""
        is_ours = self.settings.chain is ChainName.SIMULATED
        return self.price_watcher.after_arming if is_ours else lambda _: None

    @made_once
    def price_looks(self) -> "PriceWatcher":
        """The watcher that looks by the clock: it searches for new pools besides."""
        from chalicelib.bootstrap.watching import watcher

        market = self.market
        openings = market.searched_openings
        return watcher(market.prices, openings, self.watches, self.queue, self.clock, self.tokens)

    @made_once
    def cancel_orders(self) -> "CancelOrders":
        from chalicelib.services.intake.cancel import CancelOrders

        return CancelOrders(
            self.record,
            self.queries,
            self.publisher,
            self.observer,
            self.queue,
            self.clock,
            lookup_wait_ms=self.settings.order_lookup_wait_ms,
        )

    @made_once
    def amend_orders(self) -> "AmendOrders":
        from chalicelib.services.intake.amend import AmendOrders

        return AmendOrders(
            self.record,
            self.publisher,
            self.observer,
            self.queue,
            self.mints,
            self.clock,
            lookup_wait_ms=self.settings.order_lookup_wait_ms,
            look=self.price_watcher.after_amendment,
        )

    @made_once
    def cancel_all_orders(self) -> "CancelAllOrders":
        from chalicelib.adapters.postgres.cancel_all import PostgresOpenOrders
        from chalicelib.services.intake.cancel_all import CancelAllOrders

        record = PostgresOpenOrders(self.engine, must_be_known=self.market.is_beside_the_record)
        return CancelAllOrders(record, self.queries, self.publisher, self.queue, self.observer, self.clock)

    @made_once
    def consume_messages(self) -> "ConsumeMessages":
        from chalicelib.services.consumer.messages import ConsumeMessages

        return ConsumeMessages(
            execute_orders=self.execute_orders,
            replay_orders=self.replay_orders,
            replies=self.replies,
            queue=self.queue,
            executor=self.clients.executor,
        )

    @made_once
    def tell_presence(self) -> "TellPresence":
        """Of this process: an execution environment is one."""
        from chalicelib.adapters.postgres.consumer_notes import PostgresConsumerNotes
        from chalicelib.services.consumer.presence import TellPresence

        return TellPresence(PostgresConsumerNotes(self.engine), self.clock, uuid4())

    @made_once
    def resolve_dead_letters(self) -> "ResolveDeadLetters":
        from chalicelib.adapters.postgres.housekeeping import PostgresDeadLetterArchive
        from chalicelib.services.consumer.dead_letters import ResolveDeadLetters
        from chalicelib.services.delivery.dead_letter_subscribers import DeadLetterSubscribers
        from chalicelib.wire.queue_messages import parse_message
        from chalicelib.wire.unreadable_messages import remains

        return ResolveDeadLetters(
            record=self.record,
            queries=self.queries,
            archive=PostgresDeadLetterArchive(self.engine),
            # One attempt at most: whatever is dead by now stays dead.
            confirmation=self._confirmation(self.market.keyless_chain, attempts_max=1),
            republisher=self.republisher,
            observer=self.observer,
            dead_letter_subscribers=DeadLetterSubscribers(self.subscriptions, self.connections, self.queue),
            clock=self.clock,
            lease_ms=self.settings.lease_ms,
            parse=parse_message,
            remains=remains,
            mints=self.mints,
            may_have_executed=self.market.may_have_executed,
        )

    @made_once
    def count_refusals(self) -> "CountRefusals":
        from chalicelib.adapters.postgres.refusal_tally import PostgresRefusalTally
        from chalicelib.services.intake.refusals import CountRefusals

        return CountRefusals(PostgresRefusalTally(self.engine), self.clock)

    @made_once
    def redrive_dead_letters(self) -> "RedriveDeadLetters":
        from chalicelib.services.intake.redrive import RedriveDeadLetters

        return RedriveDeadLetters(self.operations, self.queue)

    @made_once
    def sweep(self) -> "Sweep":
        from chalicelib.adapters.postgres.housekeeping import PostgresHousekeeping
        from chalicelib.services.recovery.sweeper import Sweep

        housekeeping = PostgresHousekeeping(self.engine, servers=self.market.servers)
        return Sweep(housekeeping, self.queue, self.connections, self.subscriptions)

    def _confirmation(self, chain: "Chain", *, attempts_max: int) -> "Confirmation":
        from chalicelib.services.consumer.confirmation import Confirmation, PollPolicy
        from chalicelib.services.consumer.wait_policy import WaitPolicy

        settings = self.settings
        poll_policy = PollPolicy(
            settings.confirmation_wait_ms / 1000,
            settings.poll_ms / 1000,
            settings.look_again_s,
            settings.first_look_ms / 1000,
        )
        return Confirmation(
            chain,
            self.clock,
            poll_policy=poll_policy,
            wait_policy=WaitPolicy(self.clock),
            attempts_max=attempts_max,
            may_have_executed=self.market.may_have_executed,
            may_lack_later=self.market.may_lack_later,
        )

    def has_marks(self) -> bool:
        """Return whether every price that triggers look at can be seen; raises ``RetryableError``."""
        return self.price_watcher.has_marks()


@cache
def services() -> Services:
    """Return this process's services; settings are read from the environment, once."""
    return Services(Settings.from_env(os.environ))
