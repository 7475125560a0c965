"""Landing: transactions become part of the ledger, in one database transaction for all of them.

Statements: lock, read, write. Pools, wallets and known signatures are read after the locks are
held, in a statement of its own, since a statement sees what was committed when it began.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, text

from chalicelib.adapters.market.execution import Books, Landed, execute
from chalicelib.adapters.market.locking import LANDING_LOCK, retried
from chalicelib.adapters.market.pool_cache import PoolCache, Snapshot
from chalicelib.adapters.market.pool_rows import rows_changed, scalars_of
from chalicelib.adapters.market.transactions import Transaction, can_land, verified
from chalicelib.adapters.market.wallets import Purse

DUE_MAX: Final = 64
"""Transactions landed in one go; bounds how long their pools stay locked."""

_TAKE_DUE: Final = text("""
    WITH landing AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(:landing_lock))
    SELECT signature, payload, market.height_at(lands_at) AS height,
           floor(extract(epoch FROM lands_at) * 1000)::bigint AS moment_ms
    FROM landing CROSS JOIN market.mempool
    WHERE lands_at <= market.now()
    ORDER BY lands_at, signature LIMIT :due_max FOR UPDATE OF mempool
""")

_LOCK: Final = text("""
    WITH landing AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(:landing_lock)),
    pool AS MATERIALIZED (
        SELECT pool_id FROM market.pools
        WHERE pool_id IN (SELECT jsonb_array_elements_text(CAST(:pool_ids AS jsonb)))
        ORDER BY pool_id FOR UPDATE
    ),
    wallet AS MATERIALIZED (
        SELECT address FROM market.wallets
        WHERE (address, token) IN (
            SELECT item ->> 0, item ->> 1 FROM jsonb_array_elements(CAST(:funds AS jsonb)) AS item)
        ORDER BY address, token FOR UPDATE
    )
    SELECT (SELECT count(*) FROM landing), (SELECT count(*) FROM pool), (SELECT count(*) FROM wallet)
""")

_READ: Final = text("""
    SELECT market.height_at(moment.now) AS height,
        floor(extract(epoch FROM moment.now) * 1000)::bigint AS moment_ms,
        extract(epoch FROM chain.genesis_at)::text AS genesis,
        (SELECT jsonb_agg(signature) FROM market.transactions
         WHERE signature IN (SELECT jsonb_array_elements_text(CAST(:signatures AS jsonb)))) AS known,
        (SELECT jsonb_agg(jsonb_build_array(address, token, balance)) FROM market.wallets
         WHERE (address, token) IN (
            SELECT item ->> 0, item ->> 1 FROM jsonb_array_elements(CAST(:funds AS jsonb)) AS item)) AS funds,
        (SELECT jsonb_agg(to_jsonb(changed))
         FROM market.changed_pools(CAST(:versions AS jsonb), :epoch) AS changed) AS pools
    FROM market.chain CROSS JOIN (SELECT market.now() AS now) AS moment
