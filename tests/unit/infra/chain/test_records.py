"""What nodes tell of transactions beside their lists of signatures."""

from typing import Any

import pytest

from chalicelib.adapters import base58
from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.programs import MEMO
from infra.chain.records import memos_of


def a_record(*calls: tuple[str, str]) -> dict[str, Any]:
    """Return a record of calls: each a program's address and the text that it is given."""
    addresses = sorted({address for address, _ in calls})
    instructions = [
        {"programIdIndex": addresses.index(address), "accounts": [], "data": base58.encode(text.encode())}
        for address, text in calls
    ]
    return {"transaction": {"message": {"accountKeys": addresses, "instructions": instructions}}}


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        ([], None),
        ([("another", "first")], None),
        ([(address_of(MEMO), "first")], "[5] first"),
        (
            [(address_of(MEMO), "first"), ("another", "?"), (address_of(MEMO), "zwölf")],
            "[5] first; [6] zwölf",
        ),
    ],
)
def test_memos_are_told_in_their_order_each_behind_its_length(
    calls: list[tuple[str, str]], told: str | None
) -> None:
    assert memos_of(a_record(*calls)) == told
