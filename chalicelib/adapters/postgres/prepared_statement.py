"""A statement that a session has prepared: what binds values to it, and the answer to one execution."""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, Final

from pg8000.converters import make_param
from pg8000.core import BIND, EXECUTE_MSG, Context

# The protocol's integers, of two bytes and of four.
_H: Final = struct.Struct("!h")
_I: Final = struct.Struct("!i")
_NULL: Final = _I.pack(-1)
_NO_FORMATS: Final = _H.pack(0)  # all values are text

_TEXT: Final = frozenset({str})


class PreparedStatement:
    """A statement that a session has prepared.

    Attributes:
        bind: What a message begins with that binds values to it, after its kind and length.
        columns: As pg8000 describes them; None if it selects nothing.
        input_funcs: What reads each of a row's values.
        row_type: Of the rows, as ``statements`` wants them; made by it.
    """

    __slots__ = ("bind", "columns", "input_funcs", "row_type")

    def __init__(self, name: bytes, columns: Any, input_funcs: Any) -> None:
        self.bind = b"\0" + name + _NO_FORMATS
        self.columns = columns
        self.input_funcs = input_funcs
        self.row_type: Any = None

    def execution(self, values: Sequence[str | None], encoding: str) -> bytes:
        """Return what binds values and executes, for all of the answer to come at once.

        pg8000 has the server send each part of it as soon as it is there (Flush, after Bind and after
        Execute): three packets, and three times the server and this process wake each other.
        """
        if None in values:
            parts: Iterable[bytes] = (
                part for value in values for part in ((_NULL,) if value is None else _sized(value, encoding))
            )
        else:
            encoded = [*map(_encode, values, repeat(encoding))]
            parts = chain.from_iterable(zip(map(_I.pack, map(len, encoded)), encoded, strict=True))
        body = b"".join((self.bind, _H.pack(len(values)), *parts, _NO_FORMATS))
        return b"".join((BIND, _I.pack(len(body) + 4), body, EXECUTE_MSG))


# Of what is no None.
_encode: Final[Callable[[str | None, str], bytes]] = str.encode  # type: ignore[assignment]  # see there


def _sized(value: str, encoding: str) -> tuple[bytes, bytes]:
    encoded = value.encode(encoding)
    return _I.pack(len(encoded)), encoded


class Answer(Context):  # type: ignore[misc]  # pg8000 has no types
    """The answer to one execution of a prepared statement: pg8000's context, of which little is asked."""

    def __init__(self, statement: str, prepared: PreparedStatement) -> None:
        self.statement = statement
        self.prepared = prepared
        self.columns = prepared.columns
        self.input_funcs = prepared.input_funcs
        self.rows: list[Any] | None = None if prepared.columns is None else []
        self.tag = b""
        self.error: Exception | None = None

    @property
    def row_count(self) -> int:
        """How many rows the statement was about, -1 if it does not say."""
        count = self.tag[:-1].rpartition(b" ")[2]
        return int(count) if count.isdigit() else -1

    @row_count.setter
    def row_count(self, count: int) -> None:
        # pg8000's ``executemany`` gives the last execution's answer the sum of all.
        self.tag = b"%d\0" % count


def row_values(data: bytes, at: int, readers: Sequence[Callable[[str], Any]], encoding: str) -> list[Any]:
    """Return the values of a row that begins here: how many, and each with its length before it."""
    row: list[Any] = []
    length_at = _I.unpack_from
    at += _H.size
    for read in readers:
        length = length_at(data, at)[0]
        at += _I.size
        if length < 0:
            row.append(None)
        else:
            row.append(read(data[at : at + length].decode(encoding)))
            at += length
    return row


def written(
    writers: Mapping[type, Callable[[Any], str | None]], values: Sequence[Any]
) -> Sequence[str | None]:
    """Return parameters as they are sent: text, as most are, without being looked at any further."""
    if _TEXT.issuperset(map(type, values)):
        return values
    return [each if type(each) is str else make_param(writers, each) for each in values]
