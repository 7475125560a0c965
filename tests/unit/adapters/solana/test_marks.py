"""Marks as nodes tell them, and as transactions bear them."""

from uuid import UUID

import pytest

from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.marks import Mark, marks_of, told_marks
from chalicelib.adapters.solana.programs import MEMO
from chalicelib.adapters.solana.rpc_answers import InnerInstruction, TransactionRecord
from chalicelib.adapters.solana.swap_message import mark_of

ORDER = UUID(int=0xABC)
MARK = mark_of(ORDER, 12)


@pytest.mark.parametrize(
    ("memo", "found"),
    [
        (f"[{len(MARK)}] {MARK}", [Mark(ORDER, 12)]),
        (f"[5] lunch; [{len(MARK)}] {MARK}; [3] tea", [Mark(ORDER, 12)]),
        (f"[36] {mark_of(ORDER, 8_640)}", [Mark(ORDER, 8_640)]),
        ("[5] lunch", []),
        (f"[{len(MARK) + 1}] {MARK}x", []),
        (None, []),
    ],
)
def test_marks_are_read_from_what_a_node_tells_beside_a_signature(
    memo: str | None, found: list[Mark]
) -> None:
    assert told_marks(memo) == found


def test_marks_are_read_from_the_memos_of_a_transaction_and_from_nothing_else() -> None:
    calls = [(MEMO, MARK.encode()), (Pubkey(b"p" * 32), MARK.encode()), (MEMO, b"\xff lunch")]
    outer = tuple(InnerInstruction(program, (), data) for program, data in calls)
    record = TransactionRecord(1, None, 5_000, (), {}, {}, (), {}, outer)
    assert marks_of(record) == [Mark(ORDER, 12)]
    assert marks_of(None) == []
