"""Archives: compressed JSON lines, an order on each, with its events and attempts.

A line is ``{"order":{...},"events":[...],"attempts":[...]}``, with ``"transactions":[...]`` if the simulated
market's ledger has any; the members are the columns of the record's rows, amounts in base units, binary
columns in hexadecimal digits, as Postgres writes them.
"""

import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.wire.json_text import JsonObject


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


def packed(orders: Sequence[ArchivedOrder]) -> bytes:
    """Return an archive; equal orders make equal bytes."""
    lines = (
        json.dumps(
            {"order": each.order, "events": each.events, "attempts": each.attempts}
            | ({"transactions": each.transactions} if each.transactions else {}),
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        )
        for each in orders
    )
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)


def unpacked(archive: bytes) -> list[ArchivedOrder]:
    """Return the orders of an archive.

    Raises:
        UnreadableArchiveError: It is damaged.
    """
    if not archive:
        raise UnreadableArchiveError("not a readable archive: it is empty")
    try:
        # Lines end with a line feed alone: texts may hold what else Unicode calls an end of line.
        lines = gzip.decompress(archive).decode().split("\n")[:-1]
        return [
            ArchivedOrder(each["order"], each["events"], each["attempts"], each.get("transactions", ()))
            for each in map(json.loads, lines)
        ]
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise UnreadableArchiveError(f"not a readable archive: {error}") from error
