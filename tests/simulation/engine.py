"""The services of one invocation, on the parts that stand for the world outside."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.tokens import Tokens
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
from chalicelib.services.intake.amend import AmendOrders
from chalicelib.services.intake.cancel import CancelOrders
from chalicelib.services.intake.cancel_all import CancelAllOrders, OpenOrdersRecord
from chalicelib.services.intake.submit import SubmitOrders
from chalicelib.services.intake.submit_batch import SubmitBatch
from chalicelib.services.mints import LearnMints
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.services.ports import Chain, Connections, Mints, OrderQueue, OrderRecord
from chalicelib.services.recovery.sweeper import Sweep
from chalicelib.services.resting.matcher import Matcher
from chalicelib.services.resting.ports import Openings, Watches
from chalicelib.services.resting.watcher import PriceWatcher, fired_message
from chalicelib.services.subscription_ports import Subscriptions
from chalicelib.wire.event_views import EventViews
from chalicelib.wire.queue_messages import parse_message
from chalicelib.wire.unreadable_messages import remains
from tests.fakes.inline import InOneThread, Unobserved
from tests.fakes.queries import MemoryHousekeeping, MemoryQueries
from tests.simulation.chain import VENUES, Opened, SimulatedVenue
from tests.simulation.prices import PricePath, SimulatedPrices
from tests.simulation.queue import EachAlone
from tests.simulation.scheduler import Group, SimulatedBackground, SimulatedExecutor
from tests.simulation.world import World

LEASE_MS: Final = 15_000
ATTEMPTS_MAX: Final = 3
TOKENS: Final = load_tokens()


@dataclass(frozen=True, slots=True)
class Parts:
    """What is behind the ports; ``sabotage`` puts something broken in their place."""

    record: OrderRecord
    chain: Chain
    queue: OrderQueue
    subscriptions: Subscriptions
    queries: MemoryQueries
    housekeeping: MemoryHousekeeping
    connections: Connections
    watches: Watches
    openings: Openings
    mints: Mints
    open_orders: OpenOrdersRecord


class Engine:
    """The services of one invocation, wired as ``chalicelib.bootstrap`` wires them.

    Each is made when it is asked for: an invocation uses one or two, and there are hundreds in a run.
    """

    def __init__(
        self,
        world: World,
        parts: Parts,
        group: Group,
        *,
        path: PricePath,
        opened: Opened,
        wait_policy: WaitPolicy,
    ) -> None:
        self._world = world
        self._parts = parts
        self._group = group
        self._path = path
        self._opened = opened
        self._wait_policy = wait_policy
        # Of a process that has just begun: what another has learned is not known here.
        self.tokens = Tokens(TOKENS, TOKENS.default_pair)
        self.mints = LearnMints(self.tokens, parts.mints)
        self.views = EventViews(self.tokens)
        self.background = SimulatedBackground(world.scheduler, group)

    @cached_property
    def publisher(self) -> EventPublisher:
        parts = self._parts
        return EventPublisher(parts.subscriptions, parts.connections, parts.queue, self.views)

    @cached_property
    def submit_orders(self) -> SubmitOrders:
        return SubmitOrders(self._parts.queue, self._parts.queries, self._world)

    @cached_property
    def submit_batch(self) -> SubmitBatch:
        return SubmitBatch(self.submit_orders, EachAlone(self._parts.queue))

    @cached_property
    def replay_orders(self) -> ReplayOrders:
        parts = self._parts
        return ReplayOrders(
            parts.subscriptions,
            parts.queries,
            parts.connections,
            self._world,
            self.views,
            lookup_wait_ms=1_500,
        )

    @cached_property
    def cancel_orders(self) -> CancelOrders:
        parts = self._parts
        return CancelOrders(
            parts.record,
            parts.queries,
            self.publisher,
            Unobserved(),
            parts.queue,
            self._world,
            lookup_wait_ms=1_500,
        )

    @cached_property
    def cancel_all_orders(self) -> CancelAllOrders:
        parts = self._parts
        return CancelAllOrders(
            parts.open_orders, parts.queries, self.publisher, parts.queue, Unobserved(), self._world
        )

    @cached_property
    def price_watcher(self) -> PriceWatcher:
        parts = self._parts
        return PriceWatcher(
            SimulatedPrices(self._world, self._path, self._opened),
            Matcher(parts.watches, parts.queue, fired_message, openings=parts.openings),
            parts.watches,
            parts.queue,
            self._world,
        )

    @cached_property
    def amend_orders(self) -> AmendOrders:
        parts = self._parts
        return AmendOrders(
            parts.record,
            self.publisher,
            Unobserved(),
            parts.queue,
            self.mints,
            self._world,
            lookup_wait_ms=1_500,
            look=self.price_watcher.after_amendment,
        )

    @cached_property
    def consume_messages(self) -> ConsumeMessages:
        world, parts = self._world, self._parts
        venues = [SimulatedVenue(name, world, self._path.at, self._opened) for name in VENUES]
        execute_orders = ExecuteOrders(
            record=parts.record,
            quote_collector=QuoteCollector(venues, InOneThread(), world, time_limit_ms=0, valid_ms=2_000),
            chain=parts.chain,
            confirmation=self._confirmation(attempts_max=ATTEMPTS_MAX),
            publisher=self.publisher,
            republisher=self._republisher,
            background=self.background,
            executor=SimulatedExecutor(world.scheduler, self._group),
            observer=Unobserved(),
            tokens=self.tokens,
            clock=world,
            limits=ExecutionLimits(LEASE_MS, ATTEMPTS_MAX, retry_delay_s=2, batch_hold_ms=100),
            after_swaps=self.price_watcher.after_swaps,
            at_rest=self.price_watcher.at_rest,
            after_arming=self.price_watcher.after_arming,
            openings=parts.openings,
            mints=parts.mints,
        )
        return ConsumeMessages(
            execute_orders=execute_orders,
            replay_orders=self.replay_orders,
            replies=Replies(parts.connections),
            queue=parts.queue,
            executor=SimulatedExecutor(world.scheduler, self._group),
        )

    @cached_property
    def resolve_dead_letters(self) -> ResolveDeadLetters:
        parts = self._parts
        return ResolveDeadLetters(
            record=parts.record,
            queries=parts.queries,
            archive=parts.housekeeping,
            confirmation=self._confirmation(attempts_max=1),
            republisher=self._republisher,
            observer=Unobserved(),
            dead_letter_subscribers=DeadLetterSubscribers(
                parts.subscriptions, parts.connections, parts.queue
            ),
            clock=self._world,
            lease_ms=LEASE_MS,
            parse=parse_message,
            remains=remains,
            mints=self.mints,
        )

    @cached_property
    def sweep(self) -> Sweep:
        parts = self._parts
        return Sweep(parts.housekeeping, parts.queue, parts.connections, parts.subscriptions)

    @cached_property
    def _republisher(self) -> EventRepublisher:
        return EventRepublisher(self._parts.queries, self.publisher, self._parts.record)

    def _confirmation(self, *, attempts_max: int) -> Confirmation:
        return Confirmation(
            self._parts.chain,
            self._world,
            poll_policy=PollPolicy(5.0, 0.4, 1.0),
            wait_policy=self._wait_policy,
            attempts_max=attempts_max,
        )
