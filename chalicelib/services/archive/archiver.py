"""Moving what ended long ago out of the record: written, read back, compared, and only then dropped.

A kill at any moment leaves either all of an order in the record, or all of it in an archive that the record
names; at worst also files that no row names, which the next run writes again or nothing ever reads. The
order's own row stays in the record much longer: by it a late retry is recognised, and the order is said to be
archived.
"""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Final

from chalicelib.domain.errors import RetryableError
from chalicelib.logs import logger
from chalicelib.services.archive.ahead import ahead
from chalicelib.services.archive.ports import Archive, ArchiveStore, FinishedOrders, Ledger
from chalicelib.services.ports import Clock
from chalicelib.wire.archived_orders import (
    ArchivedOrder,
    UnreadableArchiveError,
    joined,
    order_of,
    packed,
    text_of,
)

PART_MAX: Final = 1_000
"""Orders in one archive: what one of them costs to look up, and what a kill may cost to do again."""

EVENTS_MAX: Final = 20_000
"""In one archive, unless an order has more by itself: four parts at most are held in memory."""

PART_S: Final = 10.0
"""What a part may take from being read to being dropped; with less time left the next run goes on."""

OTHERS_S: Final = 60.0
"""Of a run's time, kept for the ledger and for what is to be forgotten, which no backlog may stop."""


@dataclass(frozen=True, slots=True)
class Archived:
    """What a run came to.

    Attributes:
        refused: Orders that are not what was written: they stay in the record, for the audit to tell of.
        forgotten: Orders archived long ago that the record knows no more.
        folded: Transactions of the simulated ledger that became what they led to.
    """

    orders: int
    refused: int
    forgotten: int = 0
    folded: int = 0


class Part:
    """Orders of one day, as they will be in their archive.

    Attributes:
        seqs: The number of each order's last event, by its id.
        refused: How many were found with them that are not what was written.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.seqs: dict[str, int] = {}
        self.day = date.min
        self.events = self.attempts = self.transactions = self.refused = 0

    def add(self, line: str, order: ArchivedOrder) -> None:
        """Take in a sound order, given its line too."""
        self.lines.append(line)
        self.seqs[order.order_id] = order.order["seq"]
        self.day = self.day if len(self.lines) > 1 else day_of(order)
        self.events += len(order.events)
        self.attempts += len(order.attempts)
        self.transactions += len(order.transactions)


class ArchiveOrders:
    """The use case."""

    def __init__(
        self,
        finished: FinishedOrders,
        ledger: Ledger,
        store: ArchiveStore,
        clock: Clock,
        *,
        retention_days: int,
        kept_days: int,
    ) -> None:
        self._finished = finished
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._retention = timedelta(days=retention_days)
        self._kept_days = kept_days

    def waiting(self) -> int:
        """Return how many orders are to be archived. Raises ``RetryableError``."""
        return self._finished.count(self._clock.now() - self._retention)

    def run(
        self,
        has_time: Callable[[float], bool] = lambda _: True,
        on_part: Callable[[int], object] = lambda _: None,
    ) -> Archived:
        """Archive part by part until nothing is left or the time is up.

        While the database drops a part, the next one is written, and the one after it read.

        Args:
            has_time: Whether there are so many seconds left; asked by another thread.
            on_part: Told how many orders were dealt with.

        Raises:
            RetryableError: The record or the store is unreachable, or does not keep what it is given.
        """
        ended_before = self._clock.now() - self._retention
        orders = refused = 0
        with closing(ahead(self._kept(ahead(self._read(ended_before, has_time))))) as parts:
            for part, archive in parts:
                if archive is not None and self._finished.settle(archive, part.seqs):
                    orders += archive.orders
                refused += part.refused
                on_part(len(part.lines) + part.refused)
        folded = self._fold(ended_before, has_time)
        forgotten = self._forget(has_time)
        done = Archived(orders, refused, forgotten, folded)
        if any(astuple(done)):
            logger.info("orders archived", **asdict(done))
        return done

    def _read(self, ended_before: datetime, has_time: Callable[[float], bool]) -> Generator[Part, None, None]:
        last: ArchivedOrder | None = None
        # A function that is given a minute must get somewhere too.
        while has_time(PART_S if last is None else PART_S + OTHERS_S):
            lines = self._finished.next(ended_before, after=last, limit=PART_MAX, events_max=EVENTS_MAX)
            if not lines:
                return
            part = Part()
            for line in lines:
                # What is judged is the line itself: it is what will be left of the order.
                last = order_of(line)
                if self._is_refused(last):
                    part.refused += 1
                else:
                    part.add(line, last)
            yield part

    def _is_refused(self, order: ArchivedOrder) -> bool:
        problem = self._finished.problem(order)
        if problem is not None:
            logger.error("order not archived", order_id=order.order_id, reason=problem)
        return problem is not None

    def _kept(self, parts: Generator[Part, None, None]) -> Generator[tuple[Part, Archive | None], None, None]:
        """Yield each part once the store keeps its orders, with their archive, if any is sound."""
        with closing(parts):
            for part in parts:
                yield part, (self._keep(part) if part.lines else None)

    def _keep(self, part: Part) -> Archive:
        told = joined(part.lines)
        content = packed(told)
        digest = sha256(content)
        first = next(iter(part.seqs))
        place = f"orders/{part.day.isoformat()}/{first}-{digest.hexdigest()[:16]}.jsonl.gz"
        self._store.put(place, content)
        self._verify(place, content, told)
        return Archive(
            place,
            part.day,
            digest.digest(),
            len(part.lines),
            part.events,
            part.attempts,
            part.transactions,
        )

    def _verify(self, place: str, content: bytes, told: bytes) -> None:
        """Read an archive back; raise ``RetryableError`` unless it holds the very lines that were judged."""
        try:
            kept = self._store.get(place) or b""
            is_whole = kept == content and text_of(kept) == told
        except UnreadableArchiveError as error:
            raise RetryableError(f"{place} cannot be read back: nothing was dropped") from error
        if not is_whole:
            raise RetryableError(f"{place} holds something else than was written: nothing was dropped")

    def _fold(self, landed_before: datetime, has_time: Callable[[float], bool]) -> int:
        folded = 0
        while has_time(2 * PART_S):
            of_one = self._ledger.fold(landed_before)
            if not of_one:
                break
            folded += of_one
        return folded

    def _forget(self, has_time: Callable[[float], bool]) -> int:
        forgotten = 0
        while has_time(PART_S):
            of_one = self._finished.forget(kept_days=self._kept_days)
            if of_one is None:
                break
            forgotten += of_one
        return forgotten


def day_of(order: ArchivedOrder) -> date:
    """Return the day on which an order ended, in UTC."""
    return datetime.fromisoformat(str(order.order["ended_at"])).astimezone(UTC).date()
