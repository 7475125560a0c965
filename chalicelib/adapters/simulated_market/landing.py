"""Landing: transactions become part of the ledger, in one database transaction for all of them.

Statements: lock, read, write. Pools, wallets and known signatures are read after the locks are
held, in a statement of its own, since a statement sees what was committed when it began. Where nothing has
moved since this process looked, what is read is known already: ``prompt_landing``.
"""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from time import monotonic
from typing import Final

from sqlalchemy import Engine

from chalicelib.adapters.postgres.statements import Database, DatabaseSession, Row, Statement
from chalicelib.adapters.simulated_market.ledger import NO_ORDER, NewBlock, Record, write
from chalicelib.adapters.simulated_market.locking import (
    LANDING_LOCK,
    TRIES_MAX,
    locks,
    retried,
    unless_lost,
)
from chalicelib.adapters.simulated_market.pool_cache import PoolCache, RecentBlock, Snapshot
from chalicelib.adapters.simulated_market.prompt_landing import land_as_seen, pools_named, tokens_of
from chalicelib.adapters.simulated_market.swap_execution import Books, execute
from chalicelib.adapters.simulated_market.transactions import Transaction, can_land, verified
from chalicelib.adapters.simulated_market.wallets import Faucet
from chalicelib.domain.errors import RetryableError
from chalicelib.values import value

DUE_MAX: Final = 64
"""Transactions landed in one go; bounds how long their pools stay locked."""

_TAKE_DUE: Final = Statement("""
    WITH landing AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(:landing_lock))
    SELECT signature, payload, market.height_at(lands_at) AS height,
           floor(extract(epoch FROM lands_at) * 1000)::bigint AS moment_ms
    FROM landing CROSS JOIN market.mempool
    WHERE lands_at <= market.now()
    ORDER BY lands_at, signature LIMIT :due_max FOR UPDATE OF mempool
""")

# The limit is for the planner, which expects a hundred rows of a function; see ``order_record``.
_READ: Final = Statement("""
    SELECT market.height_at(moment.now) AS height,
        floor(extract(epoch FROM moment.now) * 1000)::bigint AS moment_ms,
        extract(epoch FROM chain.genesis_at)::text AS genesis,
        (SELECT jsonb_agg(signature) FROM market.transactions t JOIN (
            SELECT jsonb_array_elements_text(CAST(:signatures AS jsonb)) AS signature
            LIMIT jsonb_array_length(CAST(:signatures AS jsonb))) AS asked USING (signature)
         WHERE md5(t.signature)::uuid = md5(asked.signature)::uuid) AS known,
        (SELECT jsonb_agg(jsonb_build_array(address, token, balance)) FROM market.wallets
         WHERE (address, token) IN (
            SELECT item ->> 0, item ->> 1 FROM jsonb_array_elements(CAST(:wallets AS jsonb)) AS item))
                AS balances,
        (SELECT jsonb_agg(to_jsonb(changed))
         FROM market.changed_pools(CAST(:versions AS jsonb), :epoch) AS changed) AS pools
    FROM market.chain CROSS JOIN (SELECT market.now() AS now) AS moment
""")

_Take = Callable[[DatabaseSession], tuple[Sequence["Arrival"], Sequence[str]]]
"""Returns what arrives, and the signatures to take off the mempool."""


@value
class Arrival:
    """A transaction that reaches the ledger; the block's height and time are those of now if absent."""

    transaction: Transaction
    height: int | None = None
    moment_ms: int | None = None


class _MissingWalletsError(Exception):
    """Nothing was done: some wallets have to be opened first."""

    def __init__(self, wallets: frozenset[tuple[str, str]]) -> None:
        super().__init__(f"{len(wallets)} wallets are missing")
        self.wallets = wallets


