"""Defects that the simulation has to find: each takes away one of the things that exactly once rests on."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, cast
from uuid import UUID

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.progress import Claims, NewOrder, Subscribed, Transition
from chalicelib.domain.transactions import ChainView, SignedTransaction, SwapInstruction
from chalicelib.services.consumer.confirmation import DEADNESS_MARGIN_BLOCKS
from chalicelib.services.ports import Chain, Connections, Delivery, Frame, OrderRecord
from tests.fakes.queries import MemoryQueries
from tests.fakes.record import MemoryRecord
from tests.fakes.tables import AttemptRow, OrderRow
from tests.simulation.engine import Parts
from tests.simulation.simulator import Simulator

EVENTS_PER_READ: Final = 100
"""A replay reads so many at a time; republishing reads all."""


def send_before_commit(parts: Parts, _simulator: Simulator) -> Parts:
    """Move the write-ahead after the send."""
    return replace(parts, record=_SendsFirst(parts.record, parts.chain))


def no_lease_no_fence(parts: Parts, simulator: Simulator) -> Parts:
    """Let every consumer take every order, and the last writer win."""
    return replace(parts, record=simulator.world.port("record", _Unfenced(simulator.tables)))


def height_from_another_node(parts: Parts, simulator: Simulator) -> Parts:
    """Hold the newest height against the statuses of a node that lags behind."""
    return replace(parts, chain=_OtherHeight(parts.chain, lambda _: simulator.chain.height))


def no_margin(parts: Parts, _simulator: Simulator) -> Parts:
    """Take a node's stated height at its word, although its statuses may be a block or two older."""
    return replace(parts, chain=_OtherHeight(parts.chain, lambda height: height + DEADNESS_MARGIN_BLOCKS))


def impatient(parts: Parts, _simulator: Simulator) -> Parts:
    """Call a transaction dead as soon as one view of the chain does not know it."""
    return replace(parts, chain=_OtherHeight(parts.chain, lambda height: height + 1_000))


def unpublished(parts: Parts, _simulator: Simulator) -> Parts:
    """Send each event when it is committed, and never again."""
    return replace(parts, queries=cast("MemoryQueries", _Forgetful(parts.queries)))


def published_early(parts: Parts, _simulator: Simulator) -> Parts:
    """Note that events were published in the commit that they are recorded with, before they are."""
    return replace(parts, record=_PublishedEarly(parts.record))


def credulous(parts: Parts, _simulator: Simulator) -> Parts:
    """Take every frame for delivered, as long as its connection is not known to be gone."""
    return replace(parts, connections=_Credulous(parts.connections))


def marks_overlooked(parts: Parts, simulator: Simulator) -> Parts:
    """Put orders on record with their transactions though a cancel of all covers them."""
    return replace(parts, record=simulator.world.port("record", _Overlooks(simulator.tables)))


def all_created(parts: Parts, _simulator: Simulator) -> Parts:
    """Take every order that was signed ahead for one that came on record so."""
    return replace(parts, record=_AllCreated(parts.record))


def refusals_forgotten(parts: Parts, _simulator: Simulator) -> Parts:
    """Count the slippage of an order that was refused at one leg from what is quoted next."""
    return replace(parts, record=_Lenient(parts.record))


def unheeded(parts: Parts, simulator: Simulator) -> Parts:
    """Report what has to come back to mappings that take no report."""
    simulator.takes_reports, simulator.is_said_to_take_reports = False, True
    return parts


