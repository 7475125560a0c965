"""Rows as arrays, read by a real server: what goes in comes out."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from chalicelib.adapters.postgres.arrays import Columns
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.statements import Database, Statement

_AT = datetime(2026, 1, 1, 12, 0, 0, 123_456, tzinfo=UTC)
_COLUMNS = Columns(
    "given",
    {
        "id": "uuid",
        "word": "text",
        "number": "numeric",
        "at": "timestamptz",
        "said": "jsonb",
        "raw": "bytea",
        "flag": "boolean",
        "text": "jsonb",
    },
    rendered=["text"],
)
_ROWS: list[tuple[Any, ...]] = [
    (UUID(int=2), 'a "quoted" \\ back\\slash', 2**128, _AT, {"x": [1, None]}, "00ff", True, '{"a":1}'),
    (UUID(int=1), "line\nbreak\ttab, {braces} é \x7f", 0, None, None, "", False, "{}"),
    (UUID(int=3), None, None, None, None, None, None, "[]"),
    (UUID(int=4), "null", -5, _AT, "null", "61", None, "1"),
    (UUID(int=5), "", 7, _AT, [], "5c", None, "true"),
]


def _parameters(rows: list[tuple[Any, ...]]) -> dict[str, str]:
    return _COLUMNS.parameters([row[:-1] for row in rows], text=[row[-1] for row in rows])


@pytest.mark.parametrize("are_few", [False, True])
@pytest.mark.parametrize("driver", ["pg8000", "psycopg"])
def test_rows_come_out_as_they_went_in_and_in_their_order(
    database_url: str, driver: str, are_few: bool
) -> None:
    engine = make_engine(database_url.replace("postgresql://", f"postgresql+{driver}://"))
    asked = Statement(f"SELECT * FROM {_COLUMNS.rows(are_few=are_few)} AS given")  # noqa: S608  # names of ours
    found = Database(engine).execute(asked, _parameters(_ROWS))
    engine.dispose()
    assert [(row.id, row.word, row.number, row.at, row.said, row.flag) for row in found] == [
        (*row[:5], row[6]) for row in _ROWS
    ]
    assert [None if row.raw is None else bytes(row.raw).hex() for row in found] == [row[5] for row in _ROWS]
    assert [row.text for row in found] == [{"a": 1}, {}, [], 1, True]


def test_no_rows_are_none(database_url: str) -> None:
    engine = make_engine(database_url)
    asked = Statement(f"SELECT * FROM {_COLUMNS.rows('id', 'said')} AS given")  # noqa: S608  # as above
    assert Database(engine).execute(asked, _parameters([])) == []
    engine.dispose()


@pytest.mark.parametrize("word", ["],[", '"],["', "plain", "NULL", "{a,b}"])
def test_text_that_looks_like_the_end_of_a_column_is_none(database_url: str, word: str) -> None:
    columns = Columns("given", {"id": "int", "word": "text", "said": "jsonb"})
    engine = make_engine(database_url)
    asked = Statement(f"SELECT * FROM {columns.rows()} AS given")  # noqa: S608  # as above
    found = Database(engine).execute(asked, columns.parameters([(1, word, [[1], [word]]), (2, "b", None)]))
    engine.dispose()
    assert [tuple(row) for row in found] == [(1, word, [[1], [word]]), (2, "b", None)]
