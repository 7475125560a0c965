"""Defects around orders that wait: each takes away one of the things that a firing rests on."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from chalicelib.domain.events import Canceled, OrderEvent
from chalicelib.domain.launches import SeenOpenings
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import ClaimedOrder, Claims
from chalicelib.domain.queue_messages import OrderMessage
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import SignedTransaction, SwapInstruction
from chalicelib.domain.triggers import is_met
from chalicelib.domain.watches import DirectedPair, Fired, FiredBy, SeenPrice
from chalicelib.services.ports import Chain, Mints, OrderQueue, OrderRecord, QueueMessage
from chalicelib.services.resting.ports import Openings, Watches
from chalicelib.services.resting.watcher import fired_message
from chalicelib.wire.queue_messages import parse_message, render_message
from tests.simulation.engine import Parts
from tests.simulation.prices import WitnessedWatches
from tests.simulation.simulator import Simulator

_A_WHILE: Final = timedelta(hours=1)
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

    def fire(self, seen: Sequence[SeenPrice], *, limit: int) -> Sequence[Fired]:
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
            for price in seen
            if row.fired is None
            and (price.pair, price.direction, price.look)
            == (row.watch.pair, row.watch.direction, row.watch.look)
            and is_met(row.watch.direction, row.watch.rate, price.rate)
        ]
        if going_to:
            self._queue.send([fired_message(one) for one in going_to])
        self._watches.fire(seen, limit=limit)
        return []


class _SendsNothing(_Around):
    def fire(self, seen: Sequence[SeenPrice], *, limit: int) -> Sequence[Fired]:
        self._watches.fire(seen, limit=limit)
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


def old_pools_count(parts: Parts, _simulator: Simulator) -> Parts:
    """Take every pool of the pair for one that opened a moment ago, whenever it did."""
    return replace(parts, openings=_AlwaysNew(parts.openings))


def canceled_and_still_watched(parts: Parts, simulator: Simulator) -> Parts:
    """Cancel an order, and leave its watch where it is."""
    return replace(parts, record=cast("OrderRecord", _KeepsWatch(parts.record, simulator.watches, "cancel")))


def amended_and_not_watched_anew(parts: Parts, simulator: Simulator) -> Parts:
    """Give an order other terms, and go on waiting for the old ones."""
    return replace(parts, record=cast("OrderRecord", _KeepsWatch(parts.record, simulator.watches, "amend")))


def decimals_of_another_mint(parts: Parts, _simulator: Simulator) -> Parts:
    """Take a mint for one with other decimals than it has."""
    return replace(parts, mints=_OneMore(parts.mints))


def decimals_forgotten(parts: Parts, _simulator: Simulator) -> Parts:
    """Hold no pool that opens to the decimals that its order says."""
    return replace(parts, queue=cast("OrderQueue", _Forgets(parts.queue)))


class _OneMore:
    def __init__(self, mints: Mints) -> None:
        self._mints = mints

    def decimals(self, mints: Collection[str]) -> Mapping[str, int]:
        return {mint: decimals + 1 for mint, decimals in self._mints.decimals(mints).items()}


class _Forgets:
    def __init__(self, queue: OrderQueue) -> None:
        self._queue = queue

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    def send(self, messages: Sequence[QueueMessage]) -> None:
        self._queue.send([replace(each, body=_without_decimals(each.body)) for each in messages])


def _without_decimals(body: str) -> str:
    message = parse_message(body)
    if not isinstance(message, OrderMessage):
        return body
    terms = replace(message.order.terms, output_decimals=None)
    return render_message(replace(message, order=replace(message.order, terms=terms)))


class _AlwaysNew:
    def __init__(self, openings: Openings) -> None:
        self._openings = openings

    def seen(self, pairs: Collection[DirectedPair]) -> SeenOpenings:
        seen = self._openings.seen(pairs)
        later = {name: replace(each, at=each.at + _A_WHILE) for name, each in seen.by_pool.items()}
        return SeenOpenings(seen.height, later)


def ended_early(parts: Parts, _simulator: Simulator) -> Parts:
    """Take what fired for what was woken at its end."""
    return replace(parts, record=cast("OrderRecord", _EndsEarly(parts.record)))


def amended_as_it_was_found(parts: Parts, _simulator: Simulator) -> Parts:
    """Hold an amendment against the order as it was read before its row was held."""
    return replace(parts, record=cast("OrderRecord", _AsFound(parts.record)))


def canceled_by_word_alone(parts: Parts, _simulator: Simulator) -> Parts:
    """Answer that an order is canceled before that is committed, and never do it."""
    return replace(parts, record=cast("OrderRecord", _SaysCanceled(parts.record)))


class _AroundRecord:
    def __init__(self, record: OrderRecord) -> None:
        self._record = record

    def __getattr__(self, name: str) -> Any:
        return getattr(self._record, name)


class _EndsEarly(_AroundRecord):
    def claim(self, order_ids: Sequence[UUID], *, lease_ms: int) -> Claims:
        claims = self._record.claim(order_ids, lease_ms=lease_ms)
        claimed = {id_: _fired_later(each) for id_, each in claims.claimed.items()}
        return replace(claims, claimed=claimed)


def _fired_later(order: ClaimedOrder) -> ClaimedOrder:
    if order.fired is None:
        return order
    return replace(order, fired=replace(order.fired, fired_at=order.fired.fired_at + _A_WHILE))


class _AsFound(_AroundRecord):
    def amend(
        self,
        account_id: str,
        order_id: UUID,
        at: datetime,
        change: Callable[[OrderState], Order],
        amended: Mapping[str, object],
    ) -> tuple[Order, OrderEvent] | None:
        found = self._record.state(account_id, order_id)
        assert found is not None
        return self._record.amend(account_id, order_id, at, lambda _: change(found), amended)


class _SaysCanceled(_AroundRecord):
    def cancel(self, account_id: str, order_id: UUID, at: datetime) -> tuple[Order, OrderEvent] | None:
        found = self._record.state(account_id, order_id)
        if found is None or found.status is not OrderStatus.OPEN:
            return self._record.cancel(account_id, order_id, at)
        after, event = found.transition_to(Canceled(), at)
        return after.order, event


class _KeepsWatch:
    """Puts the watch of an order back that one method has replaced or removed."""

    def __init__(self, record: OrderRecord, watches: WitnessedWatches, method: str) -> None:
        self._record = record
        self._watches = watches
        self._method = method

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._record, name)
        return self._around(method) if name == self._method else method

    def _around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def keeping(account_id: str, order_id: UUID, *others: Any) -> Any:
            watch = self._watches.rows.get(order_id)
            found = method(account_id, order_id, *others)
            if watch is not None and found is not None:
                self._watches.rows[order_id] = watch
            return found

        return keeping
