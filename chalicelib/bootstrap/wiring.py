"""The one place where adapters meet services. Everything is made
on first use and kept while the process lives.

The WebSocket functions accept orders without the database: what needs it is imported where it is made.
"""

import os
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.token_list import load_tokens
from chalicelib.bootstrap.access import Access
from chalicelib.bootstrap.clients import Clients
from chalicelib.bootstrap.market import MarketPorts, check_market
from chalicelib.bootstrap.tracing import check_tracing
from chalicelib.config import ConfigurationError, Settings
from chalicelib.domain.tokens import Tokens
from chalicelib.services.delivery.replies import Replies
from chalicelib.services.intake.submit import SubmitOrders
from chalicelib.services.intake.submit_batch import SubmitBatch
from chalicelib.services.ports import (
    BatchQueue,
    ClientOrderKeys,
    Clock,
    Connections,
    OrderQueries,
    OrderQueue,
    OrderRecord,
    ReceivedMessages,
    Subscriptions,
)
from chalicelib.wire.connection_names import ConnectionNames, management_url

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from chalicelib.adapters.aws.sqs import SqsOrderQueue
    from chalicelib.adapters.observer import PowertoolsObserver
    from chalicelib.adapters.postgres.audit_rules import PostgresAuditRules
    from chalicelib.adapters.traces import TracingObserver
    from chalicelib.domain.transactions import ChainHealth
    from chalicelib.services.consumer.confirmation import Confirmation
    from chalicelib.services.consumer.dead_letters import ResolveDeadLetters
    from chalicelib.services.consumer.execute_batch import ExecuteOrders
    from chalicelib.services.consumer.messages import ConsumeMessages
    from chalicelib.services.delivery.publisher import EventPublisher
    from chalicelib.services.delivery.replay import ReplayOrders
    from chalicelib.services.delivery.republish import EventRepublisher
    from chalicelib.services.intake.amend import AmendOrders
    from chalicelib.services.intake.cancel import CancelOrders
    from chalicelib.services.intake.cancel_all import CancelAllOrders
    from chalicelib.services.intake.preview import PreviewOrders
    from chalicelib.services.planning.markets import ReadMarkets
    from chalicelib.services.planning.quotes import QuoteSwaps
    from chalicelib.services.queries.operations import Operations, QueueDepths
    from chalicelib.services.queries.orders import ReadOrders
    from chalicelib.services.recovery.sweeper import Sweep
    from chalicelib.services.resting.ports import Watches
    from chalicelib.services.resting.watcher import PriceWatcher
    from chalicelib.wire.event_views import EventViews


