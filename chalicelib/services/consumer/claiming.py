"""Claiming a batch: new orders are created under lease and fence, others reclaimed once their lease ended.

What another consumer is working on, or has finished, gets its message's outcome here.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final
from uuid import UUID

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.progress import ClaimedOrder, Claims, NewOrder, Subscribed
from chalicelib.domain.statuses import OrderStatus
from chalicelib.logs import logger
from chalicelib.services.consumer import transitions
from chalicelib.services.consumer.announcements import Announcer
from chalicelib.services.consumer.batch import Batch, Incoming, MessageOutcome
from chalicelib.services.delivery.republish import PUBLISHED_WITHIN_S
from chalicelib.services.isolation import is_of_all, together_or_alone
from chalicelib.services.ports import Clock, LostTransactions, OrderRecord

_FIRED_AGAIN_S: Final = 1
_APART_S: Final = 1
_SECOND: Final = 2


@dataclass(frozen=True, slots=True)
class ExecutionLimits:
    """How long orders are claimed, how often they are tried, and how fast again;
    how long batched frames wait.
    """

    lease_ms: int
    attempts_max: int
    retry_delay_s: int
    batch_hold_ms: int

    @property
    def lease_s(self) -> int:
        return -(-self.lease_ms // 1000)

    def backoff_s(self, attempt: int) -> int:
        """Return the wait before an attempt, counted by those that were used up: doubled each time."""
        return int(self.retry_delay_s * 2 ** max(0, attempt - 2))


class Claiming:
    """The first step of a batch.

    Args:
        lost_transactions: What is new to the record may be so because it has lost it; None if it cannot have.
    """

    def __init__(
        self,
        record: OrderRecord,
        announcer: Announcer,
        clock: Clock,
        limits: ExecutionLimits,
        *,
        lost_transactions: LostTransactions | None,
    ) -> None:
        self._lost_transactions = lost_transactions
        self._record = record
        self._announcer = announcer
        self._clock = clock
        self._limits = limits

    def seeks_lost(self) -> bool:
        """Return whether orders are looked up before they are signed for; raises ``RetryableError``."""
        return self._lost_transactions is not None and self._lost_transactions.are_sought()

    def claim_signed(self, signed: Sequence[NewOrder], batch: Batch) -> list[ClaimedOrder]:
        """Put new orders on record with their transactions, and publish that; return those that were new.

        The others are to be claimed, as if nothing had been tried.

        Raises ``RetryableError`` if the record is unreachable: they may be on record all the same.
        """
        subscribed: Subscribed = {}
        try:
            created = self._record.create(signed, lease_ms=self._limits.lease_ms, subscribed=subscribed)
        except Exception as error:
            if is_of_all(error):
                raise
            return []  # whose fault it is shows when they are claimed one by one
        new = [each for each in signed if each.state.order.order_id in created]
        self._announcer.announce(
            batch,
            [(each.state.order, each.events) for each in new],
            batch.deferred_acknowledgements(each.state.order for each in new),
            subscribed=subscribed,
        )
        claimed = []
        for each in new:
            order, order_id = each.state.order, each.state.order.order_id
            batch.outcomes[order_id] = MessageOutcome(order=order)
            batch.claimed[order_id] = ClaimedOrder(each.state, 1, each.attempt)
            claimed.append(batch.claimed[order_id])
        return claimed

    def claim(self, incoming: Sequence[Incoming], batch: Batch, *, hold_s: float = 0.0) -> None:
        """Put new orders on record and claim all of a batch, as far as they are free; publish what is new.

        Args:
            hold_s: How long what is new may wait for the write-ahead's events.

        Raises ``RetryableError`` if the record is unreachable, or if of no order it is told whether it
        executed before the record was set back.
        """
        now = self._clock.now()
        sought = self._lost_transactions if self.seeks_lost() else None
        # A client that submits an order twice at once may have both in one batch: the first creates it.
        creators = dict[UUID, Incoming]()
        for each in incoming:
            if each.order is not None:
                creators.setdefault(each.order_id, each)
        new = {
            id_: transitions.first_transition(
                each.order, now, each.connection_id, may_have_executed=sought is not None
            )
            for id_, each in creators.items()
            if each.order is not None
        }
        created = self._created(list(new.values()), batch)
        self._announcer.announce(
            batch,
            [(new[id_].state.order, new[id_].events) for id_ in new if id_ in created],
            {
                id_: deferred_acknowledgement
                for id_ in created
                if (deferred_acknowledgement := creators[id_].deferred_acknowledgement)
            },
            hold_s=hold_s,
        )
        asked_for = dict.fromkeys((each.order_id for each in incoming), MessageOutcome())
        batch.outcomes.update(asked_for)
        batch.outcomes.update(
            {id_: MessageOutcome(order=creators[id_].order) for id_ in new if id_ in created}
        )
        batch.claimed.update(
            {
                id_: ClaimedOrder(each.state, fence=1)
                for id_, each in new.items()
                if id_ in created and not each.state.is_final
            }
        )
        for id_ in batch.defective:
            batch.outcomes[id_] = MessageOutcome(self._limits.lease_s)
        wanted = asked_for.keys() - created - batch.defective
        self._reclaim([id_ for id_ in asked_for if id_ in wanted], batch)
        self._set_apart(batch)
        if sought is not None:
            self._put_off_untold(batch, sought)

    def _put_off_untold(self, batch: Batch, lost_transactions: LostTransactions) -> None:
        """Put off the orders of which it is not told whether they executed before the record was set back.

        A wallet's history may be too long for one look, and that is no reason to hold another's orders.
        """
        fresh = [each for each in batch.claimed.values() if each.open_attempt is None]
        faults = dict(_faults(fresh, lost_transactions))
        untold = [each for each in fresh if each.state.order.order_id in faults]
        if untold and len(untold) == len(batch.claimed):
            # Their leases would count as those of consumers that died, for as long as this lasts.
            self._put_off(untold, batch, ())
            raise faults[untold[-1].state.order.order_id]
        for order_id, fault in faults.items():
            logger.warning("order comes back", order_id=str(order_id), reason=fault.message)
        self._put_off(untold, batch, [self._limits.lease_s] * len(untold))

    def _put_off(self, orders: Sequence[ClaimedOrder], batch: Batch, pauses_s: Iterable[int]) -> None:
        if orders:
            released = [transitions.release(each, published=False) for each in orders]
            self._record.record(released, lease_ms=self._limits.lease_ms)
        for each, pause_s in zip(orders, pauses_s, strict=False):
            batch.leave(each.state.order.order_id, pause_s)

    def _created(self, new: Sequence[NewOrder], batch: Batch) -> frozenset[UUID]:
        """Put orders on record; return those that were not there."""

        def create(some: Sequence[NewOrder]) -> frozenset[UUID]:
            return self._record.create(some, lease_ms=self._limits.lease_ms)

        def broken(one: NewOrder, error: Exception) -> None:
            batch.hit_defect(one.state.order.order_id, error, "recording")

        return frozenset[UUID]().union(*together_or_alone(new, create, broken))

    def _reclaim(self, order_ids: Sequence[UUID], batch: Batch) -> None:
        def claim(some: Sequence[UUID]) -> tuple[Sequence[UUID], Claims]:
            return some, self._record.claim(some, lease_ms=self._limits.lease_ms)

        def broken(order_id: UUID, error: Exception) -> None:
            batch.hit_defect(order_id, error, "claiming")
            batch.outcomes[order_id] = MessageOutcome(self._limits.lease_s)

        for asked_for, claims in together_or_alone(order_ids, claim, broken):
            self._take_claimed(asked_for, claims, batch)

    def _take_claimed(self, asked_for: Sequence[UUID], claims: Claims, batch: Batch) -> None:
        told_elsewhere = self._told_elsewhere(claims, batch)
        for order_id, state in claims.final.items():
            pause_s = PUBLISHED_WITHIN_S if order_id in told_elsewhere else None
            batch.outcomes[order_id] = MessageOutcome(pause_s, state.order)
        for order_id, state in claims.busy.items():
            # What fired just after it was put to rest is released in a moment.
            pause_s = _FIRED_AGAIN_S if batch.has_fired(order_id) else self._limits.lease_s
            batch.outcomes[order_id] = MessageOutcome(pause_s, state.order)
        for order_id, order in claims.claimed.items():
            batch.outcomes[order_id] = MessageOutcome(order=order.state.order)
            if order.state.status is not OrderStatus.OPEN:
                logger.warning("order reclaimed", order_id=str(order_id), order_status=order.state.status)
        for order_id in set(asked_for) - claims.claimed.keys() - claims.busy.keys() - claims.final.keys():
            if batch.brings(order_id):
                # Neither created nor there: another order has its client order id.
                logger.error("order not taken into the record", order_id=str(order_id))
                batch.outcomes[order_id] = MessageOutcome(self._limits.lease_s)
        batch.claimed.update(claims.claimed)
        for state in (
            *claims.final.values(),
            *claims.busy.values(),
            *(claimed.state for claimed in claims.claimed.values()),
        ):
            if state.order.order_id not in told_elsewhere:
                self._announcer.republish(batch, state)

    def _set_apart(self, batch: Batch) -> None:
        """Put off, one by one, the orders of a batch whose first consumer may have died over one of them.

        Killed, a batch comes back as it was, and again: the deadly order would take the others along, past
        their ends or to the dead letters. Alone, each shows what it is. None of them goes on at once: if that
        were the deadly one, the queue would not learn when to bring the others.
        """
        put_off = [each for each in batch.claimed.values() if _may_be_deadly(each, batch)]
        if not put_off or len(batch.claimed) == 1:
            return
        logger.warning("orders set apart", orders=len(put_off))
        self._put_off(put_off, batch, count(_APART_S, _APART_S))

    def _told_elsewhere(self, claims: Claims, batch: Batch) -> frozenset[UUID]:
        """Return the orders that were canceled just before they were to go on, and are told by who did that.

        What fires, or ends, in the moment of its cancel would be told to be canceled by both. Its message
        comes back in case that process has died.
        """
        canceled = [
            order_id
            for order_id, state in claims.final.items()
            if state.status is OrderStatus.CANCELED
            and state.published_seq < state.seq
            and not batch.brings(order_id)
        ]
        if not canceled:
            return frozenset()
        return self._record.published_elsewhere(canceled, within_s=PUBLISHED_WITHIN_S)


def _faults(
    orders: Sequence[ClaimedOrder], lost_transactions: LostTransactions
) -> Iterator[tuple[UUID, RetryableError]]:
    """Return why it is not told of orders whether they have executed, by order id."""
    if not orders:
        return
    try:
        # What keeps all of them is asked once: a silent chain, waited for with each, would leave no time to
        # release them.
        lost_transactions.of(())
    except RetryableError as fault:
        yield from ((each.state.order.order_id, fault) for each in orders)
        return
    for each in orders:
        try:
            lost_transactions.of([each.state.order])
        except RetryableError as fault:
            yield each.state.order.order_id, fault


def _may_be_deadly(order: ClaimedOrder, batch: Batch) -> bool:
    """Return whether an order comes again, and what its last consumer made of it is unknown.

    An outage looks like that too, and must not use up deliveries: so what never came on record counts once.
    What did is set apart each time that its consumer dies, since a delivery may have found it busy.
    """
    delivery = batch.delivery(order.state.order.order_id)
    is_new = order.fence == 1 and order.open_attempt is None
    return (order.is_abandoned and delivery >= _SECOND) or (is_new and delivery == _SECOND)
