"""The chain on disk: accounts, blocks and transactions in one SQLite file, one commit per block.

A block is visible at ``confirmed`` only after its commit, which waits for the disk; whatever kills the
process, the state that comes back is that of a whole block.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.keys import Pubkey

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS accounts (
    key BLOB PRIMARY KEY, owner BLOB NOT NULL, lamports TEXT NOT NULL, data BLOB NOT NULL,
        executable INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (
    slot INTEGER PRIMARY KEY, height INTEGER NOT NULL, blockhash BLOB NOT NULL, unix_time INTEGER NOT NULL,
    transactions INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS transactions (
    signature BLOB PRIMARY KEY, slot INTEGER NOT NULL, place INTEGER NOT NULL, record TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS transactions_by_slot ON transactions (slot, place);
CREATE TABLE IF NOT EXISTS mentions (
    key BLOB NOT NULL, slot INTEGER NOT NULL, place INTEGER NOT NULL, signature BLOB NOT NULL,
    PRIMARY KEY (key, slot, place)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_LOCK_S: Final = 0.2
"""Only another chain holds the file, and that one does not let go."""
_SLOTS_PASSED_MAX: Final = 64
"""More than one block adds; what is older was looked at before."""
EMPTY_BLOCKS_KEPT: Final = 512
"""More than a blockhash lives; older blocks without transactions say nothing."""


class Block(NamedTuple):
    """One block: transactions executed in it see its slot and time."""

    slot: int
    height: int
    blockhash: bytes
    unix_time: int


class Landed(NamedTuple):
    """A transaction that a block holds. ``record`` is what ``getTransaction`` answers from."""

    signature: bytes
    slot: int
    place: int
    record: dict[str, Any]
    mentions: tuple[Pubkey, ...] = ()


class StoredAccount(NamedTuple):
    key: Pubkey
    account: Account
    executable: bool


class Store:
    """One chain's file. Not for several threads or processes at once: opening it locks it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=_LOCK_S)
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def fact(self, name: str) -> Any:
        """Return what was noted under a name, None if nothing was."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def note(self, name: str, value: Any) -> None:
        self._db.execute(
            "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, json.dumps(value)),
        )

    def accounts(self) -> Iterator[StoredAccount]:
        for key, owner, lamports, data, executable in self._db.execute("SELECT * FROM accounts"):
            yield StoredAccount(
                Pubkey(key), Account(Pubkey(owner), int(lamports), data), executable=bool(executable)
            )

    def last_blocks(self, count: int) -> list[Block]:
        """Return the newest blocks, the oldest of them first."""
        rows = self._db.execute(
            "SELECT slot, height, blockhash, unix_time FROM blocks ORDER BY slot DESC LIMIT ?", (count,)
        ).fetchall()
        return [Block(*row) for row in reversed(rows)]

    def block_at(self, slot: int) -> Block | None:
        row = self._db.execute(
            "SELECT slot, height, blockhash, unix_time FROM blocks WHERE slot = ?", (slot,)
        ).fetchone()
        return None if row is None else Block(*row)

    def slots_between(self, first: int, last: int) -> list[int]:
        rows = self._db.execute(
            "SELECT slot FROM blocks WHERE slot BETWEEN ? AND ? ORDER BY slot", (first, last)
        )
        return [slot for (slot,) in rows]

    def transaction(self, signature: bytes) -> Landed | None:
        row = self._db.execute(
            "SELECT signature, slot, place, record FROM transactions WHERE signature = ?", (signature,)
        ).fetchone()
        return None if row is None else Landed(row[0], row[1], row[2], json.loads(row[3]))

    def transactions_of(self, slot: int) -> list[Landed]:
        rows = self._db.execute(
            "SELECT signature, slot, place, record FROM transactions WHERE slot = ? ORDER BY place", (slot,)
        )
        return [Landed(row[0], row[1], row[2], json.loads(row[3])) for row in rows]

    def mentioning(self, key: Pubkey, limit: int, below: tuple[int, int]) -> list[Landed]:
        """Return the newest transactions that name an account, from before a (slot, place) on."""
        rows = self._db.execute(
            "SELECT t.signature, t.slot, t.place, t.record"
            " FROM mentions m JOIN transactions t USING (signature)"
            " WHERE m.key = ? AND (m.slot, m.place) < (?, ?) ORDER BY m.slot DESC, m.place DESC LIMIT ?",
            (key, *below, limit),
        )
        return [Landed(row[0], row[1], row[2], json.loads(row[3])) for row in rows]

    def first_slot(self) -> int | None:
        """Return the slot of the oldest block, None if there is none yet."""
        slot: int | None = self._db.execute("SELECT min(slot) FROM blocks").fetchone()[0]
        return slot

    def count_transactions(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM transactions").fetchone()[0])

    def commit(
        self,
        block: Block | None,
        changes: Iterable[tuple[Pubkey, Account | None, bool]],
        landed: Iterable[Landed] = (),
    ) -> None:
        """Keep a block with all that it did, or accounts that came from elsewhere, wholly or not at all."""
        landed = list(landed)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._write(block, changes, landed)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _write(
        self,
        block: Block | None,
        changes: Iterable[tuple[Pubkey, Account | None, bool]],
        landed: list[Landed],
    ) -> None:
        for key, account, executable in changes:
            if account is None:
                self._db.execute("DELETE FROM accounts WHERE key = ?", (key,))
            else:
                self._db.execute(
                    "INSERT INTO accounts VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET owner ="
                    " excluded.owner, lamports = excluded.lamports, data = excluded.data,"
                    " executable = excluded.executable",
                    (key, account.owner, str(account.lamports), account.data, executable),
                )
        if block is None:
            return
        self._db.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?)", (*block, len(landed)))
        self._db.execute(
            # The first one stays: it says from when on everything that landed is remembered.
            "DELETE FROM blocks WHERE transactions = 0 AND slot BETWEEN ? AND ?"
            " AND slot > (SELECT min(slot) FROM blocks)",
            (block.slot - EMPTY_BLOCKS_KEPT - _SLOTS_PASSED_MAX, block.slot - EMPTY_BLOCKS_KEPT),
        )
        self._db.executemany(
            "INSERT INTO transactions VALUES (?, ?, ?, ?)",
            [(one.signature, one.slot, one.place, json.dumps(one.record)) for one in landed],
        )
        self._db.executemany(
            "INSERT INTO mentions VALUES (?, ?, ?, ?)",
            [(key, one.slot, one.place, one.signature) for one in landed for key in one.mentions],
        )
