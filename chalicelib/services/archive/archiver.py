"""Moving what ended long ago out of the record: written, read back, compared, and only then dropped.

A kill at any moment leaves either all of an order in the record, or all of it in an archive that the record
names; at worst also a file that no row names, which the next run writes again or nothing ever reads. The
order's own row stays in the record much longer: by it a late retry is recognised, and the order is said to be
archived.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Final

from chalicelib.domain.errors import RetryableError
from chalicelib.logs import logger
from chalicelib.services.archive.ports import Archive, ArchiveStore, FinishedOrders, Ledger
from chalicelib.services.ports import Clock
from chalicelib.wire.archived_orders import ArchivedOrder, UnreadableArchiveError, packed, unpacked

PART_MAX: Final = 500
"""Orders in one archive: what one of them costs to look up, and what a kill may cost to do again."""

PART_S: Final = 5.0
"""What a part may take; with less time left the next run goes on."""


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

        Args:
            has_time: Whether there are so many seconds left.
            on_part: Told how many orders were dealt with.

        Raises:
            RetryableError: The record or the store is unreachable, or does not keep what it is given.
        """
        ended_before = self._clock.now() - self._retention
        orders = refused = 0
        while has_time(PART_S):
            found = self._finished.next(ended_before, skipped=refused, limit=PART_MAX)
            if not found:
                break
            sound = [order for order in found if not self._is_refused(order)]
            if sound and self._move(sound):
                orders += len(sound)
                refused += len(found) - len(sound)
                on_part(len(found))
            elif not sound:
                refused += len(found)
                on_part(len(found))
        folded = self._fold(ended_before, has_time)
        forgotten = self._forget(has_time)
        done = Archived(orders, refused, forgotten, folded)
        if any(astuple(done)):
            logger.info("orders archived", **asdict(done))
        return done

    def _fold(self, landed_before: datetime, has_time: Callable[[float], bool]) -> int:
        folded = 0
        while has_time(PART_S):
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

    def _is_refused(self, order: ArchivedOrder) -> bool:
        problem = self._finished.problem(order)
        if problem is not None:
            logger.error("order not archived", order_id=order.order_id, reason=problem)
        return problem is not None

    def _move(self, orders: Sequence[ArchivedOrder]) -> bool:
        content = packed(orders)
        digest = sha256(content)
        day = day_of(orders[0])
        archive = Archive(
            place=f"orders/{day.isoformat()}/{orders[0].order_id}-{digest.hexdigest()[:16]}.jsonl.gz",
            day=day,
            sha256=digest.digest(),
            orders=len(orders),
            events=sum(len(order.events) for order in orders),
            attempts=sum(len(order.attempts) for order in orders),
            transactions=sum(len(order.transactions) for order in orders),
        )
        self._store.put(archive.place, content)
        self._verify(archive, orders)
        return self._finished.settle(archive, orders)

    def _verify(self, archive: Archive, orders: Sequence[ArchivedOrder]) -> None:
        """Read the archive back; raise ``RetryableError`` unless it holds what was written."""
        try:
            kept = unpacked(self._store.get(archive.place) or b"")
        except UnreadableArchiveError as error:
            raise RetryableError(f"{archive.place} cannot be read back: nothing was dropped") from error
        if kept != list(orders) or any(self._finished.problem(order) for order in kept):
            raise RetryableError(
                f"{archive.place} holds something else than was written: nothing was dropped"
            )


def day_of(order: ArchivedOrder) -> date:
    """Return the day on which an order ended, in UTC."""
    return datetime.fromisoformat(str(order.order["updated_at"])).date()
