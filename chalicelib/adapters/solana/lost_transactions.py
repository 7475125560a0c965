"""The port ``LostTransactions`` on Solana: our transactions since a moment, by the marks that they bear.

A wallet's history is read once and kept while the process lives. That is enough: what the consumers of before
signed has landed by then or never will, which who set the record back has seen to, or ``doubted_record``; and
what has been signed since is on record.
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from chalicelib.adapters import base58
from chalicelib.adapters.solana.chain_view import SLOTS_TRIED, ChainReader
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.marks import Mark, marks_of, told_marks
from chalicelib.adapters.solana.message_reader import ReadTransaction, read_transaction
from chalicelib.adapters.solana.programs import MEMO
from chalicelib.adapters.solana.rpc_answers import (
    MentionedIn,
    first_available_block,
    signatures_of,
    transaction,
)
from chalicelib.adapters.solana.rpc_batches import CALLS_MAX
from chalicelib.adapters.solana.rpc_calls import (
    get_block,
    get_first_available_block,
    get_signatures_for_address,
    get_transaction,
)
from chalicelib.adapters.solana.rpc_errors import (
    NO_BLOCK,
    MalformedResultError,
    NodeError,
    RpcError,
    not_answered,
)
from chalicelib.adapters.solana.rpc_nodes import Ask, RpcNodes
from chalicelib.adapters.solana.signing import verifies
from chalicelib.adapters.solana.swap_message import mark_of
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.domain.errors import RefusedError, RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.transactions import (
    VALIDITY_BLOCKS,
    LostTransaction,
    SignatureStatus,
    SignedTransaction,
)
from chalicelib.logs import logger

BEFORE_S: Final = 600
"""How far before the moment it is looked, too: clocks differ, and what was signed before it landed later."""

Marked = dict[UUID, dict[str, int]]
"""Signatures of what landed, with the attempt that each one is, by order."""


@dataclass(slots=True)
class _Pages:
    """What the node at a place has told of a wallet so far: a long history takes more than one invocation."""

    place: int
    marks: list[tuple[str, Mark]] = field(default_factory=list)
    before: str | None = None


class SolanaLostTransactions:
    """Finds what landed for an order since a moment of the record.

    Args:
        wallet_of: Returns an account's wallet; raises ``RefusedError`` if it has none.
        restored_to: The moment that the record was set back to.
    """

    def __init__(
        self,
        nodes: RpcNodes,
        reader: ChainReader,
        wallet_of: Callable[[str], TradingWallet],
        *,
        restored_to: datetime,
        time_limit_s: float,
    ) -> None:
        self._nodes, self._reader, self._wallet_of = nodes, reader, wallet_of
        self._restored_to_s = int(restored_to.timestamp())
        self._time_limit_s = time_limit_s
        self._begun: dict[tuple[Pubkey, int], _Pages] = {}
        self._known: dict[Pubkey, Marked] = {}

    def of(self, orders: Sequence[Order]) -> Mapping[UUID, LostTransaction]:
        try:
            return dict(self._found(orders))
        except NodeError as error:
            raise not_answered(error) from error

    def _found(self, orders: Sequence[Order]) -> Iterator[tuple[UUID, LostTransaction]]:
        for order in orders:
            try:
                authority = self._wallet_of(order.account_id).authority
            except RefusedError:
                continue  # what has no wallet has sent nothing
            marked = self._marked(authority).get(order.order_id, {})
            for signature, attempt in list(marked.items()):
                lost = self._lost(order, authority, signature, attempt)
                if lost is None:
                    del marked[signature]
                    continue
                # Of several, one is as good as another: that there are, the audit tells.
                yield order.order_id, lost
                break

    def _lost(self, order: Order, authority: Pubkey, signature: str, attempt: int) -> LostTransaction | None:
        """Return a transaction that is said to bear an order's mark; None if it is none of the wallet's, or
        bears another mark.

        Strangers can write a mark into a transaction that names our wallet, and a node may tell of one that
        is not there: the bytes and their signature prove whose it is.
        """
        asked = get_transaction(signature, encoding="base64")

        def read(ask: Ask, _place: int) -> tuple[bytes, ReadTransaction]:
            return _bytes_of(ask(asked), signature)

        wire, sent = self._nodes.converse(read, time_limit_s=self._time_limit_s)
        if not _is_attempt(sent, authority, mark_of(order.order_id, attempt)):
            logger.warning("mark of another", order_id=str(order.order_id), tx_signature=signature)
            return None
        view = self._reader.view([signature])
        status = view.statuses[signature]
        if status.signature_status is not SignatureStatus.LANDED:
            raise RetryableError("a transaction that landed for the order is not shown now")
        logger.warning("lost transaction found", order_id=str(order.order_id), tx_signature=signature)
        # Past this height nothing is built anew: by then it is on record as landed.
        transaction = SignedTransaction(signature, wire, view.height + VALIDITY_BLOCKS)
        return LostTransaction(transaction, attempt, status)

    def _marked(self, authority: Pubkey) -> Marked:
        """Return what landed of a wallet, as told by any of so many nodes as have to agree elsewhere."""
        known = self._known.get(authority)
        if known is None:
            read: list[_Pages] = []
            for _ in range(self._reader.witnesses):
                pages = self._nodes.converse(
                    lambda ask, place: self._history(ask, place, authority),
                    time_limit_s=self._time_limit_s,
                    without=[each.place for each in read],
                )
                read.append(pages)
            known = {}
            for signature, mark in (one for pages in read for one in pages.marks):
                known.setdefault(mark.order_id, {})[signature] = mark.attempt
            self._known[authority] = known
        return known

    def _history(self, ask: Ask, place: int, authority: Pubkey) -> "_Pages":
        """Read what landed since, by one node that remembers so long: on from where an earlier look ended."""
        pages = self._begun.setdefault((authority, place), _Pages(place))
        while page := _page(ask, authority, pages.before):
            # Bit by bit: where strangers sent much there, the next look goes on from where this one ends.
            for start in range(0, len(page), CALLS_MAX):
                some = page[start : start + CALLS_MAX]
                pages.marks += _marks(ask, [one for one in some if one.fault is None])
                pages.before = some[-1].signature
            oldest_s = page[-1].unix_time
            if oldest_s is not None and oldest_s < self._restored_to_s - BEFORE_S:
                return pages
        self._check_remembers(ask)
        return pages

    def _check_remembers(self, ask: Ask) -> None:
        """Raise ``NodeError`` if a node's ledger may begin after the moment."""
        first = first_available_block(ask(get_first_available_block()))
        if first == 0:
            return
        times = (_unix_time_at(ask, slot) for slot in range(first, first + SLOTS_TRIED))
        began_s = next((one for one in times if one is not None), None)
        if began_s is None or began_s > self._restored_to_s:
            raise NodeError("the node's ledger begins after the moment that the record was set back to")


