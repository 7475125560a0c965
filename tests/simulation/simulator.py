"""The engine as it is deployed: the real services on simulated parts, run by invocations that can die."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

from chalicelib.domain.errors import ExecutionError
from chalicelib.domain.orders import OrderState
from chalicelib.domain.rates import Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.consumer.dead_letter_batches import resolve_each
from chalicelib.services.consumer.dead_letters import DeadLetter
from chalicelib.services.consumer.messages import Received
from chalicelib.services.consumer.wait_policy import WaitPolicy
from chalicelib.services.consumer.whole_batches import UnfinishedError, settle_whole
from chalicelib.services.intake.limits import CONNECTION_DURATION_MAX
from chalicelib.wire.event_views import EventViews
from chalicelib.wire.queue_messages import parse_message
from tests.fakes.open_orders import MemoryOpenOrders
from tests.fakes.queries import MemoryHousekeeping, MemoryQueries
from tests.fakes.record import MemoryRecord
from tests.fakes.subscriptions import MemorySubscriptions
from tests.fakes.tables import OrderRow, Tables
from tests.simulation.chain import SimulatedChain
from tests.simulation.engine import Engine, Parts
from tests.simulation.gateway import Peer, SimulatedGateway
from tests.simulation.nodes import ChainBehindNodes, Fleet
from tests.simulation.openings import (
    MINT,
    NewPool,
    SimulatedMints,
    SimulatedOpenings,
    buys,
    meets_mint,
    opened,
)
from tests.simulation.prices import PricePath, WitnessedWatches
from tests.simulation.queue import BestEffortRetry, Delivery, SimulatedQueue
from tests.simulation.scheduler import Group
from tests.simulation.witnessed_queue import WitnessedQueue
from tests.simulation.world import World

INVOCATION_LIMIT_S: Final = 10.0
CONSUMERS_MAX: Final = 3
BATCH_MAX: Final = 10


Sabotage = Callable[[Parts, "Simulator"], Parts]
"""A defect, as a change to the parts; only tests of the simulation itself have one."""


class Simulator:
    """All that outlives an invocation, and the means to start one.

    Args:
        takes_reports: The event source mappings take partial batch responses, and the settings say so.
        path: What the price does; it stays where it is if none is given.
        new_pools: Those that open, and when.
        fleet: The nodes that show the chain; none stand between if none are given.
    """

    def __init__(
        self,
        world: World,
        sabotage: Sabotage | None = None,
        *,
        takes_reports: bool = True,
        path: PricePath | None = None,
        new_pools: Sequence[NewPool] = (),
        fleet: Fleet | None = None,
        gathered_s: float = 0.0,
    ) -> None:
        self.world = world
        self.path = path or PricePath()
        self.new_pools = new_pools
        self.takes_reports = self.is_said_to_take_reports = takes_reports
        self.tables = Tables(world.now, views=lambda: self._views[world.scheduler.current.group.name])
        self._views: dict[str, EventViews] = {}
        self.watches = WitnessedWatches(
            self.tables.watches.now,
            self.tables.watches.account_of,
            path=self.path,
            new_pools=new_pools,
            wanted=self._wanted,
        )
        self.tables.watches = self.watches
        self.chain = SimulatedChain(world, self.path.at, self.opened)
        self.gateway = SimulatedGateway(world)
        self.dead_letters = SimulatedQueue("dead-letters", world, dead_letters=None, wake=self._poll_dead)
        self.uncommitted: list[str] = []
        self.queue = SimulatedQueue("orders", world, dead_letters=self.dead_letters, wake=self._gather)
        self._gathered_s = gathered_s
        self.wait_policy = WaitPolicy(world)
        self.running: list[Group] = []
        self.defects: list[str] = []
        self._invocations = 0
        self._consumers = 0
        self._subscriptions = MemorySubscriptions(self.tables)
        queries = MemoryQueries(self.tables)
        parts = Parts(
            record=world.port("record", MemoryRecord(self.tables)),
            chain=ChainBehindNodes(self.chain, world, fleet) if fleet else world.port("chain", self.chain),
            queue=BestEffortRetry(
                world.port("queue", WitnessedQueue(self.queue, self.watches, self.uncommitted))
            ),
            subscriptions=world.port("record", self._subscriptions),
            queries=world.port("record", queries),
            housekeeping=world.port("record", MemoryHousekeeping(self.tables)),
            connections=self.gateway,
            watches=world.port("record", self.watches),
            openings=SimulatedOpenings(world, new_pools),
            mints=SimulatedMints(world, new_pools),
            open_orders=world.port("record", MemoryOpenOrders(self.tables)),
        )
        self.parts = sabotage(parts, self) if sabotage else parts

    def invoke(
        self, name: str, work: Callable[[Engine], None], *, on_end: Callable[[], None] | None = None
    ) -> None:
        """Start an invocation; it dies at its time limit, without notice."""
        self._invocations += 1
        group = Group(f"{name}-{self._invocations}")
        self.running.append(group)

        def run() -> None:
            try:
                engine = Engine(
                    world=self.world,
                    parts=self.parts,
                    group=group,
                    path=self.path,
                    opened=self.opened,
                    wait_policy=self.wait_policy,
                )
                self._views[group.name] = engine.views
                work(engine)
            except ExecutionError as error:
                self.world.note(group.name, f"ends with {error}")
            except Exception as error:  # noqa: BLE001  # a defect of the code under test: the audit reports it
                self.world.note(group.name, f"DEFECT: {error!r}")
                self.defects.append(f"{group.name} ends with {error!r}")
            finally:
                self.running.remove(group)
                # What it left in other threads is frozen with it.
                self.world.scheduler.kill(group)
                if on_end is not None:
                    on_end()

        self.world.scheduler.spawn(group, run)
        self.world.scheduler.after(INVOCATION_LIMIT_S, lambda: self._time_out(group))

    def connect(self, account_id: str, *, is_established: bool = True) -> Peer:
        """Open a connection; some want batches, and not every one of those could be noted."""
        wants_batches = self.world.dice.random() < 0.5
        peer = self.gateway.connect(account_id, is_established=is_established, wants_batches=wants_batches)
        if self.world.dice.random() < 0.9:
            longest = self.world.now() + CONNECTION_DURATION_MAX
            self._subscriptions.connected(peer.connection_id, longest, batched=wants_batches)
        return peer

    def kill_all(self) -> None:
        """End every process at once, the gateway's too."""
        self.world.note("simulator", "KILL -9 of everything")
        for group in list(self.running):
            self.world.scheduler.kill(group)
        for peer in self.gateway.peers.values():
            peer.is_open = False

    def opened(self, height: int) -> Sequence[RoutablePool]:
        """Return the new pools that trade by a block."""
        return [each.pool for each in opened(self.new_pools, height)]

    def waits_in_vain(self, state: OrderState) -> bool:
        """Return whether an order rests although what it waits for is there, or its end."""
        if state.order.is_late(self.world.now()):
            return True
        if state.order.terms.sniper is not None:
            return self.path.at(self.chain.height) is not None and buys(
                state, opened(self.new_pools, self.chain.height)
            )
        if MINT in state.order.terms.named_tokens:
            return meets_mint(state, self.new_pools, self.chain.height)
        return self.path.meets(state, self.chain.height)

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is left to do: what is open waits for what is not there."""
        is_all_done = all(row.state.is_final or self._waits(row) for row in self.tables.orders.values())
        # Something always looks at the prices.
        is_idle = all(group.name.startswith("matcher") for group in self.running)
        return is_all_done and is_idle and not (len(self.queue) or len(self.dead_letters))

    def _wanted(self, order_id: UUID) -> Rate | None:
        """Return the rate of the trigger or limit that an order waits for, if it is open."""
        state = self.tables.orders[order_id].state
        if state.status is not OrderStatus.OPEN or state.order.terms.sniper is not None:
            return None
        waited_for = state.order.terms.trigger if state.waits_for_trigger else state.order.terms.limit
        return None if waited_for is None else waited_for.rate

    def _waits(self, row: OrderRow) -> bool:
        state = row.state
        return state.status is OrderStatus.OPEN and not self.waits_in_vain(state)

    def sweep(self) -> None:
        self.invoke("sweep", lambda engine: engine.sweep.run())

    def match_prices(self, seconds: float) -> None:
        """Start a look at the prices each second, beside what may be looking already."""

        def look(engine: Engine) -> None:
            engine.price_watcher.run(seconds, lambda _: True)

        self.invoke("matcher", look)

    def _time_out(self, group: Group) -> None:
        if group in self.running:
            self.world.note(group.name, "TIMED OUT")
            self.world.scheduler.kill(group)

    def _gather(self) -> None:
        if self._gathered_s:
            self.world.scheduler.after(self._gathered_s, self._poll)
        else:
            self._poll()

    def _poll(self) -> None:
        if self._consumers >= CONSUMERS_MAX:
            return
        batch = self.queue.receive(self.world.dice.choice([1, 3, BATCH_MAX]))
        if batch:
            self._consumers += 1
            self.invoke("consumer", lambda engine: self._consume(engine, batch), on_end=self._consumer_ended)

    def _consumer_ended(self) -> None:
        self._consumers -= 1
        self.world.scheduler.after(0.001, self._poll)

    def _consume(self, engine: Engine, batch: Sequence[Delivery]) -> None:
        """Do what the handler and the event source mapping do;
        an error leaves all of the batch in the queue.
        """
        ours = []
        for delivery in batch:
            try:
                message = parse_message(delivery.body)
            except ValueError:
                continue
            ours.append((delivery, Received(message, delivery.receipt_handle, delivery.receive_count)))
        done = engine.consume_messages.consume([received for _, received in ours]) if ours else []
        engine.background.wait()
        finished = {delivery.receipt_handle: False for delivery in batch}
        finished |= {
            delivery.receipt_handle: is_done for (delivery, _), is_done in zip(ours, done, strict=True)
        }
        self._settle(self.queue, finished)

    def _settle(self, queue: SimulatedQueue, finished: Mapping[str, bool]) -> None:
        """Answer for a batch as the handler does, and delete what the mapping then does."""
        if not self.is_said_to_take_reports:
            try:
                settle_whole(lambda: self.world.port("queue", queue), finished)
            except UnfinishedError:
                return
        is_partial = self.takes_reports
        queue.delete([handle for handle, is_done in finished.items() if is_done or not is_partial])

    def _poll_dead(self) -> None:
        batch = self.dead_letters.receive(BATCH_MAX)
        if batch:
            self.invoke("dead letters", lambda engine: self._resolve(engine, batch))

    def _resolve(self, engine: Engine, batch: Sequence[Delivery]) -> None:
        letters = {each.message_id: each for each in batch}
        resolved = resolve_each(
            engine.resolve_dead_letters,
            [DeadLetter(each.message_id, each.body, each.receive_count) for each in batch],
        )
        finished = {letters[message_id].receipt_handle: each for message_id, each in resolved.items()}
        self._settle(self.dead_letters, finished)
