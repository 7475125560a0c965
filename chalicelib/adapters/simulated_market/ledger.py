"""Writing a block's worth of landed transactions: one statement, only what changed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_json

from chalicelib.adapters.postgres.arrays import Columns
from chalicelib.adapters.postgres.rows import json_rows
from chalicelib.adapters.postgres.statements import Asked, DatabaseSession, Statement
from chalicelib.adapters.simulated_market.legs import rows_of
from chalicelib.adapters.simulated_market.pool_cache import Snapshot
from chalicelib.adapters.simulated_market.pool_rows import MarketPool, rows_changed, scalars_of
from chalicelib.adapters.simulated_market.swap_execution import BUCKETS, Books, Landed
from chalicelib.values import value

_POOLS: Final = Columns(
    "pools", {"pool_id": "text", "version": "bigint", "state": "jsonb"}, rendered=["state"]
)
_BINS: Final = Columns(
    "bins",
    {
        "pool_id": "text",
        "version": "bigint",
        "bin_id": "int",
        "amount_x": "numeric",
        "amount_y": "numeric",
    },
)
_VAULTS: Final = Columns("vaults", {"pool_id": "text", "token": "text"} | dict.fromkeys(BUCKETS, "numeric"))
_WALLETS: Final = Columns("wallets", {"address": "text", "token": "text", "units": "numeric"})
_LANDED: Final = Columns(
    "landed",
    {
        "signature": "text",
        "wallet": "text",
        "order_id": "uuid",
        "attempt": "int",
        "error": "text",
        "input_units": "numeric",
        "output_units": "numeric",
        "height": "bigint",
        "moment_ms": "bigint",
        "legs": "jsonb",
    },
    rendered=["legs"],
)
_SEEN: Final = Columns("seen", {"pool_id": "text", "version": "bigint"})
_HELD: Final = Columns("held", {"address": "text", "token": "text", "needed": "numeric"})

_MOVES: Final = f"""
    pool AS (
        UPDATE market.pools AS old SET state = new.state, version = new.version
        FROM {_POOLS.rows()} AS new
        WHERE old.pool_id = new.pool_id {{condition}}
    ),
    bin AS (
        UPDATE market.bins AS old
        SET amount_x = new.amount_x, amount_y = new.amount_y, version = new.version
        FROM {_BINS.rows(are_few=True)} AS new
        WHERE (old.pool_id, old.bin_id) = (new.pool_id, new.bin_id) {{condition}}
    ),
    vault AS (
        UPDATE market.vaults AS old
        SET tradable = old.tradable + new.tradable, lp_fees = old.lp_fees + new.lp_fees,
            protocol_fees = old.protocol_fees + new.protocol_fees,
            fund_fees = old.fund_fees + new.fund_fees, creator_fees = old.creator_fees + new.creator_fees
        FROM {_VAULTS.rows()} AS new
        WHERE (old.pool_id, old.token) = (new.pool_id, new.token) {{condition}}
    ),
    wallet AS (
        UPDATE market.wallets AS old SET balance = old.balance + new.units
        FROM {_WALLETS.rows()} AS new
        WHERE (old.address, old.token) = (new.address, new.token) {{condition}}
    )"""
_INTO_LEDGER: Final = f"""
    INSERT INTO market.transactions
        (signature, slot, height, wallet, order_id, attempt, error, input_units, output_units,
         legs, landed_at)
    SELECT signature, {{place}}.height, {{place}}.height, wallet, order_id, attempt, error,
           input_units, output_units, legs, to_timestamp({{place}}.moment_ms / 1000.0)
    FROM {_LANDED.rows()} AS new"""

_WRITE: Final = Statement(f"""
    WITH {_MOVES.format(condition="")},
    left_mempool AS (
        DELETE FROM market.mempool
        WHERE signature IN (SELECT jsonb_array_elements_text(CAST(:taken AS jsonb)))
    )
    {_INTO_LEDGER.format(place="new")}
""")

# One statement, begun after the locks were taken: the conditions and what is written are of one moment, and
# nothing that they are about can move meanwhile. The clock is read once for all of it.
_WRITE_AS_SEEN: Final = Statement(f"""
    WITH moment AS MATERIALIZED (
        SELECT market.height_at(now) AS height, floor(extract(epoch FROM now) * 1000)::bigint AS moment_ms
        FROM (SELECT market.now() AS now) AS clock
    ),
    block AS MATERIALIZED (
        SELECT height, moment_ms FROM moment CROSS JOIN market.chain
        WHERE chain.epoch = :epoch AND extract(epoch FROM chain.genesis_at)::text = :genesis
            AND height BETWEEN :first_height AND :last_height AND moment_ms / 1000 = :now_s
            AND {_SEEN.number} = (
                SELECT count(*) FROM {_SEEN.rows()} AS seen JOIN market.pools USING (pool_id, version))
            AND {_HELD.number} = (
                SELECT count(*) FROM {_HELD.rows()} AS held
                    JOIN market.wallets USING (address, token) WHERE balance >= needed)
    ),
    {_MOVES.format(condition="AND EXISTS (SELECT FROM block)")},
    landed AS ({_INTO_LEDGER.format(place="block")} CROSS JOIN block)
    SELECT height, moment_ms FROM block
