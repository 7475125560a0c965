"""Archives: compressed JSON lines, an order on each, with its events and attempts.

A line is ``{"order":{...},"events":[...],"attempts":[...]}``, with ``"transactions":[...]`` if the simulated
market's ledger has any; the members are the columns of the record's rows, amounts in base units, binary
columns in hexadecimal digits, as Postgres writes them.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chalicelib.wire.json_text import JsonObject

_LEVEL: Final = 6
"""A twentieth longer than level 9, in less than three quarters of its time, which was a seventh of all."""


class UnreadableArchiveError(ValueError):
    """The bytes are no archive."""


@dataclass(frozen=True, slots=True)
class ArchivedOrder:
    """All that is on record of an order, by column."""

    order: JsonObject
    events: Sequence[JsonObject]
    attempts: Sequence[JsonObject]
    transactions: Sequence[JsonObject] = ()

    @property
    def order_id(self) -> str:
        return str(self.order["order_id"])


def packed(lines: Iterable[str]) -> bytes:
    """Return an archive of orders' lines, without their ends; equal lines make equal bytes."""
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), _LEVEL, mtime=0)


def lines_of(archive: bytes) -> list[str]:
    """Return the lines of an archive, without their ends.

    Raises:
        UnreadableArchiveError: It is damaged.
    """
    if not archive:
        raise UnreadableArchiveError("not a readable archive: it is empty")
    try:
        # Lines end with a line feed alone: texts may hold what else Unicode calls an end of line.
        return gzip.decompress(archive).decode().split("\n")[:-1]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise UnreadableArchiveError(f"not a readable archive: {error}") from error


def order_of(line: str) -> ArchivedOrder:
    """Return the order on a line.

    Raises:
        UnreadableArchiveError: It is damaged.
    """
    try:
        each = json.loads(line)
        return ArchivedOrder(each["order"], each["events"], each["attempts"], each.get("transactions", ()))
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableArchiveError(f"not a readable archive: {error}") from error


def unpacked(archive: bytes) -> list[ArchivedOrder]:
    """Return the orders of an archive.

    Raises:
        UnreadableArchiveError: It is damaged.
    """
    return [order_of(line) for line in lines_of(archive)]
