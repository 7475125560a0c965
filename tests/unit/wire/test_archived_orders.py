"""Archives as bytes: whole or recognised as damaged, and every digit kept."""

import gzip

import pytest

from chalicelib.wire.archived_orders import (
    ArchivedOrder,
    UnreadableArchiveError,
    joined,
    lines_of,
    order_of,
    packed,
    unpacked,
)

ORDERS = [
    ArchivedOrder({"order_id": "a", "amount_units": 10**38 + 1}, [{"seq": 1, "data": {"é": "\u2028"}}], []),
    ArchivedOrder({"order_id": "b"}, [], [{"payload": "\\x00ff"}]),
]
EVENTS = '"events":[{"seq":1,"data":{"é":"\u2028"}}]'
LINES = [
    f'{{"order":{{"order_id":"a","amount_units":{10**38 + 1}}},{EVENTS},"attempts":[]}}',
    '{"order":{"order_id":"b"},"events":[],"attempts":[{"payload":"\\\\x00ff"}]}',
]


def test_what_is_packed_is_unpacked_to_the_last_digit() -> None:
    assert lines_of(packed(joined(LINES))) == LINES
    assert unpacked(packed(joined(LINES))) == ORDERS


def test_equal_lines_make_equal_bytes() -> None:
    assert packed(joined(LINES)) == packed(joined(iter(LINES)))


def test_line_that_is_no_order_is_recognised() -> None:
    with pytest.raises(UnreadableArchiveError):
        order_of('{"order":')


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"{}",
        packed(joined(LINES))[:-5],
        gzip.compress(b'{"order":{}}\n'),
        gzip.compress(b"[]\n"),
        gzip.compress(b"\xff"),
        gzip.compress(b"[" * 100_000 + b"\n"),
    ],
    # The bytes hold the second at which they were made: no name for a test.
    ids=["empty", "not compressed", "cut off", "no events", "no order", "no text", "nested deeply"],
)
def test_damaged_archive_is_recognised(damaged: bytes) -> None:
    with pytest.raises(UnreadableArchiveError):
        unpacked(damaged)
