"""Rows as parameters of a statement: an array for each of their columns.

One statement serves any number of rows this way, and the server reads each value once, by the function of its
type. In JSON every row names its members, which the server sorts and looks up, row by row.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_core import to_json

_PLACE: Final = "CAST(place AS int)"


class Columns:
    """The columns of rows that a statement is given.

    Args:
        name: What the statement's parameters begin with.
        types: By column. Values of ``bytea`` are given in hexadecimal digits; any may be None, but in the
            first column.
        rendered: Columns whose values are JSON already.
    """

    def __init__(
        self, name: str, types: Mapping[str, str], *, rendered: frozenset[str] = frozenset()
    ) -> None:
        self.names: Final = tuple(types)
        self._types = types
        self._rendered = rendered
        self._parameters = {column: f"{name}_{column}" for column in types}

    def rows(self, *columns: str, are_few: bool = False) -> str:
        """Return what a statement selects from: some of the columns, or all, in the order of the rows.

        Args:
            are_few: Whether to tell the planner. It expects ten rows of an array, and of an empty table it
                would rather read all than look up ten keys, for as long as it keeps the plan. A limit that is
                no constant is a tenth of that to it.
        """
        first = self.names[0]
        keys = self._array(first)
        source = f"unnest({keys}) WITH ORDINALITY AS given ({first}, place)"
        if are_few:
            source = f"(SELECT * FROM {source} LIMIT cardinality({keys})) AS given"
        values = [
            column if column == first else f"{self.value(column)} AS {column}"
            for column in columns or self.names
        ]
        return f"(SELECT {', '.join(values)} FROM {source})"

    def value(self, column: str, place: str = _PLACE) -> str:
        """Return the expression of a column's value in one of the rows; ``place`` is its number, from 1."""
        if self._types[column] == "jsonb":
            return f"nullif(CAST(:{self._parameters[column]} AS jsonb) -> ({place} - 1), 'null')"
        if self._types[column] == "bytea":
            return f"decode((CAST(:{self._parameters[column]} AS text[]))[{place}], 'hex')"
        return f"({self._array(column)})[{place}]"

    def parameters(self, rows: Sequence[Sequence[Any]]) -> dict[str, str]:
        """Return the parameters for rows, each of values in the order of the columns."""
        by_column = zip(*rows, strict=True) if rows else [()] * len(self.names)
        return {
            parameter: self._written(column, values)
            for (column, parameter), values in zip(self._parameters.items(), by_column, strict=True)
        }

    def _array(self, column: str) -> str:
        return f"CAST(:{self._parameters[column]} AS {self._types[column]}[])"

    def _written(self, column: str, values: Sequence[Any]) -> str:
        if column in self._rendered:
            return f"[{','.join(values)}]"
        if self._types[column] == "jsonb":
            return to_json(values).decode()
        return array(values)


def array(values: Sequence[Any]) -> str:
    """Return values as Postgres reads an array: ids, times, words, numbers of any size, None.

    JSON writes the same between other brackets, unless a text needs an escape: here there are just two.
    """
    listed = to_json(values).decode()
    if "\\" in listed:
        listed = f"[{','.join(map(_escaped, values))}]"
    return f"{{{listed[1:-1]}}}"


def _escaped(value: object) -> str:
    if not isinstance(value, str):
        return to_json(value).decode()
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'