""")

_WRITE: Final = text("""
    WITH pool AS (
        UPDATE market.pools AS old SET state = new.state, version = new.version
        FROM jsonb_to_recordset(CAST(:pools AS jsonb)) AS new (pool_id text, state jsonb, version bigint)
        WHERE old.pool_id = new.pool_id
    ),
    bin AS (
        UPDATE market.bins AS old
        SET amount_x = new.amount_x, amount_y = new.amount_y, version = new.version
        FROM jsonb_to_recordset(CAST(:bins AS jsonb))
            AS new (pool_id text, bin_id integer, amount_x numeric, amount_y numeric, version bigint)
        WHERE (old.pool_id, old.bin_id) = (new.pool_id, new.bin_id)
    ),
    vault AS (
        UPDATE market.vaults AS old
        SET tradable = old.tradable + new.tradable, lp_fees = old.lp_fees + new.lp_fees,
            protocol_fees = old.protocol_fees + new.protocol_fees,
            fund_fees = old.fund_fees + new.fund_fees, creator_fees = old.creator_fees + new.creator_fees
        FROM jsonb_to_recordset(CAST(:vaults AS jsonb))
            AS new (pool_id text, token text, tradable numeric, lp_fees numeric,
                    protocol_fees numeric, fund_fees numeric, creator_fees numeric)
        WHERE (old.pool_id, old.token) = (new.pool_id, new.token)
    ),
    wallet AS (
        UPDATE market.wallets AS old SET balance = old.balance + new.units
        FROM jsonb_to_recordset(CAST(:wallets AS jsonb)) AS new (address text, token text, units numeric)
        WHERE (old.address, old.token) = (new.address, new.token)
    ),
    left_mempool AS (
        DELETE FROM market.mempool
        WHERE signature IN (SELECT jsonb_array_elements_text(CAST(:taken AS jsonb)))
    )
    INSERT INTO market.transactions
        (signature, slot, height, wallet, order_id, attempt, error, input_units, output_units, legs, landed_at)
    SELECT signature, height, height, wallet, order_id, attempt, error, input_units, output_units, legs,
           to_timestamp(moment_ms / 1000.0)
    FROM jsonb_to_recordset(CAST(:landed AS jsonb))
        AS new (signature text, height bigint, wallet text, order_id uuid, attempt integer, error text,
                input_units numeric, output_units numeric, legs jsonb, moment_ms bigint)
""")

_Take = Callable[[Connection], tuple[Sequence["Arrival"], Sequence[str]]]
"""Returns what arrives, and the signatures to take off the mempool."""

_BUCKETS: Final = ("tradable", "lp_fees", "protocol_fees", "fund_fees", "creator_fees")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A transaction that reaches the ledger; the block's height and time are those of now if absent."""

    transaction: Transaction
    height: int | None = None
    moment_ms: int | None = None


@dataclass(frozen=True, slots=True)
class _Block:
    """What a landing found and did, ready to be written."""

    before: Snapshot
    books: Books
    landed: Sequence[tuple[Landed, int, int]]  # with height and moment


class Landing:
    """The ledger's only writer."""

    def __init__(self, engine: Engine, cache: PoolCache, purse: Purse) -> None:
        self._engine = engine
        self._cache = cache
        self._purse = purse

    def land_now(self, transactions: Sequence[Transaction]) -> None:
        """Land transactions in the order given, unless they are known already or can no longer land.

        Raises:
            RetryableError: No answer; they may have landed all the same.
        """
        arrivals = [Arrival(transaction) for transaction in transactions]
        if arrivals:
            retried(lambda: self._in_one_transaction(lambda _connection: (arrivals, ())))

    def land_due(self) -> int:
        """Land what is due in the mempool, or drop it for ever if its validity ended first.

        Returns how many were taken off; fewer than ``DUE_MAX`` means that none was left.

        Raises:
            RetryableError: No answer.
        """
        return retried(lambda: self._in_one_transaction(_take_due))

    def _in_one_transaction(self, take: _Take) -> int:
        """Take arrivals and land them; once more if a wallet had to be opened first."""
        for _ in range(2):
            with self._engine.begin() as connection:
                arrivals, taken = take(connection)
                if not arrivals and not taken:
                    return 0
                row, snapshot = self._lock_and_read(connection, arrivals)
                funds = {(address, token): units for address, token, units in row.funds or ()}
                missing = _funds(arrivals) - funds.keys()
                if not missing:
                    block = _run(arrivals, row, snapshot, funds)
                    after = _write(connection, block, taken)
                else:
                    connection.rollback()
            if not missing:
                self._cache.snapshot = after
                return len(taken)
            self._purse.open_wallets({address for address, _ in missing})
        raise AssertionError("a wallet that was opened is there")

    def _lock_and_read(
        self, connection: Connection, arrivals: Sequence[Arrival]
    ) -> tuple[Row[Any], Snapshot]:
        before = self._cache.snapshot
        funds = json.dumps(sorted(_funds(arrivals)))
        instructions = [arrival.transaction.message.instruction for arrival in arrivals]
        pool_ids = {
            leg.pool_id for each in instructions for path in each.paths for hop in path.hops for leg in hop
        }
        connection.execute(
            _LOCK,
            {"landing_lock": LANDING_LOCK, "pool_ids": json.dumps(sorted(pool_ids)), "funds": funds},
        )
        row = connection.execute(
            _READ,
            {
                "signatures": json.dumps([arrival.transaction.signature for arrival in arrivals]),
                "funds": funds,
                "versions": before.versions_json,
                "epoch": before.epoch,
            },
        ).one()
        return row, before.updated(row.pools or ())


