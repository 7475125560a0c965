"""Landing in one round trip, where the ledger stands as this process saw it last.

Transactions are carried out before any lock is held: on the pools as they were seen, at the second that it
should be by now, for wallets that hold enough. The statement that writes the block comes after the one that
takes the locks of every landing, and finds out whether all of that is so: epoch, versions, second, validity,
balances. If not, it writes nothing, and the block is made on what is read under the locks. So the same
transactions make the same block, whichever way it comes about.
"""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

from chalicelib.adapters.postgres.statements import Database
from chalicelib.adapters.simulated_market.ledger import AsSeen, Record, write_as_seen
from chalicelib.adapters.simulated_market.locking import locks
from chalicelib.adapters.simulated_market.pool_cache import PoolCache, RecentBlock, Snapshot
from chalicelib.adapters.simulated_market.swap_execution import Books, Landed, execute
from chalicelib.adapters.simulated_market.transactions import (
    VALIDITY_BLOCKS,
    Message,
    Transaction,
    blockhash,
)

_SEEN_FOR_S: Final = 1.0
"""Pools seen longer ago have probably moved, if there is another trader at all."""

_ENOUGH: Final = 1 << 128
"""More than a wallet can hold: what it really must hold is found on the way, and asked of the ledger."""


def land_as_seen(
    database: Database,
    cache: PoolCache,
    transactions: Sequence[Transaction],
    can_hold: Callable[[str], bool],
) -> tuple[Snapshot, list[Record]] | None:
    """Land transactions in the order given, all of them, or none.

    Returns the snapshot that is true from now on, and what landed; None if nothing did.

    Raises:
        DBAPIError: The ledger refused it, as it does a signature that has landed before, or it is not known
            whether the block was written.
    """
    before, block = cache.snapshot, cache.block
    pool_ids = pools_named(transactions)
    wallets = {(each.message.wallet, token) for each in transactions for token in tokens_of(each)}
    if block is None or not before.pools.keys() >= pool_ids:
        return None
    if not all(can_hold(token) for _, token in wallets):
        return None
    if not all(_is_of(block, each.message) for each in transactions):
        return None
    elapsed_s = monotonic() - block.asked_at
    if elapsed_s > _SEEN_FOR_S:
        return None
    now_s = (block.moment_ms + int(elapsed_s * 1000)) // 1000
    books = Books(before.pools, dict.fromkeys(wallets, _ENOUGH), cache.foreseen)
    needed = dict.fromkeys(wallets, 0)
    landed = [_executed(each, books, now_s, needed) for each in transactions]
    valid_until = [each.message.last_valid_height for each in transactions]
    seen = AsSeen(
        before=before,
        genesis=block.genesis,
        heights=(max(valid_until) - VALIDITY_BLOCKS, min(valid_until)),
        now_s=now_s,
        pools=[before.pools[pool_id] for pool_id in pool_ids],
        needed=needed,
    )
    with database.transaction() as session:
        return write_as_seen(session, locks(pool_ids, wallets), seen, books, landed)


def pools_named(transactions: Sequence[Transaction]) -> set[str]:
    """Return the ids of the pools that transactions trade with, or would."""
    paths = [path for each in transactions for path in each.message.instruction.paths]
    return {leg.pool_id for path in paths for hop in path.hops for leg in hop}


def tokens_of(transaction: Transaction) -> tuple[str, str]:
    """Return what a transaction gives and gets."""
    instruction = transaction.message.instruction
    return instruction.input_token, instruction.output_token


def _is_of(block: RecentBlock, message: Message) -> bool:
    signed_at = message.last_valid_height - VALIDITY_BLOCKS
    return message.blockhash == blockhash(block.genesis, signed_at)


def _executed(
    transaction: Transaction, books: Books, now_s: int, needed: dict[tuple[str, str], int]
) -> Landed:
    """Carry a transaction out, and note what its wallet must have held before the first of them."""
    landed = execute(transaction, books, now_s)
    spending = transaction.message.wallet, transaction.message.instruction.input_token
    needed[spending] = max(needed[spending], _ENOUGH - books.balances[spending])
    return landed
