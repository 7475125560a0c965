"""Writing a block's worth of landed transactions: one statement, only what changed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from chalicelib.adapters.postgres.rows import json_rows
from chalicelib.adapters.postgres.statements import DatabaseSession, Statement
from chalicelib.adapters.simulated_market.legs import rows_of
from chalicelib.adapters.simulated_market.pool_cache import Snapshot
from chalicelib.adapters.simulated_market.pool_rows import MarketPool, rows_changed, scalars_of
from chalicelib.adapters.simulated_market.swap_execution import Books, Landed
from chalicelib.values import value

# The limit is for the planner, which expects a hundred rows of a function, and
# would read all bins rather than look up so many.
_WRITE: Final = Statement("""
    WITH pool AS (
        UPDATE market.pools AS old SET state = new.state, version = new.version
        FROM jsonb_to_recordset(CAST(:pools AS jsonb)) AS new (pool_id text, state jsonb, version bigint)
        WHERE old.pool_id = new.pool_id
    ),
    bin AS (
        UPDATE market.bins AS old
        SET amount_x = new.amount_x, amount_y = new.amount_y, version = new.version
        FROM (
            SELECT * FROM jsonb_to_recordset(CAST(:bins AS jsonb))
                AS row (pool_id text, bin_id integer, amount_x numeric, amount_y numeric, version bigint)
            LIMIT jsonb_array_length(CAST(:bins AS jsonb))
        ) AS new
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
        (signature, slot, height, wallet, order_id, attempt, error, input_units, output_units,
         legs, landed_at)
    SELECT signature, height, height, wallet, order_id, attempt, error, input_units, output_units, legs,
           to_timestamp(moment_ms / 1000.0)
    FROM jsonb_to_recordset(CAST(:landed AS jsonb))
        AS new (signature text, height bigint, wallet text, order_id uuid, attempt integer, error text,
                input_units numeric, output_units numeric, legs jsonb, moment_ms bigint)
""")

_BUCKETS: Final = ("tradable", "lp_fees", "protocol_fees", "fund_fees", "creator_fees")
NO_ORDER: Final = UUID(int=0)
"""The order of a trade that is of none."""


@value
class Record:
    """A transaction that landed, and where in time."""

    landed: Landed
    height: int
    moment_ms: int


@value
class NewBlock:
    """What a landing found and did.

    Attributes:
        taken: Signatures that leave the mempool, landed or not.
    """

    before: Snapshot
    books: Books
    records: Sequence[Record]
    taken: Sequence[str]

    def moved_pools(self) -> Mapping[str, MarketPool]:
        """Return the pools that were traded with, one version on."""
        before = self.before.pools
        return {
            pool_id: replace(pool, version=pool.version + 1)
            for pool_id, pool in self.books.pools.items()
            if pool is not before[pool_id]
        }


def write(session: DatabaseSession, block: NewBlock) -> Snapshot:
    """Write a block and commit, and return the snapshot of the pools that is true from now on."""
    if not block.records and not block.taken:
        return block.before
    moved = block.moved_pools()
    rows: dict[str, Sequence[dict[str, Any] | str]] = {
        "pools": [
            {"pool_id": pool.pool_id, "state": scalars_of(pool.state), "version": pool.version}
            for pool in moved.values()
        ],
        "bins": [
            {"pool_id": pool_id, "version": pool.version, **changed._asdict()}
            for pool_id, pool in moved.items()
            for changed in rows_changed(block.before.pools[pool_id].state, pool.state)
        ],
        "vaults": _vault_rows(block.books),
        "wallets": [
            {"address": address, "token": token, "units": units}
            for (address, token), units in block.books.wallet_moves.items()
        ],
        "taken": list(block.taken),
        "landed": [_transaction_row(record) for record in block.records],
    }
    session.finish((_WRITE, {name: json_rows(found) for name, found in rows.items()}))
    return replace(block.before, pools={**block.before.pools, **moved})


def _vault_rows(books: Books) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for (pool_id, token, bucket), units in books.vault_moves.items():
        blank = {"pool_id": pool_id, "token": token, **dict.fromkeys(_BUCKETS, 0)}
        rows.setdefault((pool_id, token), blank)[bucket] += units
    return list(rows.values())


def _transaction_row(record: Record) -> dict[str, Any]:
    landed = record.landed
    message = landed.transaction.message
    order_id = message.instruction.order_id
    return {
        "signature": landed.transaction.signature,
        "height": record.height,
        "wallet": message.wallet,
        # The nil id says that no order asked for it: a market maker's own trade.
        "order_id": None if order_id == NO_ORDER else order_id,
        "attempt": message.instruction.attempt,
        "error": landed.error,
        "input_units": landed.input_units,
        "output_units": landed.output_units,
        "legs": rows_of(landed.legs),
        "moment_ms": record.moment_ms,
    }