def _take_due(connection: Connection) -> tuple[Sequence[Arrival], Sequence[str]]:
    rows = connection.execute(_TAKE_DUE, {"landing_lock": LANDING_LOCK, "due_max": DUE_MAX}).all()
    arrivals = []
    for row in rows:
        transaction = verified(row.signature, bytes(row.payload))
        assert transaction is not None, "the mempool holds only what was verified on its way in"
        arrivals.append(Arrival(transaction, row.height, row.moment_ms))
    return arrivals, [row.signature for row in rows]


def _funds(arrivals: Iterable[Arrival]) -> set[tuple[str, str]]:
    messages = [arrival.transaction.message for arrival in arrivals]
    return {
        (message.wallet, token)
        for message in messages
        for token in (message.instruction.input_token, message.instruction.output_token)
    }


def _run(
    arrivals: Sequence[Arrival], row: Row[Any], snapshot: Snapshot, funds: dict[tuple[str, str], int]
) -> _Block:
    books = Books(dict(snapshot.pools), funds)
    known = set(row.known or ())
    landed = []
    for arrival in arrivals:
        transaction = arrival.transaction
        height = row.height if arrival.height is None else arrival.height
        moment_ms = row.moment_ms if arrival.moment_ms is None else arrival.moment_ms
        if transaction.signature in known:
            continue
        if can_land(transaction.message, genesis=row.genesis, height=height):
            known.add(transaction.signature)
            landed.append((execute(transaction, books, moment_ms // 1000), height, moment_ms))
    return _Block(snapshot, books, landed)


def _write(connection: Connection, block: _Block, taken: Sequence[str]) -> Snapshot:
    """Write what changed, and return the snapshot that is true once this commits."""
    if not block.landed and not taken:
        return block.before
    before, books = block.before.pools, block.books
    moved = {
        pool_id: replace(pool, version=pool.version + 1)
        for pool_id, pool in books.pools.items()
        if pool is not before[pool_id]
    }
    connection.execute(
        _WRITE,
        {
            "pools": json.dumps(
                [
                    {"pool_id": pool.pool_id, "state": scalars_of(pool.state), "version": pool.version}
                    for pool in moved.values()
                ]
            ),
            "bins": json.dumps(
                [
                    {"pool_id": pool_id, "version": pool.version, **changed._asdict()}
                    for pool_id, pool in moved.items()
                    for changed in rows_changed(before[pool_id].state, pool.state)
                ]
            ),
            "vaults": json.dumps(_vault_rows(books)),
            "wallets": json.dumps(
                [
                    {"address": address, "token": token, "units": units}
                    for (address, token), units in books.wallet_moves.items()
                ]
            ),
            "taken": json.dumps(taken),
            "landed": json.dumps([_transaction_row(*entry) for entry in block.landed]),
        },
    )
    return replace(block.before, pools={**before, **moved})


def _vault_rows(books: Books) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for (pool_id, token, bucket), units in books.vault_moves.items():
        row = rows.setdefault(
            (pool_id, token), {"pool_id": pool_id, "token": token, **dict.fromkeys(_BUCKETS, 0)}
        )
        row[bucket] += units
    return list(rows.values())


def _transaction_row(landed: Landed, height: int, moment_ms: int) -> dict[str, Any]:
    message = landed.transaction.message
    order_id = message.instruction.order_id
    return {
        "signature": landed.transaction.signature,
        "height": height,
        "wallet": message.wallet,
        # The nil id says that nobody ordered it: a market maker's own trade.
        "order_id": None if order_id == UUID(int=0) else str(order_id),
        "attempt": message.instruction.attempt,
        "error": landed.error,
        "input_units": landed.input_units,
        "output_units": landed.output_units,
        "legs": [asdict(leg) for leg in landed.legs],
        "moment_ms": moment_ms,
    }
