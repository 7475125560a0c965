"""One chaos run: load and faults, then quiet, then the audit from inside and from the clients' side."""

import asyncio
import json
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import httpx
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.bootstrap.audit import audit
from chalicelib.config import ChainName
from chalicelib.domain.errors import ExecutionError
from chalicelib.services.resting.matcher import UNCLAIMED_FOR_MS
from tests.chaos.chain_faults import compared
from tests.chaos.clients import RestClient, SocketClient, named_dice
from tests.chaos.fault_injector import FaultInjector, Status
from tests.chaos.own_chain import OwnChain
from tests.chaos.unseen import cancel_all, is_there
from tests.support.instance import REPOSITORY, Instance

SOCKET_CLIENTS: Final = 3
REST_CLIENTS: Final = 1
_ON_RECORD: Final = text("SELECT count(*) FROM orders WHERE order_id = ANY(CAST(:accepted AS uuid[]))")
_FIRED: Final = text("SELECT order_id FROM watches WHERE NOT armed")
QUIET_TIME_LIMIT_S: Final = 240.0
"""Without one more event: a visibility time-out, the sweep's interval and a transaction's validity fit in."""
_SIMULATED: Final = {"CHAIN": "simulated"}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard.

    Attributes:
        restarts: How often the runtime's own process is killed and started again.
        rested_min: It goes on until so many orders have rested, however few a busy machine takes in the time.
        move_interval_s: Between two moves of the price that orders wait for.
        unclaimed_for_ms: After which the harness, once calm, sends again what fired and was not taken up.
        environment: For the runtime; short leases make a short run worth more.
    """

    seed: int
    load_s: float
    restarts: int
    rested_min: int = 0
    fault_interval_s: float = 1.5
    move_interval_s: float = 1.0
    unclaimed_for_ms: int = UNCLAIMED_FOR_MS
    environment: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    chain: ChainName = ChainName.SIMULATED
    app: Path = REPOSITORY / "chalice_app"


@dataclass(frozen=True, slots=True)
class ChaosResult:
    """What a run came to."""

    orders: int
    problems: tuple[str, ...]
    rested: int


class _Progress:
    """Whether a count still grows: a long queue on a busy machine is slow, and not stuck."""

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._seen = count()
        self._ends_at = time.monotonic() + QUIET_TIME_LIMIT_S

    def has_ended(self) -> bool:
        """Return whether it has been the same for ``QUIET_TIME_LIMIT_S``."""
        if (seen := self._count()) != self._seen:
            self._seen, self._ends_at = seen, time.monotonic() + QUIET_TIME_LIMIT_S
        return time.monotonic() >= self._ends_at


class Chaos:
    """The instance under fire, and its clients."""

    def __init__(self, plan: Plan, state_dir: Path, say: Say) -> None:
        self._plan = plan
        self._state_dir = state_dir
        self._say = say
        self._chain = OwnChain(state_dir / "solana") if plan.chain is ChainName.SOLANA else None
        if self._chain:
            self._chain.start()
        self._instance = self._new_instance(None)
        self._engines: dict[str, Engine] = {}
        dice = named_dice(plan.seed)
        self._dice: Random = next(dice)
        self._fault_injector = FaultInjector(next(dice), self._status, self._engine, self._chain)
        self._sockets = [
            SocketClient(f"ws{n}", self._instance.websocket_url, next(dice)) for n in range(SOCKET_CLIENTS)
        ]
        self._rests = [
            RestClient(f"rest{n}", f"{self._instance.rest_url}/", next(dice)) for n in range(REST_CLIENTS)
        ]

    async def run(self) -> ChaosResult:
        """Do all of it; nothing is left running."""
        try:
            await asyncio.to_thread(self._instance.__enter__)
            async with asyncio.TaskGroup() as group:
                streams = [group.create_task(client.run()) for client in self._sockets]
                posts = [group.create_task(client.run()) for client in self._rests]
                moves = group.create_task(self._move())
                await self._strike()
                moves.cancel()
                clients: list[SocketClient | RestClient] = [*self._sockets, *self._rests]
                for client in clients:
                    client.stop_loading()
                await asyncio.wait(posts)
                await self._quiet()
                for task in streams:
                    task.cancel()
            return await self._result()
        finally:
            await asyncio.to_thread(self._instance.stop)
            if self._chain:
                self._chain.stop()
            for engine in self._engines.values():
                engine.dispose()

    async def _strike(self) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._plan.load_s
        restarts = sorted(
            ends_at - self._dice.uniform(0.2, 0.9) * self._plan.load_s for _ in range(self._plan.restarts)
        )
        while loop.time() < ends_at or self._rested() < self._plan.rested_min:
            await asyncio.sleep(self._dice.expovariate(1 / self._plan.fault_interval_s))
            if restarts and loop.time() >= restarts[0]:
                restarts.pop(0)
                await asyncio.to_thread(self._restart)
                ends_at = max(ends_at, loop.time() + 2.0)
            else:
                self._say(await asyncio.to_thread(self._fault_injector.strike))

    def _rested(self) -> int:
        return sum(client.rested() for client in self._sockets)

    async def _move(self) -> None:
        """Move the price that orders wait for, again and again."""
        while True:
            await asyncio.sleep(self._dice.expovariate(1 / self._plan.move_interval_s))
            self._say(await asyncio.to_thread(self._fault_injector.move_prices))

    def _restart(self) -> None:
        self._say("killed the runtime")
        port = self._instance.port
        self._instance.stop(signal.SIGKILL)
        self._instance = self._new_instance(port)
        self._instance.__enter__()
        self._say("the runtime is back")

    async def _quiet(self) -> None:
        """Mend everything and wait until every client has what it may expect, and every order has ended."""
        progress = _Progress(self._events_seen)
        await self._until(self._heal, progress)
        self._say("calm: waiting for the last stream to end")
        if not await self._until(self._is_all_seen, progress):
            self._say("\n".join(["gave up waiting for this:", *await asyncio.to_thread(self._unseen)]))
        self._say("nothing rests that is met: canceling what is left")
        await self._until(self._is_all_ended, progress)
        # An order that is still in the queue is in no audit of the record.
        await self._until(self._all_are_on_record, progress)
        await self._until(lambda: not self._audited(must_be_finished=True), progress)

    def _is_all_seen(self) -> bool:
        """Return whether no order is armed for what is there, or has fired and was not taken up."""
        try:
            self._fault_injector.prices.resend(unclaimed_for_ms=self._plan.unclaimed_for_ms)
            return not self._unseen()
        except (httpx.HTTPError, ExecutionError, OSError):
            return False

    def _unseen(self) -> list[str]:
        with self._engine().connect() as connection:
            fired = connection.execute(_FIRED).scalars().all()
        found = [f"{order_id} has fired, and was not taken up" for order_id in fired]
        with self._rest() as rest:
            return found + [
                f"{order_id} rests, and what it waits for is there: {terms}"
                for client in self._sockets
                for order_id, terms, is_triggered in client.resting()
                if is_there(rest, terms, is_triggered=is_triggered)
            ]

    def _is_all_ended(self) -> bool:
        """Cancel what rests, until every client has seen the end of all it asked for."""
        try:
            with self._rest() as rest:
                is_over = cancel_all(rest)
        except httpx.HTTPError:
            return False
        return is_over and all(client.is_content for client in self._sockets)

    def _rest(self) -> httpx.Client:
        return httpx.Client(base_url=self._instance.rest_url, timeout=10, trust_env=False)

    def _all_are_on_record(self) -> bool:
        accepted = [order_id for rest in self._rests for order_id in rest.order_ids]
        with self._engine().connect() as connection:
            found = connection.execute(_ON_RECORD, {"accepted": accepted}).scalar_one()
        return bool(found == len(set(accepted)))

    def _events_seen(self) -> int:
        return sum(client.streams.event_count for client in self._sockets)

    async def _until(self, is_true: Callable[[], bool], progress: "_Progress | None" = None) -> bool:
        """Ask until it is so, once at least, or there is no progress any more; return whether it is."""
        # What is waited for happens in other processes, which wake no task here.
        while not (is_so := await asyncio.to_thread(is_true)):
            if progress is not None and progress.has_ended():
                break
            await asyncio.sleep(0.5)
        return is_so

    def _heal(self) -> bool:
        try:
            self._fault_injector.heal()
        except Exception as error:  # noqa: BLE001  # Postgres may still be starting
            self._say(f"not mended yet: {type(error).__name__}")
            return False
        return True

    async def _result(self) -> ChaosResult:
        problems = self._audited(must_be_finished=True)
        for client in self._sockets:
            problems += [*client.streams.problems(), *client.broken_promises()]
        for rest in self._rests:
            problems += await rest.problems()
        orders = sum(len(client.streams) for client in self._sockets) + sum(
            len(rest.order_ids) for rest in self._rests
        )
        rested = self._rested()
        filled = sum(client.rested("confirmed") for client in self._sockets)
        self._say(f"{rested} orders rested, {filled} of them were executed then")
        return ChaosResult(orders, tuple(problems), rested)

    def _audited(self, *, must_be_finished: bool) -> list[str]:
        with self._engine().execution_options(isolation_level="REPEATABLE READ").connect() as connection:
            found = audit(connection, chain=self._plan.chain, must_be_finished=must_be_finished)
            problems = [f"{each.check}: {each.subject}: {each.problem}" for check in found for each in check]
        if self._chain and not problems:
            problems += compared(self._chain.url, self._chain.pools_file, self._engine())
        return problems

    def _status(self) -> Status:
        status: Status = json.loads((self._state_dir / "status.json").read_text())
        return status

    def _engine(self) -> Engine:
        """The database of the running instance; a restart may move it to another port."""
        url = self._status()["database_url"]
        if url not in self._engines:
            self._engines[url] = make_engine(url)
        return self._engines[url]

    def _new_instance(self, port: int | None) -> Instance:
        return Instance(
            self._plan.app,
            self._state_dir,
            "--no-reload",
            *self._plan.options,
            port=port,
            environment={
                **(self._chain.environment if self._chain else _SIMULATED),
                **self._plan.environment,
            },
            program="infra.run",
        )
