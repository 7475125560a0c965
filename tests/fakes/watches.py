"""``Watches`` in memory: a loop over all of them, so that nothing depends on how they are found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from chalicelib.adapters.postgres.watches import SENT_AGAIN_WITHIN_S, WOKEN_AGAIN_S
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.triggers import Direction, is_met
from chalicelib.domain.watches import (
    DirectedPair,
    Fired,
    FiredBy,
    MarkRange,
    SeenPrice,
    Watch,
)
from chalicelib.services.resting.ports import ArmedLook, ArmedPair


@dataclass
class WatchRow:
    """One row of ``watches``: armed while it has not fired."""

    watch: Watch
    firing: int = 0
    fired: Fired | None = None
    sent_at: datetime | None = None


@dataclass
class MemoryWatches:
    """All watches and marks. Time, the orders' accounts and whether they ended come from outside."""

    now: Callable[[], datetime]
    account_of: Callable[[UUID], str] = lambda _: "alice"
    has_ended: Callable[[UUID], bool] = lambda _: False
    rows: dict[UUID, WatchRow] = field(default_factory=dict)
    marks: dict[DirectedPair, dict[int, MarkRange]] = field(default_factory=dict)
    is_down: bool = False

    def arm(self, watches: Sequence[Watch]) -> None:
        for watch in watches:
            old = self.rows.get(watch.order_id)
            wake_at, by = watch.wake_at, old.fired.fired_by if old and old.fired else None
            if watch.within is not None and wake_at is not None:
                wake_at = min(wake_at, self.now() + watch.within)
            if by is FiredBy.TIME and wake_at is not None and wake_at <= self.now():
                wake_at = self.now() + timedelta(seconds=WOKEN_AGAIN_S)
            self.rows[watch.order_id] = WatchRow(replace(watch, wake_at=wake_at), old.firing if old else 0)

    def disarm(self, order_ids: Sequence[UUID]) -> frozenset[UUID]:
        return frozenset(order_id for order_id in set(order_ids) if self.rows.pop(order_id, None))

    def armed(self) -> Sequence[ArmedPair]:
        self._check()
        looks: dict[DirectedPair, dict[tuple[Direction, int], list[Decimal]]] = {}
        for row in self._armed():
            of_it = looks.setdefault(row.watch.pair, {})
            of_it.setdefault((row.watch.direction, row.watch.look), []).append(row.watch.wake_key)
        return [
            ArmedPair(
                pair,
                tuple(
                    ArmedLook(direction, look, min(keys) if direction is Direction.AT_LEAST else max(keys))
                    for (direction, look), keys in sorted(of_it.items())
                ),
            )
            for pair, of_it in looks.items()
        ]

    def fire(self, seen: Sequence[SeenPrice], *, limit: int) -> Sequence[Fired]:
        fired: list[Fired] = []
        for direction in Direction:
            hits: list[tuple[WatchRow, SeenPrice]] = []
            for price in seen:
                if price.direction is direction:
                    met = [row for row in self._armed() if _meets(row.watch, price)]
                    hits += [(row, price) for row in sorted(met, key=_order)[:limit]]
            for row, price in sorted(hits, key=lambda hit: _order(hit[0])):
                fired.append(self._fire(row, FiredBy.RATE, price))
        return fired

    def wake(self, *, limit: int) -> Sequence[Fired]:
        self._check()
        now = self.now()
        due = [
            (row.watch.wake_at, row)
            for row in self._armed()
            if row.watch.wake_at and row.watch.wake_at <= now
        ]
        due.sort(key=lambda found: (found[0], found[1].watch.order_id))
        return [self._fire(row, FiredBy.TIME, None) for _, row in due[:limit]]

    def resend(self, *, unclaimed_for_ms: int, limit: int) -> Sequence[Fired]:
        before = self.now() - timedelta(milliseconds=unclaimed_for_ms)
        lost = [row for row in self.rows.values() if row.sent_at is not None and row.sent_at <= before]
        found = []
        for row in sorted(lost, key=lambda row: row.sent_at or before)[:limit]:
            assert row.fired is not None
            if self.has_ended(row.watch.order_id):
                del self.rows[row.watch.order_id]
                continue
            row.sent_at = self.now()
            found.append(row.fired)
        return found

    def put_off(self, sent: Sequence[Fired]) -> None:
        now = self.now()
        for one in sent:
            row = self.rows.get(one.order_id)
            if row is not None and row.fired is not None and row.firing == one.firing:
                row.sent_at = now + min(now - row.fired.fired_at, timedelta(seconds=SENT_AGAIN_WITHIN_S))

    def fired(self, order_id: UUID) -> Fired | None:
        row = self.rows.get(order_id)
        return row.fired if row else None

    def forget_wake_rates(self, pairs: Sequence[DirectedPair]) -> int:
        elsewhere = [row for row in self._armed() if row.watch.wake_rate and row.watch.pair in pairs]
        for row in elsewhere:
            row.watch = replace(row.watch, wake_rate=None)
        return len(elsewhere)

    def observe(
        self, height: int, marks: Mapping[DirectedPair, Decimal], *, keep: int
    ) -> Mapping[DirectedPair, Sequence[MarkRange]]:
        found = {}
        for pair, mark in marks.items():
            of_it = self.marks.setdefault(pair, {})
            old = of_it.get(height, MarkRange(height, mark, mark))
            of_it[height] = MarkRange(height, min(old.low, mark), max(old.high, mark))
            for far in [at for at in of_it if abs(at - height) > 2 * keep]:
                del of_it[far]
            found[pair] = [of_it[at] for at in sorted(of_it) if height - keep < at <= height]
        return found

    def _check(self) -> None:
        if self.is_down:
            raise RetryableError("the database did not answer")

    def _armed(self) -> list[WatchRow]:
        return [row for row in self.rows.values() if row.fired is None]

    def _fire(self, row: WatchRow, by: FiredBy, price: SeenPrice | None) -> Fired:
        row.firing += 1
        row.sent_at = self.now()
        seen, height = (price.rate, price.height) if price else (None, None)
        order_id = row.watch.order_id
        account_id = self.account_of(order_id)
        row.fired = Fired(order_id, account_id, row.firing, by, row.watch.look, row.sent_at, seen, height)
        return row.fired


def _meets(watch: Watch, price: SeenPrice) -> bool:
    same = (watch.pair, watch.direction, watch.look) == (price.pair, price.direction, price.look)
    rates = [watch.rate] if watch.wake_rate is None else [watch.rate, watch.wake_rate]
    return (
        same
        and watch.since_height <= price.from_height
        and all(is_met(watch.direction, rate, price.rate) for rate in rates)
    )


def _order(row: WatchRow) -> tuple[Decimal, datetime, UUID]:
    watch = row.watch
    key = watch.wake_key if watch.direction is Direction.AT_LEAST else -watch.wake_key
    return key, watch.accepted_at, watch.order_id
