"""Executing a batch of orders, each exactly once.

The steps, in the only order that is safe:

1. **Claim.** Each order is created, or reclaimed once its lease has ended, under a fencing token that every
   later write must still carry.
2. **Plan.** Venues are asked side by side, and what is new is planned, while step 1 commits; refusals that
   cannot change end an order here. If all new orders of a batch are planned at once, steps 1 to 3 are one
   commit (``signed_ahead``).
3. **Write ahead.** Transactions are built and signed, so their signatures are known, and committed.
4. **Send.** From here on the same bytes only. An error says nothing about whether they will land.
5. **Confirm.** The chain is asked. Landed: confirmed. Refused: failed. Provably dead (its validity
   has passed, and the same view of the chain does not know it): a new attempt, later. Otherwise
   it cannot be known yet, and the message comes back to ask again.
6. **Release.** Once all events have been published, what is not finished is released, with a note that they
   were: the next consumer has only later events to publish.

A crash between any two steps leaves a record from which the next delivery goes on: with an open
attempt at step 4, without one at step 2.

Whatever is raised over one order that is no passing fault of something outside is a defect of ours, and stays
with that order: it is logged with its traceback, and the order ends as failed if nothing of its attempt was
sent, or else comes back alone. The others of the batch go on.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from chalicelib.domain.errors import Code, RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import ClaimedOrder, Subscribed, Transition
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.tokens import Tokens
from chalicelib.domain.watches import Watch
from chalicelib.logs import logger
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.consumer import transitions
from chalicelib.services.consumer.announcements import CLAIM_HOLD_S, Announcer
from chalicelib.services.consumer.batch import Batch, Incoming, MessageOutcome
from chalicelib.services.consumer.claiming import Claiming, ExecutionLimits
from chalicelib.services.consumer.confirmation import Confirmation
from chalicelib.services.consumer.plans_ahead import Ahead, planned_ahead
from chalicelib.services.consumer.reminders import note_reminded, reminded
from chalicelib.services.consumer.signed_ahead import signed_ahead
from chalicelib.services.consumer.write_ahead import Expecting, WriteAhead, not_expected
from chalicelib.services.delivery.background import Background
from chalicelib.services.delivery.publisher import EventPublisher
from chalicelib.services.delivery.republish import EventRepublisher
from chalicelib.services.isolation import is_of_all, together_or_alone
from chalicelib.services.mints import NO_MINTS
from chalicelib.services.planning.venues import QuoteCollector, QuoteRequest
from chalicelib.services.ports import Chain, Clock, LostTransactions, Mints, Observer, OrderRecord
from chalicelib.services.resting.launching import NO_OPENINGS
from chalicelib.services.resting.ports import Openings

_NO_IDS: Final[frozenset[UUID]] = frozenset()
_NO_PAUSES: Final[Mapping[UUID, int]] = MappingProxyType({})


AfterSwaps = Callable[[Collection[str]], object]
"""Told the ids of the pools that swaps have moved, after the commit; it raises nothing."""


AtRest = Callable[[Collection[tuple[Order, datetime | None]]], object]
"""Told the orders put to rest, and when each is to be looked at, after the commit; it raises nothing."""


AfterArming = Callable[[Sequence[RoutablePool]], object]
"""Told the pools that orders were planned on which are armed by now, after the commit; it raises nothing."""


def _nothing_waits(_: Collection[object]) -> None:
    pass


class ExecuteOrders:
    """The consumer's use case."""

    def __init__(
        self,
        *,
        record: OrderRecord,
        quote_collector: QuoteCollector,
        chain: Chain,
        confirmation: Confirmation,
        publisher: EventPublisher,
        republisher: EventRepublisher,
        background: Background,
        executor: Executor,
        observer: Observer,
        tokens: Tokens,
        clock: Clock,
        limits: ExecutionLimits,
        after_swaps: AfterSwaps = _nothing_waits,
        at_rest: AtRest = _nothing_waits,
        after_arming: AfterArming = _nothing_waits,
        openings: Openings = NO_OPENINGS,
        mints: Mints = NO_MINTS,
        expecting: Expecting = not_expected,
        lost_transactions: LostTransactions | None = None,
    ) -> None:
        self._record = record
        self._executor = executor
        self._tokens = tokens
        self._confirmation = confirmation
        self._clock = clock
        self._limits = limits
        self._after_swaps = after_swaps
        self._at_rest = at_rest
        self._after_arming = after_arming
        self._announcer = Announcer(
            publisher=publisher,
            republisher=republisher,
            background=background,
            observer=observer,
            batch_hold_ms=limits.batch_hold_ms,
        )
        self._claiming = Claiming(record, self._announcer, clock, limits, lost_transactions=lost_transactions)
        self._write_ahead = WriteAhead(
            quote_collector=quote_collector,
            chain=chain,
            tokens=tokens,
            clock=clock,
            attempts_max=limits.attempts_max,
            openings=openings,
            mints=mints,
            expecting=expecting,
            lost_transactions=lost_transactions,
        )

    def execute(self, incoming: Sequence[Incoming]) -> Mapping[UUID, MessageOutcome]:
        """Move every order of a batch as far as it will go; return an outcome for each.

        Raises:
            RetryableError: The record is unreachable, or subscribers were not reached; nothing is lost,
                all of it can be asked again.
        """
        try:
            return self._execute(incoming, may_wait=True)
        except Exception as error:
            batch = Batch.of(incoming)
            if is_of_all(error):
                raise
            if len(batch.requests) == 1:
                return {id_: self._broken(batch, id_, error) for id_ in batch.requests}
            # Of which order it is shows when each is tried alone.
            logger.error("defect", exc_info=error, doing="executing a batch")
        return self._each_alone(batch)

    def _each_alone(self, batch: Batch) -> Mapping[UUID, MessageOutcome]:
        """Execute each order of a batch by itself, without waiting for the chain:
        there is no time for ten waits.
        """
        outcomes: dict[UUID, MessageOutcome] = {}
        for order_id, requests in batch.requests.items():
            try:
                # What the first go has published is not certain: what it has recorded is published again.
                again = [replace(each, delivery=max(2, each.delivery)) for each in requests]
                outcomes |= self._execute(again, may_wait=False)
            except RetryableError as fault:
                logger.warning("order comes back", order_id=str(order_id), reason=fault.message)
                outcomes[order_id] = MessageOutcome(self._limits.lease_s)
            except Exception as error:  # noqa: BLE001  # this order's alone
                outcomes[order_id] = self._broken(batch, order_id, error)
        return outcomes

    def _broken(self, batch: Batch, order_id: UUID, error: Exception) -> MessageOutcome:
        """Return what becomes of an order that a defect keeps from being executed, and from being ended."""
        batch.hit_defect(order_id, error, "executing")
        return MessageOutcome(self._limits.lease_s)

    def _execute(self, incoming: Sequence[Incoming], *, may_wait: bool) -> Mapping[UUID, MessageOutcome]:
        batch = Batch.of(incoming)
        try:
            # The venues answer while the orders are claimed: what
            # is new will nearly always have to be planned.
            is_new = any(not each.is_repeated for each in incoming)
            wanted = [each.order for each in incoming if each.order is not None]
            quote_request = self._write_ahead.quotes_for(wanted) if is_new else None
            ahead = (
                planned_ahead(incoming, quote_request, self._tokens, self._executor)
                if quote_request is not None and not self._claiming.seeks_lost()
                else None
            )
            begun = self._begun(incoming, batch, ahead) if ahead is not None else []
            rest = [each for each in incoming if each.order_id not in batch.claimed]
            if rest:
                is_write_ahead_near = ahead is None or ahead.done()
                self._claiming.claim(rest, batch, hold_s=CLAIM_HOLD_S if is_write_ahead_near else 0.0)
            claimed = list(batch.claimed.values())[len(begun) :]
            started = [order for order in claimed if order.open_attempt]
            fresh = [order for order in claimed if not order.open_attempt]
            signed = [*begun, *(self._written_ahead(fresh, batch, quote_request, ahead) if rest else ())]
            wait_s = self._confirmation.wait_s() if may_wait else 0.0
            self._after_swaps(self._confirm(started, signed, batch, wait_s))
        except Exception as error:
            if is_of_all(error):
                self._announcer.wait()
            else:
                self._release_after_defect(batch)
            raise
        self._release_unfinished(batch, wait_s)
        return batch.outcomes

    def _begun(self, incoming: Sequence[Incoming], batch: Batch, ahead: Ahead) -> list[ClaimedOrder]:
        """Claim new orders with their transactions; return those that may now be sent."""
        signed = signed_ahead(incoming, ahead, self._write_ahead, self._clock.now())
        return self._claiming.claim_signed(signed, batch) if signed else []

    def _written_ahead(
        self,
        claimed: Sequence[ClaimedOrder],
        batch: Batch,
        quote_request: QuoteRequest | None,
        ahead: Ahead | None,
    ) -> list[ClaimedOrder]:
        """Plan, sign and commit; return the orders whose transactions may now be sent."""
        now = self._clock.now()
        due = [order for order in claimed if batch.is_due(order, now)]
        timely = [order for order in due if not order.is_late(now)]
        if timely and quote_request is None:
            quote_request = self._write_ahead.quote_request(timely)
        ready = self._past_triggers(due, batch, quote_request, now)
        still_claimed: list[ClaimedOrder] = []
        if ready:
            decided = self._write_ahead.transitions(ready, quote_request, batch, ahead)
            still_claimed = self._commit(decided, batch)
        if batch.armed and quote_request is not None:
            self._after_arming(quote_request.answers().pools)
        return [order for order in still_claimed if order.open_attempt]

    def _past_triggers(
        self,
        due: Sequence[ClaimedOrder],
        batch: Batch,
        quote_request: QuoteRequest | None,
        now: datetime,
    ) -> list[ClaimedOrder]:
        """Return the orders that wait for no trigger any more; what became of the others is committed."""
        waiting = [each for each in due if each.state.waits_for_trigger and not each.is_late(now)]
        if not waiting:
            return list(due)
        looked_at = self._commit(self._write_ahead.triggers(waiting, quote_request, batch), batch)
        past = [order for order in due if order not in waiting]
        # One that was found to have executed has its attempt, and is confirmed when it comes again.
        return past + [each for each in looked_at if not (each.state.waits_for_trigger or each.open_attempt)]

    def _confirm(
        self, started: Sequence[ClaimedOrder], signed: Sequence[ClaimedOrder], batch: Batch, wait_s: float
    ) -> frozenset[str]:
        """Send and look up; return the pools that were traded with."""
        moved = frozenset[str]()
        if not started and not signed:
            return moved
        self._confirmation.send([*started, *signed])
        # What they exchanged is written down for good, in token units: without those it waits.
        started = self._write_ahead.readable(started) if started else started
        if not started and not signed:
            return moved
        for decided in self._confirmation.decisions(started, signed, wait_s=wait_s):
            self._commit(decided, batch)
            moved = moved.union(*(transition.moved_pools for transition in decided))
        return moved

    def _release_unfinished(self, batch: Batch, waited_s: float) -> None:
        """Release what is not finished, once its subscribers know how far it is."""
        pauses_s = {
            id_: self._pause_s(claimed, batch, waited_s)
            for id_, claimed in batch.claimed.items()
            # What rests needs no message: its watch is committed. What a defect kept from that has fired.
            if claimed.state.status is not OrderStatus.OPEN or id_ in batch.defective
        }
        published = False
        try:
            self._announcer.wait()
            published = True
        finally:
            self._commit(
                [
                    transitions.release(claimed, published=published and batch.is_acknowledged(claimed.state))
                    for claimed in batch.claimed.values()
                ],
                batch,
                pauses_s,
            )
            for order_id in batch.unpublished:
                pause_s = batch.outcomes[order_id].retry_in_s or self._limits.lease_s
                batch.outcomes[order_id] = MessageOutcome(pause_s, batch.outcomes[order_id].order)
        note_reminded(self._record, batch)

    def _release_after_defect(self, batch: Batch) -> None:
        """Release what is claimed after a defect, as it stands on record: each order will be tried alone."""
        try:
            self._announcer.wait()
        except RetryableError as fault:
            logger.warning("events not published", reason=fault.message)
        release = [transitions.release(claimed, published=False) for claimed in batch.claimed.values()]
        if release:
            self._record.record(release, lease_ms=self._limits.lease_ms)

    def _commit(
        self, decided: Sequence[Transition], batch: Batch, pauses_s: Mapping[UUID, int] = _NO_PAUSES
    ) -> list[ClaimedOrder]:
        """Record transitions, publish their events, set the outcomes; return what is still claimed."""
        unrecorded: list[Transition] = []
        subscribed: Subscribed = {}

        def record(some: Sequence[Transition]) -> frozenset[UUID]:
            return self._record.record(some, lease_ms=self._limits.lease_ms, subscribed=subscribed)

        def broken(transition: Transition, error: Exception) -> None:
            batch.hit_defect(transition.state.order.order_id, error, "recording")
            unrecorded.append(transition)

        counted = _NO_IDS.union(*together_or_alone(decided, record, broken))
        recorded = list(decided)
        if len(counted) < len(decided):
            recorded = [transition for transition in decided if transition.state.order.order_id in counted]
        batch.reminded.extend(reminded(recorded, self._clock.now()))
        self._announcer.announce(
            batch,
            [(transition.state.order, transition.events) for transition in recorded if transition.events],
            subscribed=subscribed,
        )
        self._note_armed([each for each in recorded if each.watch is not None], batch)
        for transition in decided:
            if unrecorded and transition in unrecorded:
                continue
            order_id = transition.state.order.order_id
            retry_in_s = pauses_s.get(order_id) if order_id in counted else self._limits.lease_s
            batch.leave(order_id, retry_in_s)
        if len(counted) < len(decided):
            self._end_covered(decided, counted, batch)
        kept = {
            transition.state.order.order_id: ClaimedOrder(
                transition.state, transition.claimed.fence, transition.new_attempt
            )
            for transition in recorded
            if not transition.release
        }
        batch.claimed.update(kept)
        if unrecorded:
            self._give_up(unrecorded, batch)
        return list(kept.values())

    def _note_armed(self, armed: Sequence[Transition], batch: Batch) -> None:
        """Have the orders looked at again that rest by now."""
        if not armed:
            return
        batch.armed.update(each.state.order.order_id for each in armed)
        rests = [
            (each.state.order, _looked_at_again(each, each.watch))
            for each in armed
            if each.watch is not None and (each.events or each.state.order.terms.sniper is not None)
        ]
        if rests:
            self._at_rest(rests)

    def _end_covered(self, decided: Sequence[Transition], counted: Collection[UUID], batch: Batch) -> None:
        """End, of orders that could not be moved on, those that were canceled while in the queue."""
        lost = [each.state.order.order_id for each in decided if each.state.order.order_id not in counted]
        canceled = self._record.cancel_covered(lost, self._clock.now()) if lost else ()
        for order, _ in canceled:
            batch.outcomes[order.order_id] = MessageOutcome(order=order)
        self._announcer.announce(batch, [(order, (event,)) for order, event in canceled])

    def _give_up(self, unrecorded: Sequence[Transition], batch: Batch) -> None:
        """End the orders whose transitions the record does not take, if nothing was sent;
        else they come back, each alone.
        """
        for transition in unrecorded:
            order_id = transition.state.order.order_id
            batch.outcomes[order_id] = MessageOutcome(self._limits.lease_s, batch.outcomes[order_id].order)
            is_last_resort = not transition.events or transition.failure_code is Code.INTERNAL_ERROR
            is_last_resort |= order_id in batch.put_off
            if transition.claimed.open_attempt is None and not is_last_resort:
                self._commit([self._write_ahead.given_up(transition.claimed)], batch)

    def _pause_s(self, claimed: ClaimedOrder, batch: Batch, waited_s: float) -> int:
        """Return how long to leave an unfinished order alone."""
        if claimed.state.order.order_id in batch.defective:
            return self._limits.lease_s
        if claimed.open_attempt is None:
            return self._limits.backoff_s(claimed.state.used_attempts)
        return self._confirmation.pause_s(batch.delivery(claimed.state.order.order_id), waited_s=waited_s)


def _looked_at_again(transition: Transition, watch: Watch) -> datetime | None:
    """Return when an order is to have a message of its own.

    At its end, a sniper order at its next look too.
    """
    order = transition.state.order
    return order.valid_until if order.terms.sniper is None else watch.wake_at
