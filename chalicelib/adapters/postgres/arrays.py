"""Rows as parameters of a statement: an array for each of their columns.

One statement serves any number of rows this way, and the server reads each value once, by the function of its
type. In JSON every row names its members, which the server sorts and looks up, row by row.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import mod
from typing import Any, Final

from pydantic_core import to_json

_PLACE: Final = "CAST(place AS int)"

# An array is written as JSON writes a list, between other brackets and with other escapes. So all columns are
# written at once and taken apart, unless a text has something of that in it.
_NEXT: Final = "],["
_ESCAPE: Final = "\\"


class Columns:
    """The columns of rows that a statement is given.

    Args:
        name: What the statement's parameters begin with.
        types: By column. Values of ``bytea`` are given in hexadecimal digits; any may be None, but in the
            first column.
        rendered: Columns whose values are JSON already, and are given by themselves.
    """

    def __init__(self, name: str, types: Mapping[str, str], *, rendered: Collection[str] = ()) -> None:
        self.names: Final = tuple(types)
        self._types = types
        self._parameters = {column: f"{name}_{column}" for column in types}
        self.number: Final = f"cardinality({self._array(self.names[0])})"
        """How many rows there are, for the statement."""
        written = [column for column in types if column not in rendered]
        self._written = [self._parameters[column] for column in written]
        self._forms = ["[%s]" if types[column] == "jsonb" else "{%s}" for column in written]

    def rows(self, *columns: str, are_few: bool = False) -> str:
        """Return what a statement selects from: some of the columns, or all, in the order of the rows.

        Args:
            are_few: Whether to tell the planner. It expects ten rows of an array, and of an empty table it
                would rather read all than look up ten keys, for as long as it keeps the plan. A limit that is
                no constant is a tenth of that to it.
        """
        first = self.names[0]
        source = f"unnest({self._array(first)}) WITH ORDINALITY AS given ({first}, place)"
        if are_few:
            source = f"(SELECT * FROM {source} LIMIT {self.number}) AS given"
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

    def parameters(self, rows: Sequence[Sequence[Any]], **rendered: Iterable[str]) -> dict[str, str]:
        """Return the parameters for rows, each of values in the order of the columns that are not rendered.

        Values may be ids, times, words, truths and numbers of any size; those of ``jsonb`` dataclasses, too.
        """
        by_column = [*zip(*rows, strict=True)] or [()] * len(self._written)
        listed = to_json(by_column).decode()
        columns = listed[2:-2].split(_NEXT)
        if len(columns) != len(by_column) or _ESCAPE in listed:
            forms = zip(by_column, self._forms, strict=True)
            columns = [_one_by_one(values, is_json=form == "[%s]") for values, form in forms]
        parameters = dict(zip(self._written, map(mod, self._forms, columns), strict=True))
        for column, values in rendered.items():
            parameters[self._parameters[column]] = f"[{','.join(values)}]"
        return parameters

    def _array(self, column: str) -> str:
        return f"CAST(:{self._parameters[column]} AS {self._types[column]}[])"


def _one_by_one(values: Sequence[Any], *, is_json: bool) -> str:
    """Return a column's values, one of which may be a text with an escape: in an array there are just two."""
    return ",".join(
        _escaped(value) if isinstance(value, str) and not is_json else to_json(value).decode()
        for value in values
    )


def _escaped(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
