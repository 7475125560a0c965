"""Nodes of a real chain's kind in front of the simulated ledger: behind, forgetful, at odds, lying.

What is simulated is what each node answers. What follows from that is the engine's own: the proof that a
transaction is dead, and which answers are not believed, are ``ChainReader`` itself.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, Final

from chalicelib.adapters.solana.chain_view import ChainReader
from chalicelib.adapters.solana.fills import Names
from chalicelib.adapters.solana.programs import PROGRAM_IDS, Cluster
from chalicelib.adapters.solana.rpc_answers import TransactionRecord
from chalicelib.adapters.solana.rpc_batches import one_by_one
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import NodeError, RateLimitedError, RpcError, SilentNodeError
from chalicelib.adapters.solana.rpc_nodes import RpcNode, RpcNodes
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.transactions import (
    ChainView,
    SignatureStatus,
    SignedTransaction,
    SwapInstruction,
    TransactionStatus,
)
from chalicelib.services.ports import Chain
from tests.simulation.chain import Landed, SimulatedChain
from tests.simulation.world import World

_NAMES: Final = Names(PROGRAM_IDS[Cluster.LOCAL], {}, {})
_LOOK_LIMIT_S: Final = 4.0
_SKIPPED_EACH: Final = 7
"""After so many blocks a leader makes none: heights and slots are different numbers."""

_SKIPPED, _PRUNED = -32007, -32001


@dataclass(frozen=True, slots=True)
class NodeHabits:
    """How one address answers while the storm lasts.

    Attributes:
        behind_max: It is up to so many blocks behind.
        is_fleet: Each call is answered by another of its machines, each behind by an amount of its own.
        confirmed_after: What it has seen is ``processed`` for so many blocks before it is ``confirmed``.
        keeps_blocks: Statuses, transactions and blocks older than this are gone; None keeps all.
        late: A transaction whose status is final is not shown yet, as a rate.
        silent, limited: Calls without an answer, and with a 429, as rates.
        is_lying: It knows of nothing that landed, and of one in three that did not, that it had.
        is_misreporting: What it shows of what landed is a unit off.
    """

    behind_max: int
    is_fleet: bool
    confirmed_after: int
    keeps_blocks: int | None
    late: float
    silent: float
    limited: float
    is_lying: bool
    is_misreporting: bool


@dataclass(frozen=True, slots=True)
class Fleet:
    """The addresses of a run, and how many of them must agree."""

    habits: tuple[NodeHabits, ...]
    witnesses: int


def draw_fleet(dice: Random) -> Fleet:
    """Return nodes of which one may lie, of what landed or of amounts, if it takes two to be believed."""
    count = dice.choice([1, 2, 3])
    witnesses = dice.randint(1, min(2, count))
    liar = dice.randrange(count) if witnesses > 1 and dice.random() < 0.5 else None
    is_about_amounts = dice.random() < 0.35
    habits = [
        _habits(
            dice,
            is_lying=place == liar and not is_about_amounts,
            is_misreporting=place == liar and is_about_amounts,
        )
        for place in range(count)
    ]
    return Fleet(tuple(habits), witnesses)


def _habits(dice: Random, *, is_lying: bool, is_misreporting: bool) -> NodeHabits:
    return NodeHabits(
        behind_max=dice.choice([0, 0, 2, 20]),
        is_fleet=dice.random() < 0.3,
        confirmed_after=dice.choice([0, 1, 2, 32]),
        keeps_blocks=dice.choice([None, None, 5, 60, 150, 155, 200, 400]),
        late=dice.choice([0.0, 0.0, 0.5]),
        silent=dice.choice([0.0, 0.0, 0.2]),
        limited=dice.choice([0.0, 0.0, 0.2]),
        is_lying=is_lying,
        is_misreporting=is_misreporting,
    )


class ChainBehindNodes:
    """The port ``Chain``: the ledger takes transactions, and nodes are asked what became of them."""

    def __init__(self, ledger: SimulatedChain, world: World, fleet: Fleet) -> None:
        self._port: Chain = world.port("chain", ledger)
        self._world, self._ledger = world, ledger
        self._last_valid: dict[str, int] = {}
        nodes = [SimulatedNode(f"node{n}", ledger, world, each) for n, each in enumerate(fleet.habits)]
        self._nodes = RpcNodes(
            nodes, now_s=lambda: world.scheduler.now_s, pause=world.sleep, jitter=world.dice.random
        )
        self.reader = LedgerReader(self._nodes, ledger.landed.get, fleet.witnesses)

    def sign(self, instructions: Sequence[SwapInstruction]) -> Sequence[SignedTransaction]:
        signed = self._port.sign(instructions)
        self._last_valid |= {one.signature: one.last_valid_height for one in signed}
        return signed

    def send(self, transactions: Sequence[SignedTransaction]) -> None:
        self._port.send(transactions)

    def view(self, signatures: Sequence[str]) -> ChainView:
        try:
            return self.reader.view(signatures, last_valid=self._last_valid)
        except NodeError as error:
            raise RetryableError(f"no node answered in time: {error}") from error

    def surely_dead(
        self, transactions: Sequence[SignedTransaction], *, margin_blocks: int
    ) -> Collection[str]:
        try:
            return self.reader.surely_dead(transactions, margin_blocks=margin_blocks)
        except NodeError as error:
            raise RetryableError(f"no node answered in time: {error}") from error


class LedgerReader(ChainReader):
    """Takes what a transaction moved from the ledger: how it is read from a node is not simulated."""

    def __init__(self, nodes: RpcNodes, landed: Callable[[str], Landed | None], witnesses: int) -> None:
        super().__init__(nodes, lambda: _NAMES, time_limit_s=_LOOK_LIMIT_S, witnesses=witnesses)
        self.nodes, self.landed = nodes, landed

    def _status_of(self, record: TransactionRecord) -> TransactionStatus:
        signature, *wrong = record.logs
        landed = self.landed(signature)
        if landed is None:  # a liar's
            return TransactionStatus(SignatureStatus.LANDED, record.slot, 1, 1)
        status = landed.status
        return replace(status, output_units=status.output_units + 1) if wrong else status


class SimulatedNode(RpcNode):
    """One address; every call to it takes time, and may be the last thing that its caller does."""

    def __init__(self, name: str, ledger: SimulatedChain, world: World, habits: NodeHabits) -> None:
        self.name = name
        self._ledger, self._world, self._habits = ledger, world, habits
        self._behind = self._drawn_behind()

    def call(self, call: RpcCall, *, time_limit_s: float) -> Any:  # noqa: ARG002 - the world's own limit
        try:
            return self._world.call("chain", f"{self.name}.{call.method}", partial(self._answer, call))
        except RetryableError as error:
            raise SilentNodeError(error.message) from error

    def call_all(self, calls: Sequence[RpcCall], *, time_limit_s: float) -> list[Any]:
        return one_by_one(self.call, calls, time_limit_s=time_limit_s)

    def _answer(self, call: RpcCall) -> Any:
        if self._world.happens(self._habits.silent):
            raise SilentNodeError(f"{self.name}: no answer to {call.method}")
        if self._world.happens(self._habits.limited):
            raise RateLimitedError(self._world.dice.choice([None, 0.5, 3.0]))
        if self._habits.is_fleet or self._world.dice.random() < 0.1:
            self._behind = self._drawn_behind()
        return getattr(self, f"_{call.method}")(*call.params)

    @property
    def _processed(self) -> int:
        return self._ledger.height - (self._behind if self._world.is_stormy else 0)

    @property
    def _confirmed(self) -> int:
        return self._processed - (self._habits.confirmed_after if self._world.is_stormy else 0)

    @property
    def _first(self) -> int:
        """The height of the oldest block that it has."""
        keeps = self._habits.keeps_blocks if self._world.is_stormy else None
        return 0 if keeps is None else self._confirmed - keeps

    def _drawn_behind(self) -> int:
        return self._world.dice.randint(0, self._habits.behind_max)

    def _getEpochInfo(self, _: Any) -> Any:  # noqa: N802 - the methods' own names
        height = self._confirmed
        return {"absoluteSlot": slot_of(height), "blockHeight": height, "epoch": 800}

    def _getSignatureStatuses(self, signatures: Sequence[str], _: Any) -> Any:  # noqa: N802
        found = [self._status(signature) for signature in signatures]
        return {"context": {"slot": slot_of(self._processed)}, "value": found}

    def _getTransaction(self, signature: str, _: Any) -> Any:  # noqa: N802
        status = self._status(signature)
        is_shown = status is not None and status["confirmationStatus"] == "confirmed"
        if not is_shown or self._world.happens(self._habits.late):
            return None
        fault = status["err"]
        is_wrong = self._habits.is_misreporting and self._world.is_stormy
        logs = [signature, "one too many"] if is_wrong else [signature]
        meta = {"err": fault, "fee": 5_000, "preBalances": [], "postBalances": [], "logMessages": logs}
        message: dict[str, Any] = {"accountKeys": [], "instructions": []}
        return {
            "slot": status["slot"],
            "meta": meta,
            "transaction": {"signatures": [signature], "message": message},
        }

    def _getFirstAvailableBlock(self) -> Any:  # noqa: N802
        return slot_of(self._first) if self._first > 0 else 0

    def _getBlock(self, slot: int, _: Any) -> Any:  # noqa: N802
        height = slot - slot // (_SKIPPED_EACH + 1)
        if slot_of(height) != slot:
            raise RpcError(_SKIPPED, f"Slot {slot} was skipped", None)
        if height < self._first:
            raise RpcError(_PRUNED, f"Block {slot} cleaned up", None)
        return {"blockHeight": height}

    def _status(self, signature: str) -> Any:
        landed = self._ledger.landed.get(signature)
        if self._habits.is_lying and self._world.is_stormy:
            is_claimed = landed is None and self._ledger.number(signature) % 3 == 0
            return _shown(self._confirmed, "confirmed") if is_claimed else None
        if landed is None or not self._first <= landed.height <= self._processed:
            return None
        commitment = "confirmed" if landed.height <= self._confirmed else "processed"
        is_refused = landed.status.signature_status is SignatureStatus.REFUSED
        return _shown(landed.height, commitment, "AccountInUse" if is_refused else None)


def slot_of(height: int) -> int:
    """Return the slot that holds a block: every eighth slot has none."""
    return height + height // _SKIPPED_EACH


def _shown(height: int, commitment: str, fault: Any = None) -> Any:
    return {"slot": slot_of(height), "err": fault, "confirmationStatus": commitment}
