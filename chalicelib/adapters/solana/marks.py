"""The marks of our transactions, back from what a node tells: the memo that names order and attempt."""

import re
from typing import Final, NamedTuple
from uuid import UUID

from chalicelib.adapters.solana.programs import MEMO
from chalicelib.adapters.solana.rpc_answers import TransactionRecord

_MARK: Final = re.compile(rb"([0-9a-f]{32})/([0-9]{1,9})")
_TOLD_MARK: Final = re.compile(r"(?:^|; )\[[0-9]+\] ([0-9a-f]{32})/([0-9]{1,9})(?=; |$)")


class Mark(NamedTuple):
    """Which attempt at which order a transaction is."""

    order_id: UUID
    attempt: int


def told_marks(memo: str | None) -> list[Mark]:
    """Return the marks in what ``getSignaturesForAddress`` tells of a transaction."""
    return [Mark(UUID(order), int(attempt)) for order, attempt in _TOLD_MARK.findall(memo or "")]


def marks_of(record: TransactionRecord | None) -> list[Mark]:
    """Return the marks that a transaction itself bears; none if the node does not know it."""
    calls = () if record is None else record.outer
    found = [_MARK.fullmatch(one.data) for one in calls if one.program == MEMO]
    return [Mark(UUID(one[1].decode()), int(one[2])) for one in found if one is not None]
