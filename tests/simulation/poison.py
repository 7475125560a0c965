"""Defects of the engine's own in single orders, which the engine has
to live with: the others go on, nothing is lost.

All orders of one account have the poison, so that a seed decides which those are.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from chalicelib.domain.errors import Code, DatabaseInternalError
from chalicelib.domain.progress import NewOrder, Transition
from chalicelib.domain.transactions import ChainView, SignedTransaction, SwapInstruction
from chalicelib.services.ports import Chain, Connections, Delivery, Frame, OrderRecord
from tests.simulation.engine import Parts
from tests.simulation.simulator import Simulator

POISONED_ACCOUNT: Final = "bob"
CONSUMERS: Final = ("consumer", "dead letters")
FAULTS: Final = 0.2
"""Of so many calls."""


class PoisonedError(Exception):
    """A defect of the engine that no code expects."""


def in_signing(parts: Parts, simulator: Simulator) -> Parts:
    """Raise whenever a poisoned order is to be signed, with whatever others."""
    return replace(parts, chain=_Poisoned(parts.chain, simulator, signing=True))


def in_confirming(parts: Parts, simulator: Simulator) -> Parts:
    """Raise whenever a poisoned order is sent or looked up, until the weather clears:
    then the defect is mended.
    """
    return replace(parts, chain=_Poisoned(parts.chain, simulator, signing=False))


def in_telling(parts: Parts, simulator: Simulator) -> Parts:
    """Raise whenever a consumer, also of dead letters, posts to the owner of poisoned orders, likewise until
    the weather clears.
    """
    return replace(parts, connections=_PoisonedConnections(parts.connections, simulator))


def in_the_database(parts: Parts, simulator: Simulator) -> Parts:
    """Have the database fail within itself over some of what a consumer, also of dead letters, asks of the
    record, until the weather clears: no order ends for that.
    """
    return replace(parts, record=cast("OrderRecord", _FailingRecord(parts.record, simulator)))


class _FailingRecord:
    """Every call may fail, and has taken no effect then."""

    def __init__(self, record: OrderRecord, simulator: Simulator) -> None:
        self._record = record
        self._simulator = simulator

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._record, name)

        def called(*args: object, **kwargs: object) -> object:
            world = self._simulator.world
            is_consumer = world.scheduler.current.group.name.startswith(CONSUMERS)
            if world.is_stormy and is_consumer and world.dice.random() < FAULTS:
                world.note("poison", f"the database fails over {name}")
                raise DatabaseInternalError("planted")
            if name in {"create", "record"}:
                self._look_for_ends(cast("Sequence[NewOrder | Transition]", args[0]))
            return method(*args, **kwargs)

        return called

    def _look_for_ends(self, steps: Sequence[NewOrder | Transition]) -> None:
        for each in steps:
            if each.failure_code is Code.INTERNAL_ERROR:
                self._simulator.defects.append(f"{each.state.order.order_id} fails for the database's fault")


class _PoisonedConnections:
    def __init__(self, connections: Connections, simulator: Simulator) -> None:
        self._connections = connections
        self._simulator = simulator

    def post(self, frames: Iterable[Frame]) -> Mapping[str, Delivery]:
        posted, world = list(frames), self._simulator.world
        peers = [self._simulator.gateway.peers[each.connection_id] for each in posted]
        is_consumer = world.scheduler.current.group.name.startswith(CONSUMERS)
        if world.is_stormy and is_consumer and any(each.account_id == POISONED_ACCOUNT for each in peers):
            world.note("poison", "post")
            raise PoisonedError("post")
        return self._connections.post(posted)

    def close(self, connection_id: str) -> None:
        self._connections.close(connection_id)


class _Poisoned:
    def __init__(self, chain: Chain, simulator: Simulator, *, signing: bool) -> None:
        self._chain = chain
        self._simulator = simulator
        self._is_in_signing = signing
        self._poisoned: set[str] = set()

    def sign(self, instructions: Sequence[SwapInstruction]) -> Sequence[SignedTransaction]:
        is_poison = [each.account_id == POISONED_ACCOUNT for each in instructions]
        if self._is_in_signing and any(is_poison):
            self._hit("sign")
        signed = self._chain.sign(instructions)
        self._poisoned |= {each.signature for each, poison in zip(signed, is_poison, strict=True) if poison}
        return signed

    def send(self, transactions: Sequence[SignedTransaction]) -> None:
        self._maybe_hit("send", {each.signature for each in transactions})
        self._chain.send(transactions)

    def view(self, signatures: Sequence[str]) -> ChainView:
        self._maybe_hit("view", set(signatures))
        return self._chain.view(signatures)

    def surely_dead(
        self, transactions: Sequence[SignedTransaction], *, margin_blocks: int
    ) -> Collection[str]:
        return self._chain.surely_dead(transactions, margin_blocks=margin_blocks)

    def _maybe_hit(self, what: str, signatures: set[str]) -> None:
        if not self._is_in_signing and self._simulator.world.is_stormy and signatures & self._poisoned:
            self._hit(what)

    def _hit(self, what: str) -> None:
        self._simulator.world.note("poison", what)
        raise PoisonedError(what)