def _page(ask: Ask, authority: Pubkey, before: str | None) -> Sequence[MentionedIn]:
    return signatures_of(ask(get_signatures_for_address(authority, before)), before)


def _unix_time_at(ask: Ask, slot: int) -> int | None:
    try:
        block = ask(get_block(slot))
    except RpcError as error:
        if error.code in NO_BLOCK:
            return None
        raise
    unix_time = block.get("blockTime") if isinstance(block, dict) else None
    return unix_time if isinstance(unix_time, int) else None


def _marks(ask: Ask, landed: Sequence[MentionedIn]) -> list[tuple[str, Mark]]:
    told = {one.signature: told_marks(one.memo) for one in landed}
    # A node that tells no memos has them in the transaction.
    untold = [one.signature for one in landed if one.memo is None]
    results = ask.all([get_transaction(signature) for signature in untold])
    told |= {name: marks_of(transaction(result)) for name, result in zip(untold, results, strict=True)}
    return [(signature, mark) for signature, marks in told.items() for mark in marks]


def _bytes_of(result: Any, signature: str) -> tuple[bytes, ReadTransaction]:
    """Return a transaction's bytes, which who pays for it signed under this signature, and what they say.

    Raises ``NodeError`` if the node shows something else.
    """
    try:
        wire = base64.b64decode(result["transaction"][0], validate=True)
        read = read_transaction(wire)
    except (TypeError, ValueError, LookupError) as e:
        raise MalformedResultError("a transaction without its bytes") from e
    is_its = base58.encode(read.signatures[0]) == signature
    if not is_its or not verifies(read.message.signers[0], read.raw_message, read.signatures[0]):
        raise MalformedResultError("the bytes of another transaction")
    return wire, read


def _is_attempt(sent: ReadTransaction, authority: Pubkey, mark: str) -> bool:
    memos = [one.data for one in sent.message.instructions or () if one.program == MEMO]
    return sent.message.signers[0] == authority and memos == [mark.encode()]