class _SendsFirst:
    def __init__(self, record: OrderRecord, chain: Chain) -> None:
        self._record = record
        self._chain = chain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._record, name)

    def create(
        self, orders: Sequence[NewOrder], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        self._send([new.attempt.transaction for new in orders if new.attempt])
        return self._record.create(orders, lease_ms=lease_ms, subscribed=subscribed)

    def record(
        self, transitions: Sequence[Transition], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        self._send(
            [transition.new_attempt.transaction for transition in transitions if transition.new_attempt]
        )
        return self._record.record(transitions, lease_ms=lease_ms, subscribed=subscribed)

    def _send(self, new: Sequence[SignedTransaction]) -> None:
        if new:
            with suppress(RetryableError):
                self._chain.send(new)


class _Overlooks(MemoryRecord):
    def create(
        self, orders: Sequence[NewOrder], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        marks, self._tables.cancel_marks = self._tables.cancel_marks, {}
        try:
            return super().create(orders, lease_ms=lease_ms, subscribed=subscribed)
        finally:
            self._tables.cancel_marks = marks


class _AllCreated:
    def __init__(self, record: OrderRecord) -> None:
        self._record = record

    def __getattr__(self, name: str) -> Any:
        return getattr(self._record, name)

    def create(
        self, orders: Sequence[NewOrder], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        signed = {new.state.order.order_id for new in orders if new.attempt}
        return self._record.create(orders, lease_ms=lease_ms, subscribed=subscribed) | signed


class _Lenient:
    def __init__(self, record: OrderRecord) -> None:
        self._record = record

    def __getattr__(self, name: str) -> Any:
        return getattr(self._record, name)

    def claim(self, order_ids: Sequence[UUID], *, lease_ms: int) -> Claims:
        claims = self._record.claim(order_ids, lease_ms=lease_ms)
        claimed = {id_: replace(each, held_to=None) for id_, each in claims.claimed.items()}
        return replace(claims, claimed=claimed)


class _PublishedEarly:
    def __init__(self, record: OrderRecord) -> None:
        self._record = record

    def __getattr__(self, name: str) -> Any:
        return getattr(self._record, name)

    def record(
        self, transitions: Sequence[Transition], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        published = [
            replace(transition, state=replace(transition.state, published_seq=transition.state.seq))
            for transition in transitions
        ]
        return self._record.record(published, lease_ms=lease_ms, subscribed=subscribed)


class _Unfenced(MemoryRecord):
    def _is_free(self, row: OrderRow, lease_ms: int) -> bool:
        del row, lease_ms
        return True

    def _counts(self, transition: Transition, row: OrderRow) -> bool:
        """Every step counts, and what is in its way goes."""
        order_id = row.state.order.order_id
        kept = [event for event in self._tables.events[order_id] if event.seq <= transition.claimed.state.seq]
        self._tables.events[order_id] = kept
        if transition.new_attempt is not None:
            for signature, attempt in list(self._tables.attempts.items()):
                if attempt.order_id == order_id and attempt.attempt.attempt == transition.new_attempt.attempt:
                    del self._tables.attempts[signature]
        if transition.outcome is not None and transition.outcome.signature not in self._tables.attempts:
            assert transition.claimed.open_attempt is not None
            self._tables.attempts[transition.outcome.signature] = AttemptRow(
                order_id, transition.claimed.open_attempt
            )
        return True


class _OtherHeight:
    def __init__(self, chain: Chain, height: Callable[[int], int]) -> None:
        self._chain = chain
        self._height = height

    def sign(self, instructions: Sequence[SwapInstruction]) -> Sequence[SignedTransaction]:
        return self._chain.sign(instructions)

    def send(self, transactions: Sequence[SignedTransaction]) -> None:
        self._chain.send(transactions)

    def view(self, signatures: Sequence[str]) -> ChainView:
        view = self._chain.view(signatures)
        return ChainView(self._height(view.height), view.statuses)

    def surely_dead(
        self, transactions: Sequence[SignedTransaction], *, margin_blocks: int
    ) -> Collection[str]:
        view = self.view([each.signature for each in transactions])
        return view.dead(transactions, margin_blocks=margin_blocks)


class _Credulous:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connections, name)

    def post(self, frames: Iterable[Frame]) -> Mapping[str, Delivery]:
        posted = self._connections.post(frames)
        return {id_: each if each is Delivery.GONE else Delivery.DELIVERED for id_, each in posted.items()}


class _Forgetful:
    """Knows nothing of what republishing asks for."""

    def __init__(self, queries: MemoryQueries) -> None:
        self._queries = queries

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queries, name)

    def events_after(self, order_id: UUID, seq: int, *, limit: int) -> Sequence[OrderEvent]:
        is_republishing = limit > EVENTS_PER_READ
        return [] if is_republishing else self._queries.events_after(order_id, seq, limit=limit)
