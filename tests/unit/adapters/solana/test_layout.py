"""Layouts as tables: each type at its place, little-endian, and nothing read beyond the end."""

import pytest

from chalicelib.adapters.solana.layout import Layout

TABLE = """
    small     0  u8
    signed    4  i32
    wide      8  u128
    negative 24  i128
    owner    40  key
    seed     72  bytes3
"""
DATA = (
    bytes([7, 99, 99, 99])
    + (-5).to_bytes(4, "little", signed=True)
    + (2**127 + 1).to_bytes(16, "little")
    + (-(2**100)).to_bytes(16, "little", signed=True)
    + bytes(range(32))
    + b"abc"
)
LAYOUT = Layout("thing", 80, TABLE)


def test_fields_are_read_from_their_offsets_with_their_signs() -> None:
    fields = LAYOUT.read(DATA)
    assert fields.ints == {"small": 7, "signed": -5, "wide": 2**127 + 1, "negative": -(2**100)}
    assert fields.keys == {"owner": bytes(range(32))}
    assert fields.blobs == {"seed": b"abc"}


def test_reading_may_begin_anywhere() -> None:
    assert LAYOUT.read(b"xx" + DATA, 2) == LAYOUT.read(DATA)


@pytest.mark.parametrize(("data", "offset"), [(DATA[:-1], 0), (DATA, 1), (b"", 0)])
def test_data_that_ends_before_the_last_field_is_refused(data: bytes, offset: int) -> None:
    with pytest.raises(ValueError, match="thing needs 75 bytes"):
        LAYOUT.read(data, offset)


@pytest.mark.parametrize("table", ["a 0 u64\nb 7 u8", "a 76 u64"])
def test_table_whose_fields_overlap_or_leave_the_layout_is_an_error_of_ours(table: str) -> None:
    with pytest.raises(AssertionError):
        Layout("thing", 80, table)
