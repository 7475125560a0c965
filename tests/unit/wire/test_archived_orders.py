"""Archives as bytes: whole or recognised as damaged, and every digit kept."""

import gzip

import pytest

from chalicelib.wire.archived_orders import ArchivedOrder, UnreadableArchiveError, packed, unpacked

ORDERS = [
    ArchivedOrder({"order_id": "a", "amount_units": 10**38 + 1}, [{"seq": 1, "data": {"é": "\u2028"}}], []),
    ArchivedOrder({"order_id": "b"}, [], [{"payload": "\\x00ff"}]),
]


def test_what_is_packed_is_unpacked_to_the_last_digit() -> None:
    assert unpacked(packed(ORDERS)) == ORDERS


def test_equal_orders_make_equal_bytes() -> None:
    assert packed(ORDERS) == packed(list(ORDERS))


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"{}",
        packed(ORDERS)[:-5],
        gzip.compress(b'{"order":{}}\n'),
        gzip.compress(b"[]\n"),
        gzip.compress(b"\xff"),
    ],
    # The bytes hold the second at which they were made: no name for a test.
    ids=["empty", "not compressed", "cut off", "no events", "no order", "no text"],
)
def test_damaged_archive_is_recognised(damaged: bytes) -> None:
    with pytest.raises(UnreadableArchiveError):
        unpacked(damaged)
