"""What archiving needs of the world outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from chalicelib.wire.archived_orders import ArchivedOrder


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that holds what the record no longer does.

    Attributes:
        place: Its name in the store.
        day: On which its orders ended, in UTC.
    """

    place: str
    day: date
    sha256: bytes
    orders: int
    events: int
    attempts: int
    transactions: int = 0


class ArchiveStore(Protocol):
    """Keeps archives by name. Raises ``RetryableError`` if it is unreachable."""

    def put(self, place: str, content: bytes) -> None:
        """Keep the content for good, whole or not at all; the same again changes nothing."""
        ...

    def get(self, place: str) -> bytes | None:
        """Return what is kept; None if there is nothing."""
        ...


class FinishedOrders(Protocol):
    """The record's side. Raises ``RetryableError`` if it is unreachable."""

    def count(self, ended_before: datetime) -> int:
        """Return how many orders may be archived."""
        ...

    def next(
        self, ended_before: datetime, *, after: ArchivedOrder | None, limit: int, events_max: int
    ) -> Sequence[str]:
        """Return the lines of finished orders without subscribers, those that ended first, all of one day.

        Args:
            after: The order to go on after.
            events_max: With so many events no further order is taken.
        """
        ...

    def problem(self, order: ArchivedOrder) -> str | None:
        """Return why an order is not what was written: a count, a number or a hash; None if it is."""
        ...

    def settle(self, archive: Archive, seqs: Mapping[str, int]) -> bool:
        """Note the archive and drop the events and attempts that it holds, all of it or nothing.

        Returns False if the record has changed since it was read, and so nothing was done.

        Args:
            seqs: The number of the last event of each order, by its id.
        """
        ...

    def forget(self, *, kept_days: int) -> int | None:
        """Drop the orders of the oldest archive of more than so many days ago, with their client order ids.

        Returns how many there were; None if there is no such archive.
        """
        ...


class Ledger(Protocol):
    """The simulated market's list of transactions. Raises ``RetryableError`` if it is unreachable."""

    def fold(self, landed_before: datetime) -> int:
        """Replace the oldest transactions by what they led to, one part of them, all of it or nothing.

        Those of orders that no archive holds stay. Returns how many were folded; 0 if none is left, if the
        next ones are not what the pools would have paid, or if another run was faster.
        """
        ...