class Landing:
    """The ledger's only writer.

    Attributes:
        last: What the last landing of this process committed. Never changed, only replaced.
    """

    def __init__(self, engine: Engine, cache: PoolCache, faucet: Faucet) -> None:
        self._database = Database(engine)
        self._cache = cache
        self._faucet = faucet
        self.last: Sequence[Record] = ()
        # Whether the pools of the last landing were as this process had seen them: then the next are, too.
        self._is_undisturbed = True

    def land_now(self, transactions: Sequence[Transaction]) -> None:
        """Land transactions in the order given, unless they are known already or can no longer land.

        Raises:
            RetryableError: No answer; they may have landed all the same.
        """
        arrivals = [Arrival(transaction) for transaction in transactions]
        if arrivals and not self._has_landed_as_seen(transactions):
            self._land(lambda _session: (arrivals, ()))

    def _has_landed_as_seen(self, transactions: Sequence[Transaction]) -> bool:
        if not self._is_undisturbed:
            return False
        written = unless_lost(
            lambda: land_as_seen(self._database, self._cache, transactions, self._faucet.can_hold)
        )
        if written is None:
            self._is_undisturbed = False
            return False
        self._cache.snapshot, self.last = written
        return True

    def land_due(self) -> int:
        """Land what is due in the mempool, or drop it for ever if its validity ended first.

        Returns how many were taken off; fewer than ``DUE_MAX`` means that none was left.

        Raises:
            RetryableError: No answer.
        """
        return self._land(_take_due)

    def _land(self, take: _Take) -> int:
        for _ in range(TRIES_MAX):
            try:
                return retried(lambda: self._land_once(take))
            except _MissingWalletsError as missing:
                self._open_wallets(missing.wallets)
        raise RetryableError("the market's node is too busy")

    def _open_wallets(self, wallets: frozenset[tuple[str, str]]) -> None:
        addresses, tokens = {address for address, _ in wallets}, {token for _, token in wallets}
        retried(lambda: self._faucet.open_wallets(addresses, tokens))

    def _land_once(self, take: _Take) -> int:
        with self._database.transaction() as session:
            arrivals, taken = take(session)
            if not arrivals and not taken:
                return 0
            wallets = {
                (arrival.transaction.message.wallet, token)
                for arrival in arrivals
                for token in tokens_of(arrival.transaction)
                if self._faucet.can_hold(token)
            }
            row, before = self._lock_and_read(session, [each.transaction for each in arrivals], wallets)
            balances = {(address, token): units for address, token, units in row.balances or ()}
            missing = wallets - balances.keys()
            if missing:
                raise _MissingWalletsError(frozenset(missing))
            books = Books(before.pools, balances, self._cache.foreseen)
            records = _run(arrivals, row, books)
            after = write(session, NewBlock(before, books, records, taken))
        self._cache.snapshot, self.last = after, records
        return len(taken)

    def _lock_and_read(
        self,
        session: DatabaseSession,
        transactions: Sequence[Transaction],
        wallets: Collection[tuple[str, str]],
    ) -> tuple[Row, Snapshot]:
        before, asked_at = self._cache.snapshot, monotonic()
        pool_ids = pools_named(transactions)
        wanted = {
            "wallets": json.dumps(sorted(wallets)),
            "signatures": json.dumps([transaction.signature for transaction in transactions]),
            "versions": before.versions_json,
            "epoch": before.epoch,
        }
        _, (row,) = session.execute_all(locks(pool_ids, wallets), (_READ, wanted))
        changed = row.pools or ()
        self._is_undisturbed = pool_ids.isdisjoint(pool["pool_id"] for pool in changed)
        self._cache.block = RecentBlock(row.genesis, row.height, row.moment_ms, asked_at)
        return row, before.updated(changed)


def _take_due(session: DatabaseSession) -> tuple[Sequence[Arrival], Sequence[str]]:
    rows = session.execute(_TAKE_DUE, {"landing_lock": LANDING_LOCK, "due_max": DUE_MAX})
    # Bytes without a valid signature were not put there by a node, nor was a trade of no order: who may make
    # one lands it at once. They are taken off, or no node would get past them.
    arrivals = [
        Arrival(transaction, row.height, row.moment_ms)
        for row in rows
        if (transaction := verified(row.signature, bytes(row.payload))) is not None
        and transaction.message.instruction.order_id != NO_ORDER
    ]
    return arrivals, [row.signature for row in rows]


def _run(arrivals: Iterable[Arrival], row: Row, books: Books) -> list[Record]:
    """Execute what is new and still valid, in order."""
    known = set(row.known or ())
    records = []
    for arrival in arrivals:
        transaction = arrival.transaction
        height = row.height if arrival.height is None else arrival.height
        moment_ms = row.moment_ms if arrival.moment_ms is None else arrival.moment_ms
        is_valid = can_land(transaction.message, genesis=row.genesis, height=height)
        if is_valid and transaction.signature not in known:
            known.add(transaction.signature)
            records.append(Record(execute(transaction, books, moment_ms // 1000), height, moment_ms))
    return records