""")

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


@value
class AsSeen:
    """What a block hangs on that was made before its locks were held.

    Attributes:
        heights: Between which all of its transactions are valid.
        now_s: The second of its moment.
        pools: All that its transactions name, moved or not.
        needed: What each wallet must hold, by (address, token), for each transaction to have what it spends.
    """

    before: Snapshot
    genesis: str
    heights: tuple[int, int]
    now_s: int
    pools: Sequence[MarketPool]
    needed: Mapping[tuple[str, str], int]


def write(session: DatabaseSession, block: NewBlock) -> Snapshot:
    """Write a block and commit, and return the snapshot of the pools that is true from now on."""
    if not block.records and not block.taken:
        return block.before
    moved = _moved_pools(block.before, block.books)
    landed = _landed([(each.landed, each.height, each.moment_ms) for each in block.records])
    rows = _moves(block.before, block.books, moved) | landed | {"taken": json_rows(list(block.taken))}
    session.finish((_WRITE, rows))
    return replace(block.before, pools={**block.before.pools, **moved})


def write_as_seen(
    session: DatabaseSession, locks: Asked, seen: AsSeen, books: Books, landed: Sequence[Landed]
) -> tuple[Snapshot, list[Record]] | None:
    """Take the locks, write a block and commit, in one round trip, if all is as it was seen.

    Returns the snapshot that is true from now on, and what landed; None if nothing was written.
    """
    moved = _moved_pools(seen.before, books)
    rows = (
        _moves(seen.before, books, moved)
        | _landed([(each, None, None) for each in landed])
        | _SEEN.parameters([(pool.pool_id, pool.version) for pool in seen.pools])
        | _HELD.parameters([(*wallet, units) for wallet, units in seen.needed.items()])
        | {
            "epoch": seen.before.epoch,
            "genesis": seen.genesis,
            "first_height": seen.heights[0],
            "last_height": seen.heights[1],
            "now_s": seen.now_s,
        }
    )
    _, found = session.finish(locks, (_WRITE_AS_SEEN, rows))
    if not found:
        return None
    (block,) = found
    records = [Record(each, block.height, block.moment_ms) for each in landed]
    return replace(seen.before, pools={**seen.before.pools, **moved}), records


def _moved_pools(before: Snapshot, books: Books) -> Mapping[str, MarketPool]:
    """Return the pools that were traded with, one version on."""
    moved = {}
    for pool_id, state in books.states.items():
        pool = before.pools[pool_id]
        moved[pool_id] = MarketPool(pool_id, pool.venue, pool.tokens, state, pool.version + 1)
    return moved


def _moves(before: Snapshot, books: Books, moved: Mapping[str, MarketPool]) -> dict[str, Any]:
    bins = [
        (pool_id, pool.version, bin_.bin_id, bin_.amount_x, bin_.amount_y)
        for pool_id, pool in moved.items()
        for bin_ in rows_changed(before.pools[pool_id].state, pool.state)
    ]
    states = [to_json(scalars_of(pool.state)).decode() for pool in moved.values()]
    return (
        _POOLS.parameters([(pool.pool_id, pool.version) for pool in moved.values()], state=states)
        | _BINS.parameters(bins)
        | _VAULTS.parameters([(*vault, *units) for vault, units in books.vault_moves.items()])
        | _WALLETS.parameters([(*wallet, units) for wallet, units in books.wallet_moves.items()])
    )


def _landed(transactions: Sequence[tuple[Landed, int | None, int | None]]) -> dict[str, str]:
    """Return what is written of transactions; those without height and moment get the statement's."""
    return _LANDED.parameters(
        [(*_values_of(landed), height, moment_ms) for landed, height, moment_ms in transactions],
        legs=[to_json(rows_of(landed.legs)).decode() for landed, _, _ in transactions],
    )


def _values_of(landed: Landed) -> tuple[Any, ...]:
    message = landed.transaction.message
    order_id = message.instruction.order_id
    return (
        landed.transaction.signature,
        message.wallet,
        # The nil id says that no order asked for it: a market maker's own trade.
        None if order_id == NO_ORDER else order_id,
        message.instruction.attempt,
        landed.error,
        landed.input_units,
        landed.output_units,
    )
