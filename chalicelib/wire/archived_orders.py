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


def joined(lines: Iterable[str]) -> bytes:
    """Return the text of an archive, given its orders' lines without their ends."""
    return "".join(f"{line}\n" for line in lines).encode()


def packed(content: bytes) -> bytes:
    """Return an archive of a text; equal texts make equal bytes."""
    return gzip.compress(content, _LEVEL, mtime=0)


def text_of(archive: bytes) -> bytes:
    """Return the text of an archive.

    Raises:
        UnreadableArchiveError: It is damaged.
    """
    if not archive:
        raise UnreadableArchiveError("not a readable archive: it is empty")
    try:
        return gzip.decompress(archive)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableArchiveError(f"not a readable archive: {error}") from error


def lines_of(archive: bytes) -> list[str]:
    """Return the lines of an archive, without their ends.

    Raises:
        UnreadableArchiveError: It is damaged.
    """
    try:
        # Lines end with a line feed alone: texts may hold what else Unicode calls an end of line.
        return text_of(archive).decode().split("\n")[:-1]
    except UnicodeDecodeError as error:
        raise UnreadableArchiveError(f"not a readable archive: {error}") from error


def order_of(line: str) -> ArchivedOrder:
    """Return the order on a line.

    Raises:
        UnreadableArchiveError: It is damaged.
    """
    try:
        each = json.loads(line)
        return ArchivedOrder(each["order"], each["events"], each["attempts"], each.get("transactions", ()))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableArchiveError(f"not a readable archive: {error}") from error


def unpacked(archive: bytes) -> list[ArchivedOrder]:
    """Return the orders of an archive.

    Raises:
        UnreadableArchiveError: It is damaged.
    """
    return [order_of(line) for line in lines_of(archive)]
