"""What is sent for one execution, byte by byte as the protocol has it, and what its answer is read as."""

import struct

import pytest
from pg8000.converters import PY_TYPES

from chalicelib.adapters.postgres.prepared_statement import Answer, PreparedStatement, row_values, written

STATEMENT = PreparedStatement(b"s1\0", [{}], [str])


def i32(number: int) -> bytes:
    return struct.pack("!i", number)


def bound(*cells: bytes) -> bytes:
    """Bind as PostgreSQL's documents have it: no portal's name, the statement's, all in text, all as text."""
    body = b"\0" + b"s1\0" + b"\0\0" + struct.pack("!h", len(cells)) + b"".join(cells) + b"\0\0"
    return b"B" + i32(len(body) + 4) + body


EXECUTE = b"E" + i32(9) + b"\0" + i32(0)
"""No portal's name, and all rows."""


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ([], []),
        (["a", "", "é{"], [i32(1) + b"a", i32(0), i32(3) + "é{".encode()]),
        (["a", None, "é"], [i32(1) + b"a", i32(-1), i32(2) + "é".encode()]),
        ([None], [i32(-1)]),
    ],
    ids=["none", "texts", "one absent", "nothing else"],
)
def test_execution_binds_the_values_and_asks_for_all_rows(
    values: list[str | None], cells: list[bytes]
) -> None:
    assert STATEMENT.execution(values, "utf-8") == bound(*cells) + EXECUTE


def test_values_are_written_as_text_and_texts_as_they_are() -> None:
    values = ["text", "{1}"]
    assert written(PY_TYPES, values) is values
    assert written(PY_TYPES, ["text", 7, None, True, [1, None]]) == ["text", "7", None, "true", "{1,NULL}"]


def test_row_is_read_from_where_it_begins_each_value_by_its_own_reader() -> None:
    raw = struct.pack("!h", 3) + i32(2) + b"17" + i32(-1) + i32(2) + "é".encode()
    for before in (b"", b"xyz"):
        assert row_values(before + raw + b"more", len(before), [int, int, str], "utf-8") == [17, None, "é"]


@pytest.mark.parametrize(
    ("tag", "count"),
    [(b"INSERT 0 12\0", 12), (b"SELECT 0\0", 0), (b"COMMIT\0", -1), (b"CREATE TABLE\0", -1), (b"", -1)],
)
def test_answer_says_how_many_rows_it_is_about(tag: bytes, count: int) -> None:
    answer = Answer("SELECT 1", STATEMENT)
    answer.tag = tag
    assert answer.row_count == count
    answer.row_count = 345
    assert answer.row_count == 345
    assert answer.rows == []
    assert Answer("COMMIT", PreparedStatement(b"s2\0", None, None)).rows is None
