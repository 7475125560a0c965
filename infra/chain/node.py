"""One node of the chain: its own view, its own faults. All nodes share the chain itself."""

import random
from contextlib import suppress
from dataclasses import dataclass, field

from solders.transaction import VersionedTransaction

from infra.chain.chain import Chain, Commitment
from infra.chain.faults import Faults, happens
from infra.chain.fork import ForkError
from infra.chain.store import Block
from infra.chain.transactions import MalformedError, TransactionError, is_signed

WAITING_MAX = 10_000
"""Transactions that wait for a later block, over all nodes."""


@dataclass(slots=True)
class Arrivals:
    """Transactions on their way into a block.

    Attributes:
        waiting: Those that are delayed: (height from which they may run, transaction).
    """

    chain: Chain
    waiting: list[tuple[int, VersionedTransaction]] = field(default_factory=list)

    def deliver(self, transaction: VersionedTransaction, after_blocks: int = 0) -> None:
        """Run a transaction, or keep it for a later block; one that cannot land leaves no trace.

        Raises:
            ForkError: The node that is copied from does not tell its accounts.
        """
        if after_blocks:
            if len(self.waiting) < WAITING_MAX:
                self.waiting.append((self.chain.open.block.height + after_blocks, transaction))
            return
        if not is_signed(transaction):
            return
        try:
            self.chain.land(self.chain.prepare(transaction))
        except (TransactionError, MalformedError):
            return

    def run_due(self) -> None:
        """Run what has waited long enough for the block that is open now."""
        height = self.chain.open.block.height
        due = [transaction for at, transaction in self.waiting if at <= height]
        self.waiting = [one for one in self.waiting if one[0] > height]
        for transaction in due:
            # One whose accounts cannot be copied now is lost, as others are; the chain goes on.
            with suppress(ForkError):
                self.deliver(transaction)


@dataclass(slots=True)
class Node:
    """A node as one URL reaches it."""

    chain: Chain
    arrivals: Arrivals
    faults: Faults
    chance: random.Random
    behind_now: int = 0

    def begin_request(self) -> None:
        """Choose which machine of the node's fleet answers."""
        jitter = self.faults.behind_jitter_blocks
        self.behind_now = self.faults.behind_blocks + (self.chance.randint(0, jitter) if jitter else 0)

    def view(self, commitment: Commitment) -> Block:
        return self.chain.view(commitment, self.behind_now)

    def send(self, transaction: VersionedTransaction) -> None:
        """Pass a transaction on to the chain, as the faults have it."""
        faults = self.faults
        if happens(faults.drop_percent, self.chance):
            return
        after = 0
        if happens(faults.delay_percent, self.chance):
            after = self.chance.randint(faults.delay_blocks_min, faults.delay_blocks_max)
        self.arrivals.deliver(transaction, after)
        if happens(faults.duplicate_percent, self.chance):
            self.arrivals.deliver(transaction, after + 1)

    def status(self, signature: bytes, *, history: bool) -> tuple[int, object] | None:
        """Return the slot and error of a transaction as far as this node knows."""
        found = self.chain.status(signature, history=history)
        newest = self.view(Commitment.PROCESSED)
        if found is None or found[0] > newest.slot or happens(self.faults.hidden_status_percent, self.chance):
            return None
        return None if self.has_forgotten(found[0]) else found

    def has_forgotten(self, slot: int) -> bool:
        kept = self.faults.history_blocks
        return kept is not None and slot < self.view(Commitment.PROCESSED).slot - kept
