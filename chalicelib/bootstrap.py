"""The one place where adapters meet services. Everything is made on first use and kept while the process lives.

The WebSocket functions accept orders without the database: what needs it is imported where it is made.
"""

import os
from functools import cache, cached_property
from typing import TYPE_CHECKING

from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.market.definition import load_tokens
from chalicelib.bootstrap_door import Door
from chalicelib.bootstrap_market import Market
from chalicelib.bootstrap_outside import Outside
from chalicelib.config import Settings
from chalicelib.domain.tokens import Tokens
from chalicelib.services.accepting import AcceptOrders
from chalicelib.services.ports import (
    ClientOrderKeys,
    Clock,
    Connections,
    OrderQueries,
    OrderQueue,
    OrderRecord,
    Subscriptions,
)

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from chalicelib.adapters.observer import PowertoolsObserver
    from chalicelib.services.canceling import CancelOrders
    from chalicelib.services.consuming import ConsumeMessages
    from chalicelib.services.execution import ExecuteOrders
    from chalicelib.services.following import FollowOrders
    from chalicelib.services.quoting import QuoteSwaps
    from chalicelib.services.reading import ReadOrders
    from chalicelib.services.retelling import Retelling
    from chalicelib.services.settlement import Settlement
    from chalicelib.services.settling import SettleDeadLetters
    from chalicelib.services.sweeping import Sweep
    from chalicelib.services.telling import Teller


class Services:
    """Every use case, wired to the real world as the settings say."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock: Clock = SystemClock()
        self.outside = Outside(settings)

    @cached_property
    def tokens(self) -> Tokens:
        return load_tokens()

    @cached_property
    def door(self) -> Door:
        return Door(self.settings, self.clock, self.outside)

    @cached_property
    def market(self) -> Market:
        return Market(self.settings, self.clock, self.tokens, self.outside)

    @cached_property
    def accepting(self) -> AcceptOrders:
        return AcceptOrders(self.queue, self.client_order_keys, self.clock, self.door.orders)

    @cached_property
    def queue(self) -> OrderQueue:
        from chalicelib.adapters.sqs import SqsOrderQueue, find_queue_url

        settings = self.settings
        endpoint = self.outside.endpoint(settings.sqs_endpoint, "sqs")
        url = settings.orders_queue_url or find_queue_url(endpoint, settings.orders_queue_name)
        return SqsOrderQueue(endpoint, url)

    @cached_property
    def connections(self) -> Connections:
        from chalicelib.adapters.connections import ManagementApi

        endpoint = self.outside.endpoint(self.settings.connections_url, "execute-api")
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
    def teller(self) -> "Teller":
        from chalicelib.services.telling import Teller

        return Teller(self.subscriptions, self.connections, self.queue)

    @cached_property
    def retelling(self) -> "Retelling":
        from chalicelib.services.retelling import Retelling

        return Retelling(self.queries, self.teller)

    @cached_property
    def following(self) -> "FollowOrders":
        from chalicelib.services.following import FollowOrders

        return FollowOrders(
            self.subscriptions,
            self.queries,
            self.connections,
            self.clock,
            lookup_wait_ms=self.settings.order_lookup_wait_ms,
        )

    @cached_property
    def reading(self) -> "ReadOrders":
        from chalicelib.services.reading import ReadOrders

        return ReadOrders(
            self.queries,
            self.tokens,
            self.clock,
            lookup_wait_ms=self.settings.order_lookup_wait_ms,
            page_size_max=self.settings.query_page_size_max,
        )

    @cached_property
    def quoting(self) -> "QuoteSwaps":
        from chalicelib.services.quoting import QuoteSwaps

        return QuoteSwaps(self.market.desk, self.tokens)

    @cached_property
    def execution(self) -> "ExecuteOrders":
        from chalicelib.services.background import ThreadBackground
        from chalicelib.services.execution import ExecuteOrders, ExecutionLimits

        settings = self.settings
        return ExecuteOrders(
            record=self.record,
            desk=self.market.desk,
            chain=self.market.chain,
            settlement=self._settlement(attempts_max=settings.attempts_max),
            teller=self.teller,
            retelling=self.retelling,
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
        )

    @cached_property
    def observer(self) -> "PowertoolsObserver":
        from chalicelib.adapters.observer import PowertoolsObserver

        return PowertoolsObserver()

    @cached_property
    def record(self) -> OrderRecord:
        from chalicelib.adapters.postgres.order_record import PostgresOrderRecord

        return PostgresOrderRecord(self.engine)

    @cached_property
    def canceling(self) -> "CancelOrders":
        from chalicelib.services.canceling import CancelOrders

        return CancelOrders(
            self.record,
            self.subscriptions,
            self.connections,
            self.teller,
            self.observer,
            self.clock,
            lookup_wait_ms=self.settings.order_lookup_wait_ms,
        )

    @cached_property
    def consuming(self) -> "ConsumeMessages":
        from chalicelib.services.consuming import ConsumeMessages

        return ConsumeMessages(
            execution=self.execution,
            following=self.following,
            connections=self.connections,
            queue=self.queue,
            executor=self.outside.executor,
        )

    @cached_property
    def settling(self) -> "SettleDeadLetters":
        from chalicelib.adapters.postgres.housekeeping import PostgresDeadLetterArchive
        from chalicelib.services.latecomers import Latecomers
        from chalicelib.services.settling import SettleDeadLetters

        return SettleDeadLetters(
            record=self.record,
            queries=self.queries,
            archive=PostgresDeadLetterArchive(self.engine),
            chain=self.market.chain,
            # One attempt at most: whatever is dead by now stays dead.
            settlement=self._settlement(attempts_max=1),
            retelling=self.retelling,
            observer=self.observer,
            latecomers=Latecomers(self.subscriptions, self.connections),
            clock=self.clock,
            lease_ms=self.settings.lease_ms,
        )

    @cached_property
    def sweep(self) -> "Sweep":
        from chalicelib.adapters.postgres.housekeeping import PostgresHousekeeping
        from chalicelib.services.sweeping import Sweep

        return Sweep(PostgresHousekeeping(self.engine), self.queue, self.connections, self.subscriptions)

    def _settlement(self, *, attempts_max: int) -> "Settlement":
        from chalicelib.services.pace import Pace
        from chalicelib.services.settlement import Patience, Settlement
        from chalicelib.wire.route_views import RouteViews

        settings = self.settings
        patience = Patience(
            settings.confirmation_wait_ms / 1000,
            settings.confirmation_poll_ms / 1000,
            settings.look_again_s,
        )
        return Settlement(
            self.market.chain,
            RouteViews(self.tokens),
            self.clock,
            patience=patience,
            pace=Pace(self.clock),
            attempts_max=attempts_max,
        )

    @property
    def engine(self) -> "Engine":
        return self.outside.engine

    def check_database(self) -> None:
        """Raise ``RetryableError`` if the database does not answer."""
        self.outside.check_database()

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
