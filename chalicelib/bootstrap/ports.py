"""The ports of the services, and behind each the adapter that the settings ask for.

Each is made on first use and kept while the process lives; what needs the database is imported where it is
made.
"""

from typing import TYPE_CHECKING

from chalicelib.adapters.clock import SystemClock
from chalicelib.bootstrap.access import Access
from chalicelib.bootstrap.clients import Clients
from chalicelib.bootstrap.market import MarketPorts, check_market, traded_tokens
from chalicelib.bootstrap.tracing import check_tracing
from chalicelib.config import Settings
from chalicelib.domain.tokens import Tokens
from chalicelib.made_once import made_once
from chalicelib.services.mints import LearnMints
from chalicelib.services.ports import (
    BatchQueue,
    ClientOrderKeys,
    Clock,
    Connections,
    OrderQueries,
    OrderQueue,
    OrderRecord,
    ReceivedMessages,
)
from chalicelib.services.subscription_ports import Subscriptions
from chalicelib.wire.connection_names import ConnectionNames, management_url

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from chalicelib.adapters.aws.endpoint import AwsEndpoint
    from chalicelib.adapters.aws.sqs import SqsOrderQueue
    from chalicelib.adapters.observer import PowertoolsObserver
    from chalicelib.adapters.postgres.audit_rules import PostgresAuditRules
    from chalicelib.adapters.traces import TracingObserver
    from chalicelib.domain.transactions import ChainHealth
    from chalicelib.services.queries.operations import Operations, QueueDepths
    from chalicelib.services.resting.ports import Watches
    from chalicelib.wire.event_views import EventViews


class Ports:
    """What the use cases need of the world, as the settings say."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock: Clock = SystemClock()
        self.clients = Clients(settings)
        check_market(settings, lambda: self.tokens)
        if settings.traces:
            check_tracing()

    @made_once
    def tokens(self) -> Tokens:
        return traded_tokens(self.settings)

    @made_once
    def access(self) -> Access:
        return Access(self.settings, self.clock, self.clients)

    @made_once
    def market(self) -> MarketPorts:
        return MarketPorts(self.settings, self.clock, self.tokens, self.clients)

    @made_once
    def mints(self) -> LearnMints:
        """Learns of tokens that are not listed: only what names one asks the market."""
        return LearnMints(self.tokens, self.market)

    @made_once
    def queue(self) -> OrderQueue:
        return self._sqs_queue

    @property
    def batch_queue(self) -> BatchQueue:
        return self._sqs_queue

    @made_once
    def _sqs_queue(self) -> "SqsOrderQueue":
        from chalicelib.adapters.aws.sqs import SqsOrderQueue

        return SqsOrderQueue(*self._orders_queue_at)

    @made_once
    def received_orders(self) -> ReceivedMessages:
        from chalicelib.adapters.aws.sqs import SqsReceivedMessages

        return SqsReceivedMessages(*self._orders_queue_at)

    @made_once
    def received_dead_letters(self) -> ReceivedMessages:
        from chalicelib.adapters.aws.sqs import SqsReceivedMessages

        return SqsReceivedMessages(*self._queue_at(self.settings.orders_dlq_name))

    @property
    def _orders_queue_at(self) -> "tuple[AwsEndpoint, str]":
        return self._queue_at(self.settings.orders_queue_name, self.settings.orders_queue_url)

    def _queue_at(self, name: str, url: str = "") -> "tuple[AwsEndpoint, str]":
        """Return what asks SQS, by connections of its own, and a queue's URL, looked up unless it is set."""
        from chalicelib.adapters.aws.sqs import find_queue_url

        endpoint = self.clients.endpoint(self.settings.sqs_endpoint, "sqs")
        return endpoint, url or find_queue_url(endpoint, name)

    @made_once
    def connection_names(self) -> ConnectionNames:
        hosts = self.settings.connections_hosts.split(",")
        return ConnectionNames(self.settings.aws_region, {each.strip() for each in hosts if each.strip()})

    @made_once
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

    @made_once
    def client_order_keys(self) -> ClientOrderKeys:
        return _LazyKeys(self)

    @made_once
    def subscriptions(self) -> Subscriptions:
        from chalicelib.adapters.postgres.subscriptions import PostgresSubscriptions

        return PostgresSubscriptions(self.engine)

    @made_once
    def queries(self) -> OrderQueries:
        from chalicelib.adapters.postgres.order_queries import PostgresOrderQueries

        return PostgresOrderQueries(self.engine)

    @made_once
    def event_views(self) -> "EventViews":
        from chalicelib.wire.event_views import EventViews

        return EventViews(self.tokens)

    @made_once
    def watches(self) -> "Watches":
        from chalicelib.adapters.postgres.watches import PostgresWatches

        return PostgresWatches(self.engine)

    @made_once
    def observer(self) -> "PowertoolsObserver | TracingObserver":
        from chalicelib.adapters.observer import PowertoolsObserver

        own = PowertoolsObserver(self.event_views.routes, self.settings.stage)
        if not self.settings.traces:
            return own
        from chalicelib.adapters.traces import TracingObserver, otlp_exporter

        return TracingObserver(own, otlp_exporter(), self.settings.stage)

    @made_once
    def record(self) -> OrderRecord:
        from chalicelib.adapters.postgres.order_record import PostgresOrderRecord

        return PostgresOrderRecord(
            self.engine,
            self.event_views,
            packs=self.settings.packed_events,
            server=self.market.server,
            must_be_known=self.market.is_beside_the_record,
        )

    @made_once
    def operations(self) -> "Operations":
        from chalicelib.adapters.postgres.operations import PostgresOperations

        return PostgresOperations(self.engine)

    @made_once
    def queue_depths(self) -> "QueueDepths":
        from chalicelib.adapters.aws.queue_depths import SqsQueueDepths

        return SqsQueueDepths(*self._orders_queue_at, beside=[self.settings.orders_dlq_name])

    @made_once
    def audit_rules(self) -> "PostgresAuditRules":
        from chalicelib.adapters.postgres.audit_rules import PostgresAuditRules
        from chalicelib.bootstrap.audit import checks

        settings = self.settings
        # The function that answers REST has no right to the seed's secret; the environment's will do.
        seed = settings.wallet_seed.encode() or None
        return PostgresAuditRules(
            self.engine, checks(settings.chain, must_be_finished=False, wallet_seed=seed)
        )

    @property
    def engine(self) -> "Engine":
        return self.clients.engine

    def check_database(self) -> None:
        """Raise ``RetryableError`` if the database does not answer, or takes no writes."""
        self.clients.check_database()

    def check_chain(self) -> "ChainHealth | None":
        """Return how the chain is, None if it is the database.

        Raise ``RetryableError`` if it cannot be used.
        """
        return self.market.check()

    def check_queue(self) -> None:
        """Raise ``RetryableError`` if the queue does not answer."""
        self.queue.check()


class _LazyKeys:
    """Reaches for the database only when a client order id has to be reserved or looked up."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def reserve(self, account_id: str, client_order_id: str, content_sha256: str) -> bool:
        return self._keys.reserve(account_id, client_order_id, content_sha256)

    def content_of(self, account_id: str, client_order_id: str) -> str | None:
        return self._keys.content_of(account_id, client_order_id)

    @made_once
    def _keys(self) -> ClientOrderKeys:
        from chalicelib.adapters.postgres.order_queries import PostgresClientOrderKeys

        return PostgresClientOrderKeys(self._ports.engine)
