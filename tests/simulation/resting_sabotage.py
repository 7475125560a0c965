"""Defects around orders that wait: each takes away one of the things that a firing rests on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, cast

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import SignedTransaction, SwapInstruction
from chalicelib.domain.triggers import is_met
from chalicelib.domain.watches import Fired, FiredBy, Threshold
from chalicelib.services.ports import Chain, OrderQueue
from chalicelib.services.resting.ports import Watches
from chalicelib.services.resting.watcher import fired_message
from tests.simulation.prices import WitnessedWatches
from tests.simulation.simulator import Parts, Simulator

_ANYTHING: Final = {SwapMode.EXACT_IN: 1, SwapMode.EXACT_OUT: 2**64 - 1}


def fire_before_commit(parts: Parts, simulator: Simulator) -> Parts:
    """Send the messages of what is going to fire, and commit it then."""
    return replace(parts, watches=cast("Watches", _SendsFirst(parts.watches, parts.queue, simulator.watches)))


def disarm_without_message(parts: Parts, _simulator: Simulator) -> Parts:
    """Disarm what fires, and leave its message to the next look."""
    return replace(parts, watches=cast("Watches", _SendsNothing(parts.watches)))


def bound_on_quote_alone(parts: Parts, _simulator: Simulator) -> Parts:
    """Hold the limit against the quote, and let the transaction do with whatever it gets."""
    return replace(parts, chain=cast("Chain", _Unbounded(parts.chain)))


def expiry_not_looked_at(parts: Parts, _simulator: Simulator) -> Parts:
    """Look at the prices alone, and at no time that has come."""
    return replace(parts, watches=cast("Watches", _Timeless(parts.watches)))


class _Around:
    def __init__(self, watches: Watches) -> None:
        self._watches = watches

    def __getattr__(self, name: str) -> Any:
        return getattr(self._watches, name)


class _SendsFirst(_Around):
    def __init__(self, watches: Watches, queue: OrderQueue, rows: WitnessedWatches) -> None:
        super().__init__(watches)
        self._queue = queue
        self._rows = rows

    def fire(self, thresholds: Sequence[Threshold], *, limit: int) -> Sequence[Fired]:
        going_to = [
            Fired(
                row.watch.order_id,
                self._rows.account_of(row.watch.order_id),
                row.firing + 1,
                FiredBy.RATE,
                row.watch.look,
                self._rows.now(),
            )
            for row in self._rows.rows.values()
            for seen in thresholds
            if row.fired is None
            and (seen.pair, seen.direction, seen.look)
            == (row.watch.pair, row.watch.direction, row.watch.look)
            and is_met(row.watch.direction, row.watch.rate, seen.seen)
        ]
        if going_to:
            self._queue.send([fired_message(one) for one in going_to])
        self._watches.fire(thresholds, limit=limit)
        return []


class _SendsNothing(_Around):
    def fire(self, thresholds: Sequence[Threshold], *, limit: int) -> Sequence[Fired]:
        self._watches.fire(thresholds, limit=limit)
        return []

    def resend(self, *, unclaimed_for_ms: int, limit: int) -> Sequence[Fired]:
        del unclaimed_for_ms, limit
        return []


class _Timeless(_Around):
    def wake(self, *, limit: int) -> Sequence[Fired]:
        del limit
        return []


class _Unbounded:
    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    def sign(self, instructions: Sequence[SwapInstruction]) -> Sequence[SignedTransaction]:
        return self._chain.sign(
            [replace(each, threshold_units=_ANYTHING[each.swap_mode]) for each in instructions]
        )
