"""A chain that drops, delays and refuses transactions, asked through nodes that lag behind.

Its one law is a real ledger's: a signature executes at most once, and never after its validity.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.domain.errors import Code, RetryableError, VenueUnavailableError
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import (
    ChainView,
    SignatureStatus,
    SignedTransaction,
    SwapInstruction,
    TransactionStatus,
)
from chalicelib.routing.plan import RoutablePool
from tests.simulation.world import World

BLOCK_S: Final = 0.4
VALIDITY_BLOCKS: Final = 150
LAST_BLOCKS: Final = (0, 0, 1, 2)
SLOPPY_BLOCKS_MAX: Final = 2
"""A node may state a height that is ahead of the statuses beside it by so many blocks."""


@dataclass(frozen=True, slots=True)
class Landed:
    """An executed transaction."""

    instruction: SwapInstruction
    height: int
    status: TransactionStatus


class SimulatedChain:
    """The port ``Chain``, and the ledger that the audit reads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._signed: dict[str, tuple[SignedTransaction, SwapInstruction]] = {}
        self._blocks_to_spare: dict[str, int] = {}
        self.landed: dict[str, Landed] = {}

    @property
    def height(self) -> int:
        return 1_000 + int(self._world.scheduler.now_s / BLOCK_S)

    def sign(self, instructions: Sequence[SwapInstruction]) -> Sequence[SignedTransaction]:
        node_height = self.height - self._lag()
        return [self._sign(instruction, node_height) for instruction in instructions]

    def send(self, transactions: Sequence[SignedTransaction]) -> None:
        for transaction in transactions:
            if self._world.happens(self._world.weather.drop):
                self._world.note("chain", f"lost: {_named(self._signed[transaction.signature][1])}")
                continue
            blocks = self._blocks_until_landing(transaction)
            self._world.scheduler.after(blocks * BLOCK_S, partial(self._land, transaction.signature))

    def view(self, signatures: Sequence[str]) -> ChainView:
        known_to = self.height - self._lag()
        stated = min(
            known_to + self._world.dice.choice((0, SLOPPY_BLOCKS_MAX, SLOPPY_BLOCKS_MAX)), self.height
        )
        return ChainView(stated, {each: self._status(each, known_to) for each in signatures})

    def _sign(self, instruction: SwapInstruction, node_height: int) -> SignedTransaction:
        last_valid = node_height + VALIDITY_BLOCKS
        payload = f"{instruction.order_id}:{instruction.attempt}:{instruction.paths}:{last_valid}".encode()
        transaction = SignedTransaction(hashlib.sha256(payload).hexdigest(), payload, last_valid)
        self._signed[transaction.signature] = (transaction, instruction)
        self._blocks_to_spare[transaction.signature] = self._world.dice.choice(LAST_BLOCKS)
        return transaction

    def _blocks_until_landing(self, transaction: SignedTransaction) -> float:
        if self._world.happens(self._world.weather.land_last):
            return transaction.last_valid_height - self.height - self._blocks_to_spare[transaction.signature]
        return self._world.dice.random() * self._world.weather.land_blocks_max

    def _land(self, signature: str) -> None:
        transaction, instruction = self._signed[signature]
        if signature in self.landed or self.height > transaction.last_valid_height:
            return
        if self._world.happens(self._world.weather.refuse):
            code = self._world.dice.choice([Code.SLIPPAGE_EXCEEDED, Code.INSUFFICIENT_FUNDS])
            status = TransactionStatus(SignatureStatus.REFUSED, slot=self.height, refusal=code)
        else:
            given, got = _amounts(instruction)
            status = TransactionStatus(
                SignatureStatus.LANDED, slot=self.height, input_units=given, output_units=got
            )
        self._world.note(
            "chain", f"{status.signature_status}: {_named(instruction)}, at height {self.height}"
        )
        self.landed[signature] = Landed(instruction, self.height, status)

    def _status(self, signature: str, known_to: int) -> TransactionStatus:
        landed = self.landed.get(signature)
        if landed is None or landed.height > known_to:
            return TransactionStatus(SignatureStatus.UNKNOWN)
        return landed.status

    def _lag(self) -> int:
        highest = self._world.weather.view_lag_blocks_max
        return self._world.dice.randint(0, highest) if self._world.is_stormy else 0


def _named(instruction: SwapInstruction) -> str:
    return f"attempt {instruction.attempt} of {instruction.order_id}"


def _amounts(instruction: SwapInstruction) -> tuple[int, int]:
    first, last = instruction.paths[0].hops[0], instruction.paths[-1].hops[-1]
    if instruction.swap_mode is SwapMode.EXACT_IN:
        return sum(leg.planned_units for leg in first), instruction.threshold_units
    return instruction.threshold_units, sum(leg.planned_units for leg in last)


class SimulatedVenue:
    """The port ``Venue``: one pool that never moves; what is simulated here is silence."""

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self._world = world

    def pools(self) -> Sequence[RoutablePool]:
        state = CpmmPool(10**15, 2 * 10**14, CpmmFees(2_500, 120_000, 40_000))
        pools = [RoutablePool(f"{self.name}-pool", self.name, ("SOL", "USDC"), state)]
        try:
            return self._world.call("venue", self.name, lambda: pools)
        except RetryableError as error:
            raise VenueUnavailableError(error.message) from error