class Services:
    """Every use case, wired to the real world as the settings say."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock: Clock = SystemClock()
        self.clients = Clients(settings)
        check_market(settings, lambda: self.tokens)
        if settings.traces:
            check_tracing()

    @cached_property
    def tokens(self) -> Tokens:
        path = self.settings.tokens_file
        try:
            return load_tokens(Path(path)) if path else load_tokens()
        except (OSError, ValueError, KeyError) as error:
            raise ConfigurationError(f"TOKENS_FILE: {path}: {error}") from error

    @cached_property
    def access(self) -> Access:
        return Access(self.settings, self.clock, self.clients)

    @cached_property
    def market(self) -> MarketPorts:
        return MarketPorts(self.settings, self.clock, self.tokens, self.clients)

    @cached_property
    def submit_orders(self) -> SubmitOrders:
        return SubmitOrders(self.queue, self.client_order_keys, self.clock, self.access.orders)

    @cached_property
    def submit_batch(self) -> SubmitBatch:
        return SubmitBatch(self.submit_orders, self.batch_queue)

    @cached_property
    def queue(self) -> OrderQueue:
        return self._sqs_queue

    @property
    def batch_queue(self) -> BatchQueue:
        return self._sqs_queue

    @cached_property
    def _sqs_queue(self) -> "SqsOrderQueue":
        from chalicelib.adapters.aws.sqs import SqsOrderQueue, find_queue_url

        settings = self.settings
        endpoint = self.clients.endpoint(settings.sqs_endpoint, "sqs")
        url = settings.orders_queue_url or find_queue_url(endpoint, settings.orders_queue_name)
        return SqsOrderQueue(endpoint, url)

    @cached_property
    def received_orders(self) -> ReceivedMessages:
        return self._received_from(self.settings.orders_queue_name, self.settings.orders_queue_url)

    @cached_property
    def received_dead_letters(self) -> ReceivedMessages:
        return self._received_from(self.settings.orders_dlq_name)

    def _received_from(self, name: str, url: str = "") -> ReceivedMessages:
        from chalicelib.adapters.aws.sqs import SqsReceivedMessages, find_queue_url

        endpoint = self.clients.endpoint(self.settings.sqs_endpoint, "sqs")
        return SqsReceivedMessages(endpoint, url or find_queue_url(endpoint, name))

    @cached_property
    def connection_names(self) -> ConnectionNames:
        hosts = self.settings.connections_hosts.split(",")
        return ConnectionNames(self.settings.aws_region, {each.strip() for each in hosts if each.strip()})

    @cached_property
    def connections(self) -> Connections:
        from chalicelib.adapters.aws.connections_by_api import ConnectionsByApi

        settings = self.settings
        if settings.connections_url:
            return self._management_api(settings.connections_url)
        return ConnectionsByApi(
            self.connection_names,
            lambda api: self._management_api(management_url(api, settings.aws_endpoint_url), api.region),
        )

    def _management_api(self, url: str, region: str = "") -> Connections:
        from chalicelib.adapters.aws.management_api import ManagementApi

        endpoint = self.clients.endpoint(url, "execute-api", region=region)
        return ManagementApi(endpoint, time_limit_ms=self.settings.post_time_limit_ms)

    @cached_property
    def client_order_keys(self) -> ClientOrderKeys:
        return _LazyKeys(self)

    @cached_property
    def subscriptions(self) -> Subscriptions:
        from chalicelib.adapters.postgres.subscriptions import PostgresSubscriptions

        return PostgresSubscriptions(self.engine)

    @cached_property
    def queries(self) -> OrderQueries:
        from chalicelib.adapters.postgres.order_queries import PostgresOrderQueries

        return PostgresOrderQueries(self.engine)

    @cached_property
    def replies(self) -> Replies:
        return Replies(self.connections)

    @cached_property
    def event_views(self) -> "EventViews":
        from chalicelib.wire.event_views import EventViews

        return EventViews(self.tokens)

    @cached_property
    def publisher(self) -> "EventPublisher":
        from chalicelib.services.delivery.publisher import EventPublisher

        return EventPublisher(self.subscriptions, self.connections, self.queue, self.event_views)

    @cached_property
    def republisher(self) -> "EventRepublisher":
        from chalicelib.services.delivery.republish import EventRepublisher

        return EventRepublisher(self.queries, self.publisher, self.record)

    @cached_property
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

    @cached_property
    def read_orders(self) -> "ReadOrders":
        from chalicelib.services.queries.orders import ReadOrders

        return ReadOrders(
            self.queries,
            self.clock,
            lookup_wait_ms=self.settings.order_lookup_wait_ms,
            page_size_max=self.settings.query_page_size_max,
        )

    @cached_property
    def quote_swaps(self) -> "QuoteSwaps":
        from chalicelib.services.planning.quotes import QuoteSwaps

        return QuoteSwaps(self.market.quote_collector, self.tokens)

    @cached_property
    def read_markets(self) -> "ReadMarkets":
        from chalicelib.services.planning.markets import ReadMarkets

        return ReadMarkets(self.market.quote_collector, self.market.height, self.tokens, self.clock)

    @cached_property
    def preview_orders(self) -> "PreviewOrders":
        from chalicelib.adapters.postgres.order_queries import PostgresClientOrderKeys
        from chalicelib.services.intake.preview import PreviewOrders

        keys = PostgresClientOrderKeys(self.engine)
        return PreviewOrders(self.market.quote_collector, keys, self.access.orders, self.tokens)

    @cached_property
    def execute_orders(self) -> "ExecuteOrders":
        from chalicelib.services.consumer.execute_batch import ExecuteOrders, ExecutionLimits
        from chalicelib.services.delivery.background import ThreadBackground

        settings = self.settings
        return ExecuteOrders(
            record=self.record,
            quote_collector=self.market.quote_collector,
            chain=self.market.chain,
            confirmation=self._confirmation(attempts_max=settings.attempts_max),
            publisher=self.publisher,
            republisher=self.republisher,
            background=ThreadBackground(),
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
            openings=self.market.openings,
        )

    @cached_property
    def watches(self) -> "Watches":
        from chalicelib.adapters.postgres.watches import PostgresWatches

        return PostgresWatches(self.engine)

    @cached_property
    def price_watcher(self) -> "PriceWatcher":
        """Looks at prices for the orders that rest."""
        from chalicelib.bootstrap.watching import watcher

        return watcher(self.market.prices, self.market.openings, self.watches, self.queue, self.clock)

    @cached_property
    def observer(self) -> "PowertoolsObserver | TracingObserver":
        from chalicelib.adapters.observer import PowertoolsObserver

        own = PowertoolsObserver(self.event_views.routes)
        if not self.settings.traces:
            return own
        from chalicelib.adapters.traces import TracingObserver, otlp_exporter

        return TracingObserver(own, otlp_exporter(), self.settings.stage)

    @cached_property
    def record(self) -> OrderRecord:
        from chalicelib.adapters.postgres.order_record import PostgresOrderRecord

        return PostgresOrderRecord(self.engine, self.event_views)

    @cached_property
    def cancel_orders(self) -> "CancelOrders":
        from chalicelib.services.intake.cancel import CancelOrders

        return CancelOrders(
            self.record,
            self.publisher,
            self.observer,
            self.queue,
            self.clock,
            lookup_wait_ms=self.settings.order_lookup_wait_ms,
        )

    @cached_property
    def amend_orders(self) -> "AmendOrders":
        from chalicelib.services.intake.amend import AmendOrders

        return AmendOrders(
            self.record,
            self.publisher,
            self.observer,
            self.queue,
            self.tokens,
            self.clock,
            lookup_wait_ms=self.settings.order_lookup_wait_ms,
            look=self.price_watcher.after_amendment,
        )

    @cached_property
    def cancel_all_orders(self) -> "CancelAllOrders":
        from chalicelib.adapters.postgres.cancel_all import PostgresOpenOrders
        from chalicelib.services.intake.cancel_all import CancelAllOrders

        record = PostgresOpenOrders(self.engine)
        return CancelAllOrders(record, self.publisher, self.queue, self.observer, self.clock)

    @cached_property
    def consume_messages(self) -> "ConsumeMessages":
        from chalicelib.services.consumer.messages import ConsumeMessages

        return ConsumeMessages(
            execute_orders=self.execute_orders,
            replay_orders=self.replay_orders,
            replies=self.replies,
            queue=self.queue,
            executor=self.clients.executor,
        )

    @cached_property
    def resolve_dead_letters(self) -> "ResolveDeadLetters":
        from chalicelib.adapters.postgres.housekeeping import PostgresDeadLetterArchive
        from chalicelib.services.consumer.dead_letters import ResolveDeadLetters
        from chalicelib.services.delivery.dead_letter_subscribers import DeadLetterSubscribers

        return ResolveDeadLetters(
            record=self.record,
            queries=self.queries,
            archive=PostgresDeadLetterArchive(self.engine),
            chain=self.market.chain,
            # One attempt at most: whatever is dead by now stays dead.
            confirmation=self._confirmation(attempts_max=1),
            republisher=self.republisher,
            observer=self.observer,
            dead_letter_subscribers=DeadLetterSubscribers(self.subscriptions, self.connections),
            clock=self.clock,
            lease_ms=self.settings.lease_ms,
        )

    @cached_property
    def operations(self) -> "Operations":
        from chalicelib.adapters.postgres.operations import PostgresOperations

        return PostgresOperations(self.engine)

    @cached_property
    def queue_depths(self) -> "QueueDepths":
        from chalicelib.adapters.aws.queue_depths import SqsQueueDepths
        from chalicelib.adapters.aws.sqs import find_queue_url

        settings = self.settings
        endpoint = self.clients.endpoint(settings.sqs_endpoint, "sqs")
        url = settings.orders_queue_url or find_queue_url(endpoint, settings.orders_queue_name)
        return SqsQueueDepths(endpoint, url, beside=[settings.orders_dlq_name])

    @cached_property
    def audit_rules(self) -> "PostgresAuditRules":
        from chalicelib.adapters.postgres.audit_rules import PostgresAuditRules
        from chalicelib.bootstrap.audit import checks

        settings = self.settings
        # The function that answers REST has no right to the seed's secret; what is in the environment will do.
        seed = settings.wallet_seed.encode() or None
        return PostgresAuditRules(
            self.engine, checks(settings.chain, must_be_finished=False, wallet_seed=seed)
        )

    @cached_property
    def sweep(self) -> "Sweep":
        from chalicelib.adapters.postgres.housekeeping import PostgresHousekeeping
        from chalicelib.services.recovery.sweeper import Sweep

        return Sweep(PostgresHousekeeping(self.engine), self.queue, self.connections, self.subscriptions)

    def _confirmation(self, *, attempts_max: int) -> "Confirmation":
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
            self.market.chain,
            self.clock,
            poll_policy=poll_policy,
            wait_policy=WaitPolicy(self.clock),
            attempts_max=attempts_max,
        )

    @property
    def engine(self) -> "Engine":
        return self.clients.engine

    def check_database(self) -> None:
        """Raise ``RetryableError`` if the database does not answer."""
        self.clients.check_database()

    def has_marks(self) -> bool:
        """Return whether every price that triggers look at can be seen; raises ``RetryableError``."""
        return self.price_watcher.has_marks()

    def check_chain(self) -> "ChainHealth | None":
        """Return how the chain is, None if it is the database.

        Raise ``RetryableError`` if it cannot be used.
        """
        return self.market.check()

    def check_queue(self) -> None:
        """Raise ``RetryableError`` if the queue does not answer."""
        self.queue.check()


class _LazyKeys:
    """Reaches for the database only when a client order id has to be reserved."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def reserve(self, account_id: str, client_order_id: str, content_sha256: str) -> bool:
        return self._keys.reserve(account_id, client_order_id, content_sha256)

    @cached_property
    def _keys(self) -> ClientOrderKeys:
        from chalicelib.adapters.postgres.order_queries import PostgresClientOrderKeys

        return PostgresClientOrderKeys(self._services.engine)


@cache
def services() -> Services:
    """Return this process's services; settings are read from the environment, once."""
    return Services(Settings.from_env(os.environ))
