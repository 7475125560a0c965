"""The chain: blocks, what is valid in them, and the state as of each of the latest ones.

Transactions run as they arrive, in the block that is open; ``seal`` ends it. What a client sees at a
commitment is the state as of some block a little further back, which the changes of the latest blocks are
enough to tell.
"""

import hashlib
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from solders.transaction import VersionedTransaction

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.clock import EPOCH_SLOTS, ClockSysvar
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.programs import CLOCK_SYSVAR
from infra.chain.execution import Executor
from infra.chain.machine import Machine
from infra.chain.outcomes import Outcome
from infra.chain.records import record_of
from infra.chain.store import Block, Landed, Store
from infra.chain.transactions import Transaction, TransactionError, resolve

BLOCKHASH_BLOCKS: Final = 150
"""A transaction can land in so many blocks after the one that its blockhash names."""

FIRST_SLOT, FIRST_HEIGHT = 4_321_000, 4_200_000
HISTORY_BLOCKS: Final = 512
"""The state is known as of so many of the latest blocks: no node lags more."""


class Commitment(StrEnum):
    PROCESSED = "processed"
    CONFIRMED = "confirmed"
    FINALIZED = "finalized"


@dataclass(slots=True)
class BlockChanges:
    """What one block did."""

    block: Block
    before: dict[Pubkey, Account | None] = field(default_factory=dict)
    landed: list[Landed] = field(default_factory=list)
    paid: list[tuple[int, frozenset[Pubkey]]] = field(
        default_factory=list
    )  # price, accounts locked for writing


@dataclass(frozen=True, slots=True)
class Lags:
    """How many blocks a commitment is behind the last sealed block."""

    confirmed: int = 1
    finalized: int = 3


