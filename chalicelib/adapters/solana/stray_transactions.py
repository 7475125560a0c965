"""Transactions of our wallets that bear our mark, and that nothing on record explains.

A wallet's history is asked for page by page, and most of what landed is an attempt on record. What an
archived order shows is looked up by the order's id, which the node tells with the mark: signatures of orders
have no index, which each order would have to keep up. What confirmed orders that are forgotten by now stands
in their archives. Only what is left then is fetched.
"""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, text

from chalicelib.adapters.solana.keys import Pubkey, address_of
from chalicelib.adapters.solana.marks import Mark, marks_of, told_marks
from chalicelib.adapters.solana.record_comparison import Difference, Rule
from chalicelib.adapters.solana.rpc_answers import signatures_of, transaction
from chalicelib.adapters.solana.rpc_calls import RpcCall, get_signatures_for_address, get_transaction
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.services.archive.ports import ArchiveStore
from chalicelib.wire.archived_orders import lines_of, order_of

_ATTEMPTED: Final = text("""
    SELECT signature FROM attempts
    WHERE md5(signature)::uuid IN (SELECT md5(asked)::uuid FROM unnest(CAST(:signatures AS text[])) AS asked)
        AND signature = ANY(CAST(:signatures AS text[]))
""")
_ARCHIVED: Final = text("""
    SELECT o.tx_signature
    FROM unnest(CAST(:ids AS uuid[]), CAST(:signatures AS text[])) AS asked (order_id, signature)
    JOIN orders o ON o.order_id = asked.order_id AND o.tx_signature = asked.signature
    WHERE o.archive_id IS NOT NULL
""")
_FORGOTTEN: Final = text(
    "SELECT place, sha256 FROM archives WHERE forgotten_at IS NOT NULL ORDER BY archive_id DESC"
)


class StrayTransactions:
    """Looks for them, one wallet after the other.

    Args:
        ask: Asks nodes, and raises ``NodeError`` if none answers.
        archives: Where they are, if they can be read.
    """

    def __init__(self, ask: Callable[[RpcCall], Any], archives: ArchiveStore | None) -> None:
        self._ask = ask
        self._archives = archives

    def of(self, connection: Connection, wallet: Pubkey, up_to_slot: int) -> Iterator[Difference]:
        """Yield what a wallet sent with a mark of ours and without a row of ours."""
        suspects: dict[str, None] = {}
        fault: NodeError | None = None
        try:
            for unknown in self._unknown(connection, wallet, up_to_slot):
                suspects.update(dict.fromkeys(unknown))
        except NodeError as error:
            fault = error
        self._clear_forgotten(connection, suspects)
        try:
            for signature in suspects:
                if self._is_stray(connection, signature):
                    yield Difference(Rule.ON_RECORD, signature, "it landed, and no attempt has it")
        except NodeError as error:
            fault = error
        if fault is not None:
            problem = f"no node told what it sent: {fault}"
            yield Difference(Rule.ON_RECORD, address_of(wallet), problem, is_unknown=True)

    def _unknown(self, connection: Connection, wallet: Pubkey, up_to_slot: int) -> Iterator[list[str]]:
        """Yield, page by page, what landed and is of no order on record, as far as nodes tell its mark."""
        before: str | None = None
        while page := signatures_of(self._ask(get_signatures_for_address(wallet, before)), before):
            landed = {one.signature: one for one in page if one.fault is None and one.slot <= up_to_slot}
            attempted = set(connection.execute(_ATTEMPTED, {"signatures": [*landed]}).scalars())
            rest = {name: one for name, one in landed.items() if name not in attempted}
            marked = {name: told_marks(one.memo) for name, one in rest.items()}
            archived = _archived(connection, marked)
            yield [signature for signature in rest if signature not in archived]
            before = page[-1].signature

    def _clear_forgotten(self, connection: Connection, suspects: dict[str, None]) -> None:
        """Take out what an archive of forgotten orders explains.

        Archives that are missing or changed explain nothing: the audit's rule about archives tells of them.
        """
        if self._archives is None or not suspects:
            return
        for row in connection.execute(_FORGOTTEN).all():
            content = self._archives.get(row.place)
            if content is None or sha256(content).digest() != bytes(row.sha256):
                continue
            for line in lines_of(content):
                suspects.pop(order_of(line).order["tx_signature"], None)
            if not suspects:
                return

    def _is_stray(self, connection: Connection, signature: str) -> bool:
        marks = marks_of(transaction(self._ask(get_transaction(signature))))
        # A node that tells no memos has its archived orders found here.
        return bool(marks) and not _archived(connection, {signature: marks})


def _archived(connection: Connection, marked: Mapping[str, list[Mark]]) -> frozenset[str]:
    """Return the signatures that archived orders show; by each one, what its marks name."""
    asked = [(str(mark.order_id), signature) for signature, marks in marked.items() for mark in marks]
    if not asked:
        return frozenset()
    parameters = {"ids": [id_ for id_, _ in asked], "signatures": [signature for _, signature in asked]}
    return frozenset(connection.execute(_ARCHIVED, parameters).scalars())
