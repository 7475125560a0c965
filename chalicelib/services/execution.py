"""Executing a batch of orders, each exactly once.

The steps, in the only order that is safe:

1. **Claim.** Each order is created, or taken over once its lease has ended, under a fencing token
   that every later write must still hold.
2. **Plan.** Venues are asked side by side; refusals that cannot change end an order here.
3. **Write ahead.** Transactions are built and signed, so their signatures are known, and committed.
4. **Send.** From here on the same bytes only. An error says nothing about whether they will land.
5. **Settle.** The chain is asked. Landed: confirmed. Refused: failed. Provably dead (its validity
   has passed, and the same view of the chain does not know it): a new attempt, later. Otherwise
   nobody can know yet, and the message comes back to ask again.
6. **Let go.** Once all events have been told, what is not finished is given up, with a note that they
   were: whoever goes on with it has only news to tell.

A crash between any two steps leaves a record from which the next delivery goes on: with an open
attempt at step 4, without one at step 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from uuid import UUID

from chalicelib.domain.errors import Code, ExecutionError, RefusedError, RetryableError
from chalicelib.domain.orders import Order, OrderEvent, OrderState
from chalicelib.domain.progress import HeldOrder, NewOrder, Step
from chalicelib.domain.tokens import Tokens
from chalicelib.logs import logger
from chalicelib.services import steps
from chalicelib.services.background import Background
from chalicelib.services.batch import Batch, Incoming, Verdict
from chalicelib.services.planning import PlannedSwap, Planner, instruction, plans_in_order
from chalicelib.services.ports import Chain, Clock, Observer, OrderRecord
from chalicelib.services.retelling import Retelling
from chalicelib.services.settlement import Settlement
from chalicelib.services.telling import NOTHING_OWED, Owed, Teller
from chalicelib.services.venues import Inquiry, VenueDesk

_NO_PAUSES: Final[Mapping[UUID, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ExecutionLimits:
    """How long orders are held, how often they are tried, and how fast again; how long batched frames wait."""

    lease_ms: int
    attempts_max: int
    retry_delay_s: int
    batch_hold_ms: int

    @property
    def lease_s(self) -> int:
        return -(-self.lease_ms // 1000)

    def backoff_s(self, attempt: int) -> int:
        """Return the wait before an attempt: doubled each time."""
        return int(self.retry_delay_s * 2 ** max(0, attempt - 2))


class ExecuteOrders:
    """The consumer's use case."""

    def __init__(
        self,
        *,
        record: OrderRecord,
        desk: VenueDesk,
        chain: Chain,
        settlement: Settlement,
        teller: Teller,
        retelling: Retelling,
        background: Background,
        observer: Observer,
        tokens: Tokens,
        clock: Clock,
        limits: ExecutionLimits,
    ) -> None:
        self._record = record
        self._desk = desk
        self._chain = chain
        self._settlement = settlement
        self._teller = teller
        self._retelling = retelling
        self._background = background
        self._observer = observer
        self._tokens = tokens
        self._clock = clock
        self._limits = limits

    def execute(self, incoming: Sequence[Incoming]) -> Mapping[UUID, Verdict]:
        """Move every order of a batch as far as it will go; return a verdict for each.

        Raises:
            RetryableError: The record is unreachable, or listeners were not told; nothing is lost,
                all of it can be asked again.
        """
        batch = Batch.of(incoming)
        try:
            # The venues answer while the orders are claimed: what is new will nearly always have to be planned.
            inquiry = self._desk.begin() if any(not each.is_repeated for each in incoming) else None
            self._claim(incoming, batch)
            held = list(batch.held.values())
            started = [order for order in held if order.open_attempt]
            fresh = [order for order in held if not order.open_attempt]
            signed = self._write_ahead(fresh, batch, inquiry)
            wait_s = self._settlement.wait_s()
            self._settle(started, signed, batch, wait_s)
        except Exception:
            self._background.wait()
            raise
        self._let_go(batch, wait_s)
        return batch.verdicts

    def _claim(self, incoming: Sequence[Incoming], batch: Batch) -> None:
        now = self._clock.now()
        # A client that submits an order twice at once may have both in one batch: the first creates it.
        creators = {each.order_id: each for each in reversed(incoming) if each.order is not None}
        new = {
            id_: steps.first_step(each.order, now, each.connection_id)
            for id_, each in creators.items()
            if each.order is not None
        }
        created = (
            self._record.create(list(new.values()), lease_ms=self._limits.lease_ms) if new else frozenset()
        )
        self._announce(
            batch,
            [(new[id_].state.order, new[id_].events) for id_ in new if id_ in created],
            {id_: owed for id_ in created if (owed := creators[id_].owed)},
        )
        batch.verdicts.update(dict.fromkeys(batch.requests, Verdict()))
        batch.verdicts.update({id_: Verdict(order=creators[id_].order) for id_ in new if id_ in created})
        batch.held.update(
            {id_: _held(new[id_]) for id_ in new if id_ in created and not new[id_].state.is_final}
        )
        self._take_over([id_ for id_ in batch.verdicts if id_ not in created], batch)

    def _take_over(self, order_ids: Sequence[UUID], batch: Batch) -> None:
        if not order_ids:
            return
        claims = self._record.claim(order_ids, lease_ms=self._limits.lease_ms)
        for order_id, state in claims.final.items():
            batch.verdicts[order_id] = Verdict(order=state.order)
        for order_id, state in claims.busy.items():
            batch.verdicts[order_id] = Verdict(self._limits.lease_s, state.order)
        for order_id, order in claims.held.items():
            batch.verdicts[order_id] = Verdict(order=order.state.order)
            logger.warning("order taken over", order_id=str(order_id), order_status=order.state.status)
        batch.held.update(claims.held)
        for state in (
            *claims.final.values(),
            *claims.busy.values(),
            *(held.state for held in claims.held.values()),
        ):
            self._retell(state, batch)

    def _retell(self, found: OrderState, batch: Batch) -> None:
        """Tell what may not have been told, ahead of all that will happen."""
        if batch.may_be_untold(found.order.order_id):
            creator = batch.creator(found.order)
            self._background.run(lambda: self._retelling.retell(found, creator.owed if creator else None))

    def _write_ahead(
        self, held: Sequence[HeldOrder], batch: Batch, inquiry: Inquiry | None
    ) -> list[HeldOrder]:
        """Plan, sign and commit; return the orders whose transactions may now be sent."""
        now = self._clock.now()
        ended = [steps.late(order, now) for order in held if now > order.state.order.valid_until]
        timely = [order for order in held if now <= order.state.order.valid_until]
        planned = self._planned(timely, inquiry or self._desk.begin()) if timely else []
        ended += [self._ended(order, plan) for order, plan in planned if isinstance(plan, ExecutionError)]
        ready = [(order, plan) for order, plan in planned if isinstance(plan, PlannedSwap)]
        held_on = self._commit([*ended, *self._signed(ready)], batch)
        return [order for order in held_on if order.open_attempt]

    def _planned(
        self, held: Sequence[HeldOrder], inquiry: Inquiry
    ) -> list[tuple[HeldOrder, PlannedSwap | ExecutionError]]:
        planner = Planner(inquiry.answers(), self._tokens)
        return list(zip(held, plans_in_order(planner, [order.state for order in held]), strict=True))

    def _signed(self, ready: Sequence[tuple[HeldOrder, PlannedSwap]]) -> list[Step]:
        if not ready:
            return []
        wanted = [instruction(order.state, planned.plan) for order, planned in ready]
        try:
            transactions = self._chain.sign(wanted)
        except RetryableError as error:
            return [self._ended(order, error) for order, _ in ready]
        now = self._clock.now()
        return [
            steps.submitted(order, planned, wish, transaction, now)
            for (order, planned), wish, transaction in zip(ready, wanted, transactions, strict=True)
        ]

    def _ended(self, order: HeldOrder, error: ExecutionError) -> Step:
        """Return the end of an attempt before anything was sent: for good, or to be tried again."""
        now = self._clock.now()
        if isinstance(error, RefusedError):
            return steps.failed(order, error, now)
        if order.state.attempt >= self._limits.attempts_max:
            return steps.failed(order, ExecutionError(Code.NO_ROUTE, error.message), now)
        return steps.next_attempt(order, error.message, now)

    def _settle(
        self, started: Sequence[HeldOrder], signed: Sequence[HeldOrder], batch: Batch, wait_s: float
    ) -> None:
        if not started and not signed:
            return
        self._settlement.send(order.open_attempt for order in (*started, *signed) if order.open_attempt)
        for decided in self._settlement.decisions(started, signed, wait_s=wait_s):
            self._commit(decided, batch)

    def _let_go(self, batch: Batch, waited_s: float) -> None:
        """Give up what is not finished, once everybody has been told how far it is."""
        pauses_s = {id_: self._pause_s(held, batch, waited_s) for id_, held in batch.held.items()}
        told = False
        try:
            self._background.wait()
            told = True
        finally:
            self._commit(
                [
                    steps.let_go(held, told=told and batch.has_told(held.state))
                    for held in batch.held.values()
                ],
                batch,
                pauses_s,
            )

    def _commit(
        self, decided: Sequence[Step], batch: Batch, pauses_s: Mapping[UUID, int] = _NO_PAUSES
    ) -> list[HeldOrder]:
        """Record steps, tell the listeners, set the verdicts; return what is still held, as it now stands."""
        if not decided:
            return []
        counted = self._record.record(decided, lease_ms=self._limits.lease_ms)
        recorded = [step for step in decided if step.state.order.order_id in counted]
        self._announce(batch, [(step.state.order, step.events) for step in recorded if step.events])
        for step in decided:
            order_id = step.state.order.order_id
            retry_in_s = pauses_s.get(order_id) if order_id in counted else self._limits.lease_s
            batch.verdicts[order_id] = Verdict(retry_in_s, batch.verdicts[order_id].order)
            del batch.held[order_id]
        kept = {
            step.state.order.order_id: HeldOrder(step.state, step.held.fence, step.new_attempt)
            for step in recorded
            if not step.release
        }
        batch.held.update(kept)
        return list(kept.values())

    def _pause_s(self, held: HeldOrder, batch: Batch, waited_s: float) -> int:
        """Return how long to leave an unfinished order alone."""
        if held.open_attempt is None:
            return self._limits.backoff_s(held.state.attempt)
        return self._settlement.pause_s(batch.delivery(held.state.order.order_id), waited_s=waited_s)

    def _announce(
        self, batch: Batch, told: list[tuple[Order, tuple[OrderEvent, ...]]], owed: Owed = NOTHING_OWED
    ) -> None:
        if told:
            self._observer.saw(told, batch.correlation_ids)
            self._background.run(lambda: self._teller.hold(told, owed))
            self._background.run_within(self._limits.batch_hold_ms / 1000, self._teller.flush)


def _held(new: NewOrder) -> HeldOrder:
    return HeldOrder(new.state, fence=1)