class Chain:
    """One chain in one process.

    Args:
        now: Seconds of Unix time; the chain's own never runs backwards.
        first: Slot and height at which a new chain begins.
    """

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], float],
        lags: Lags = Lags(),
        first: tuple[int, int] = (FIRST_SLOT, FIRST_HEIGHT),
    ) -> None:
        self._store = store
        self._now = now
        self._lags = lags
        self._first = first
        self.fetch: Callable[[list[Pubkey]], None] | None = None
        """Puts accounts that this chain has not got yet into it, if it copies another one."""
        self.search: Callable[[Pubkey, Any], list[Pubkey]] | None = None  # a program's accounts on that one
        self.machine = Machine()
        self._executor = Executor(self.machine)
        self.native: set[Pubkey] = set()
        self._executor.is_native = self.native.__contains__
        self._executor.read = self.account
        self.keys: set[Pubkey] = set()
        self.by_owner: dict[Pubkey, set[Pubkey]] = {}
        self._versions: dict[Pubkey, list[tuple[int, Account | None]]] = {}
        self.sealed: deque[BlockChanges] = deque(maxlen=HISTORY_BLOCKS)
        self._hashes: dict[bytes, int] = {}
        self._signatures: dict[bytes, tuple[int, object]] = {}
        self._executable: set[Pubkey] = set()
        self.transaction_count = store.count_transactions()
        self._load()
        self.open: BlockChanges
        self._open_next(0)

    def _load(self) -> None:
        stored = sorted(self._store.accounts(), key=lambda one: one.account.data[:4] != b"\3\0\0\0")
        for key, account, executable in stored:
            self._index(key, account)
            if executable:
                self.native.add(key)
                self._executable.add(key)
            self.machine.put(key, account, executable=executable)
        blocks = self._store.last_blocks(HISTORY_BLOCKS)
        if not blocks:
            genesis = Block(*self._first, hashlib.sha256(b"orderflow local chain").digest(), int(self._now()))
            self._store.commit(genesis, [])
            blocks = [genesis]
        for block in blocks:
            self.sealed.append(BlockChanges(block))
            self._hashes[block.blockhash] = block.height
        for changes in list(self.sealed)[-2 * BLOCKHASH_BLOCKS :]:
            for landed in self._store.transactions_of(changes.block.slot):
                changes.landed.append(landed)
                self._signatures[landed.signature] = (landed.slot, landed.record["meta"]["err"])

    def _open_next(self, skipped: int) -> None:
        tip = self.tip
        time = max(int(self._now()), tip.unix_time)
        block = Block(tip.slot + 1 + skipped, tip.height + 1, b"", time)
        self.open = BlockChanges(block)
        self.machine.set_clock(self.clock)

    # Where the chain stands.

    @property
    def tip(self) -> Block:
        """The last sealed block."""
        return self.sealed[-1].block

    @property
    def clock(self) -> ClockSysvar:
        """Time as transactions of the open block see it."""
        block = self.open.block
        return ClockSysvar(block.slot, block.slot // EPOCH_SLOTS, block.unix_time)

    def view(self, commitment: Commitment, behind: int = 0) -> Block:
        """Return the block as of which a node answers; a node may be behind the others."""
        if commitment is Commitment.PROCESSED and behind == 0:
            return self.open.block._replace(blockhash=self.tip.blockhash)
        lag = {
            Commitment.PROCESSED: -1,
            Commitment.CONFIRMED: self._lags.confirmed,
            Commitment.FINALIZED: self._lags.finalized,
        }[commitment]
        place = max(len(self.sealed) - 1 - max(lag + behind, 0), 0)
        return self.sealed[place].block

    def latest_blockhash(self, view: Block) -> tuple[bytes, int]:
        """Return the newest blockhash of a view, and the last height at which it is valid."""
        height = self._hashes[view.blockhash]
        return view.blockhash, height + BLOCKHASH_BLOCKS

    def is_valid(self, blockhash: bytes, view: Block) -> bool:
        """Return whether a transaction with this blockhash can still land after a block."""
        height = self._hashes.get(blockhash)
        return height is not None and height <= view.height <= height + BLOCKHASH_BLOCKS

    # State.

    def account(self, key: Pubkey, slot: int | None = None) -> Account | None:
        """Return an account as of a block, or as it is now."""
        self.want([key])
        versions = self._versions.get(key)
        if slot is not None and versions:
            place = bisect_right(versions, slot, key=lambda version: version[0])
            if place < len(versions):
                return versions[place][1]
        if slot is not None and key == CLOCK_SYSVAR:
            return self._clock_account(slot)
        return self.machine.get(key)

    def want(self, keys: Iterable[Pubkey]) -> None:
        """Fetch those of these accounts that were never looked for, if the chain copies another one."""
        if self.fetch is not None:
            absent = [key for key in keys if key not in self.keys and self.machine.get(key) is None]
            if absent:
                self.fetch(absent)

    def is_executable(self, key: Pubkey) -> bool:
        return self.machine.is_executable(key)

    def _clock_account(self, slot: int) -> Account | None:
        account = self.machine.get(CLOCK_SYSVAR)
        block = self.block_at(slot)
        if account is None or block is None:
            return account
        epoch = slot // EPOCH_SLOTS
        fields = (slot, block.unix_time, epoch, epoch + 1, block.unix_time)
        return account._replace(data=b"".join(number.to_bytes(8, "little") for number in fields))

    def owned_by(self, owner: Pubkey, slot: int | None) -> Iterator[tuple[Pubkey, Account]]:
        """Yield the accounts of a program as of a block."""
        recent = {
            key for key in self._versions if any(b and b.owner == owner for _, b in self._versions[key])
        }
        for key in sorted(self.by_owner.get(owner, set()) | recent):
            account = self.account(key, slot)
            if account is not None and account.owner == owner:
                yield key, account

    def put(self, accounts: Mapping[Pubkey, Account | None], *, executable: Iterable[Pubkey] = ()) -> None:
        """Write accounts past all rules, durably, and as if they had always been so.

        What is seeded, cloned, or set by an administrator comes in here.
        """
        programs = set(executable)
        self.native |= programs
        self._executable |= programs
        self._store.commit(None, [(key, account, key in programs) for key, account in accounts.items()])
        for key, account in accounts.items():
            self.open.before.setdefault(key, self.machine.get(key))
            self._set(key, account)

    def _write(self, key: Pubkey, account: Account | None) -> None:
        before = self.machine.get(key)
        self.open.before.setdefault(key, before)
        versions = self._versions.setdefault(key, [])
        if not versions or versions[-1][0] != self.open.block.slot:
            versions.append((self.open.block.slot, before))
        self._set(key, account)

    def _set(self, key: Pubkey, account: Account | None) -> None:
        before = self.machine.get(key)
        if before is not None:
            self.by_owner.get(before.owner, set()).discard(key)
        self.machine.put(key, account, executable=key in self._executable)
        self._index(key, account)

    def _index(self, key: Pubkey, account: Account | None) -> None:
        self.keys.add(key)
        if account is not None:
            self.by_owner.setdefault(account.owner, set()).add(key)

    # Transactions.

    def prepare(self, parsed: VersionedTransaction) -> Transaction:
        """Return a transaction with all accounts that it names at hand.

        Raises:
            TransactionError: It cannot land.
        """
        transaction = resolve(parsed, self.account)
        self.want(transaction.keys)
        return transaction

    def simulate(self, transaction: Transaction) -> Outcome:
        """Return what the transaction would do now; blockhash and repetition are not looked at.

        Raises:
            TransactionError: It could not land.
        """
        return self._executor.run(transaction, self.clock)

    def check(self, transaction: Transaction, view: Block | None = None) -> None:
        """Refuse a transaction whose blockhash is unknown or too old, or that has landed.

        Raises:
            TransactionError: It cannot land now.
        """
        if not self.is_valid(transaction.blockhash, view or self.open.block):
            raise TransactionError("BlockhashNotFound")
        if transaction.signature in self._signatures:
            raise TransactionError("AlreadyProcessed")

    def land(self, transaction: Transaction) -> Outcome:
        """Run a transaction in the open block.

        Raises:
            TransactionError: It cannot land, and has left no trace.
        """
        self.check(transaction)
        outcome = self._executor.run(transaction, self.clock)
        record = record_of(transaction, outcome, self.account)
        for key, account in outcome.changes.items():
            self._write(key, account)
        slot, place = self.open.block.slot, len(self.open.landed)
        self.open.landed.append(Landed(transaction.signature, slot, place, record, transaction.keys))
        self._signatures[transaction.signature] = (slot, outcome.err)
        locked = frozenset(
            key for key, writable in zip(transaction.keys, transaction.writable, strict=True) if writable
        )
        self.open.paid.append((transaction.budget.price, locked))
        return outcome

    def seal(self, skipped: int = 0) -> BlockChanges:
        """End the open block, durably, and open the next one.

        Args:
            skipped: Slots without a block before the next one.
        """
        changes = self.open
        digest = hashlib.sha256(self.tip.blockhash + changes.block.slot.to_bytes(8, "little"))
        for landed in changes.landed:
            digest.update(landed.signature)
        changes.block = changes.block._replace(blockhash=digest.digest())
        accounts = [(key, self.machine.get(key), key in self._executable) for key in changes.before]
        self._store.commit(changes.block, accounts, changes.landed)
        self.transaction_count += len(changes.landed)
        oldest = self.sealed[0]
        self.sealed.append(changes)
        self._hashes[changes.block.blockhash] = changes.block.height
        if oldest is not self.sealed[0]:
            self._forget(oldest)
        self._open_next(skipped)
        return changes

    def lose(self) -> list[bytes]:
        """Throw away what the open block did, as a cluster does with a block that is never confirmed.

        Returns:
            The signatures of its transactions; those that are sent again may land.
        """
        slot = self.open.block.slot
        for key in self.open.before:
            versions = self._versions.get(key, [])
            if versions and versions[-1][0] == slot:
                self._set(key, versions.pop()[1])
        lost = [landed.signature for landed in self.open.landed]
        for signature in lost:
            self._signatures.pop(signature, None)
        self._open_next(0)
        return lost

    def _forget(self, oldest: BlockChanges) -> None:
        self._hashes.pop(oldest.block.blockhash, None)
        for landed in oldest.landed:
            self._signatures.pop(landed.signature, None)
        for key in oldest.before:
            versions = [one for one in self._versions.get(key, []) if one[0] > oldest.block.slot]
            if versions:
                self._versions[key] = versions
            else:
                self._versions.pop(key, None)

    # What happened.

    def status(self, signature: bytes, *, history: bool) -> tuple[int, object] | None:
        """Return the slot in which a transaction landed, and its error.

        Args:
            history: Look further back than the latest blocks.
        """
        found = self._signatures.get(signature)
        if found is None and history:
            landed = self._store.transaction(signature)
            if landed is not None:
                found = landed.slot, landed.record["meta"]["err"]
        return found

    def transaction(self, signature: bytes) -> Landed | None:
        """Return a transaction of a sealed block."""
        return self._store.transaction(signature)

    def mentioning(self, key: Pubkey, limit: int, below: tuple[int, int]) -> list[Landed]:
        return self._store.mentioning(key, limit, below)

    def transactions_of(self, slot: int) -> list[Landed]:
        return self._store.transactions_of(slot)

    def slots_between(self, first: int, last: int) -> list[int]:
        return self._store.slots_between(first, last)

    @property
    def first_slot(self) -> int:
        """Of the oldest block: whatever landed since then is remembered."""
        kept = self._store.first_slot()
        return self.open.block.slot if kept is None else kept

    def block_at(self, slot: int) -> Block | None:
        """Return the block of a slot, None if there is none."""
        if slot == self.open.block.slot:
            return self.open.block
        return next(
            (changes.block for changes in reversed(self.sealed) if changes.block.slot == slot), None
        ) or self._store.block_at(slot)

    def recent_fees(self, keys: frozenset[Pubkey], view: Block) -> list[tuple[int, int]]:
        """Return per recent block the least price per compute unit paid with all these accounts locked."""
        return [
            (
                changes.block.slot,
                min((price for price, locked in changes.paid if keys <= locked), default=0),
            )
            for changes in list(self.sealed)[-BLOCKHASH_BLOCKS:]
            if changes.block.slot <= view.slot
        ]

    def fact(self, name: str) -> Any:
        return self._store.fact(name)

    def note(self, name: str, value: Any) -> None:
        self._store.note(name, value)
