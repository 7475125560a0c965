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

Whatever is raised over one order that is no passing fault of something outside is a defect of ours, and stays with
that order: it is logged with its traceback, and the order ends as failed if nothing of its attempt was sent, or else
comes back alone. The others of the batch go on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final
from uuid import UUID

from chalicelib.domain.errors import Code, RetryableError
from chalicelib.domain.progress import Claims, HeldOrder, NewOrder, Step
from chalicelib.domain.tokens import Tokens
from chalicelib.logs import logger
from chalicelib.services import steps
from chalicelib.services.announcing import Announcer
from chalicelib.services.background import Background
from chalicelib.services.batch import Batch, Incoming, Verdict
from chalicelib.services.isolation import together_or_alone
from chalicelib.services.ports import Chain, Clock, Observer, OrderRecord
from chalicelib.services.retelling import Retelling
from chalicelib.services.settlement import Settlement
from chalicelib.services.telling import Teller
from chalicelib.services.venues import Inquiry, VenueDesk
from chalicelib.services.write_ahead import WriteAhead

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
        self._settlement = settlement
        self._clock = clock
        self._limits = limits
        self._announcer = Announcer(
            teller=teller,
            retelling=retelling,
            background=background,
            observer=observer,
            batch_hold_ms=limits.batch_hold_ms,
        )
        self._write_ahead = WriteAhead(
            desk=desk, chain=chain, tokens=tokens, clock=clock, attempts_max=limits.attempts_max
        )

    def execute(self, incoming: Sequence[Incoming]) -> Mapping[UUID, Verdict]:
        """Move every order of a batch as far as it will go; return a verdict for each.

        Raises:
            RetryableError: The record is unreachable, or listeners were not told; nothing is lost,
                all of it can be asked again.
        """
        try:
            return self._execute(incoming, may_wait=True)
        except RetryableError:
            raise
        except Exception as error:  # noqa: BLE001  # of which order it is shows when each is tried alone
            batch = Batch.of(incoming)
            if len(batch.requests) == 1:
                return {id_: self._broken(batch, id_, error) for id_ in batch.requests}
            logger.error("defect", exc_info=error, doing="executing a batch")
        return self._each_alone(batch)

    def _each_alone(self, batch: Batch) -> Mapping[UUID, Verdict]:
        """Execute each order of a batch by itself, without waiting for the chain: there is no time for ten waits."""
        verdicts: dict[UUID, Verdict] = {}
        for order_id, requests in batch.requests.items():
            try:
                # What the first go has told is not certain: what it has recorded is told again.
                again = [replace(each, delivery=max(2, each.delivery)) for each in requests]
                verdicts |= self._execute(again, may_wait=False)
            except RetryableError as fault:
                logger.warning("order comes back", order_id=str(order_id), reason=fault.message)
                verdicts[order_id] = Verdict(self._limits.lease_s)
            except Exception as error:  # noqa: BLE001  # this order's alone
                verdicts[order_id] = self._broken(batch, order_id, error)
        return verdicts

    def _broken(self, batch: Batch, order_id: UUID, error: Exception) -> Verdict:
        """Return what becomes of an order that cannot be executed, nor ended, for a reason that nobody foresaw."""
        batch.hit_defect(order_id, error, "executing")
        return Verdict(self._limits.lease_s)

    def _execute(self, incoming: Sequence[Incoming], *, may_wait: bool) -> Mapping[UUID, Verdict]:
        batch = Batch.of(incoming)
        try:
            # The venues answer while the orders are claimed: what is new will nearly always have to be planned.
            inquiry = self._desk.begin() if any(not each.is_repeated for each in incoming) else None
            self._claim(incoming, batch)
            held = list(batch.held.values())
            started = [order for order in held if order.open_attempt]
            fresh = [order for order in held if not order.open_attempt]
            signed = self._written_ahead(fresh, batch, inquiry)
            wait_s = self._settlement.wait_s() if may_wait else 0.0
            self._settle(started, signed, batch, wait_s)
        except RetryableError:
            self._announcer.wait()
            raise
        except Exception:
            self._release(batch)
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
        created = self._created(list(new.values()), batch)
        self._announcer.announce(
            batch,
            [(new[id_].state.order, new[id_].events) for id_ in new if id_ in created],
            {id_: owed for id_ in created if (owed := creators[id_].owed)},
        )
        batch.verdicts.update(dict.fromkeys(batch.requests, Verdict()))
        batch.verdicts.update({id_: Verdict(order=creators[id_].order) for id_ in new if id_ in created})
        batch.held.update(
            {id_: _held(new[id_]) for id_ in new if id_ in created and not new[id_].state.is_final}
        )
        for id_ in batch.defective:
            batch.verdicts[id_] = Verdict(self._limits.lease_s)
        wanted = batch.verdicts.keys() - created - batch.defective
        self._take_over([id_ for id_ in batch.verdicts if id_ in wanted], batch)

    def _created(self, new: Sequence[NewOrder], batch: Batch) -> frozenset[UUID]:
        """Put orders on record; return those that were not there."""

        def create(some: Sequence[NewOrder]) -> frozenset[UUID]:
            return self._record.create(some, lease_ms=self._limits.lease_ms)

        def broken(one: NewOrder, error: Exception) -> None:
            batch.hit_defect(one.state.order.order_id, error, "recording")

        return frozenset[UUID]().union(*together_or_alone(new, create, broken))

    def _take_over(self, order_ids: Sequence[UUID], batch: Batch) -> None:
        def claim(some: Sequence[UUID]) -> tuple[Sequence[UUID], Claims]:
            return some, self._record.claim(some, lease_ms=self._limits.lease_ms)

        def broken(order_id: UUID, error: Exception) -> None:
            batch.hit_defect(order_id, error, "claiming")
            batch.verdicts[order_id] = Verdict(self._limits.lease_s)

        for asked_for, claims in together_or_alone(order_ids, claim, broken):
            self._take_claimed(asked_for, claims, batch)

    def _take_claimed(self, asked_for: Sequence[UUID], claims: Claims, batch: Batch) -> None:
        for order_id, state in claims.final.items():
            batch.verdicts[order_id] = Verdict(order=state.order)
        for order_id, state in claims.busy.items():
            batch.verdicts[order_id] = Verdict(self._limits.lease_s, state.order)
        for order_id, order in claims.held.items():
            batch.verdicts[order_id] = Verdict(order=order.state.order)
            logger.warning("order taken over", order_id=str(order_id), order_status=order.state.status)
        for order_id in set(asked_for) - claims.held.keys() - claims.busy.keys() - claims.final.keys():
            if any(each.order is not None for each in batch.requests[order_id]):
                # Neither created nor there: another order has its client order id.
                logger.error("order not taken into the record", order_id=str(order_id))
                batch.verdicts[order_id] = Verdict(self._limits.lease_s)
        batch.held.update(claims.held)
        for state in (
            *claims.final.values(),
            *claims.busy.values(),
            *(held.state for held in claims.held.values()),
        ):
            self._announcer.retell(batch, state)

    def _written_ahead(
        self, held: Sequence[HeldOrder], batch: Batch, inquiry: Inquiry | None
    ) -> list[HeldOrder]:
        """Plan, sign and commit; return the orders whose transactions may now be sent."""
        held_on = self._commit(self._write_ahead.steps(held, inquiry, batch), batch)
        return [order for order in held_on if order.open_attempt]

    def _settle(
        self, started: Sequence[HeldOrder], signed: Sequence[HeldOrder], batch: Batch, wait_s: float
    ) -> None:
        if not started and not signed:
            return
        self._settlement.send([*started, *signed])
        for decided in self._settlement.decisions(started, signed, wait_s=wait_s):
            self._commit(decided, batch)

    def _let_go(self, batch: Batch, waited_s: float) -> None:
        """Give up what is not finished, once everybody has been told how far it is."""
        pauses_s = {id_: self._pause_s(held, batch, waited_s) for id_, held in batch.held.items()}
        told = False
        try:
            self._announcer.wait()
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
            for order_id in batch.untold:
                pause_s = batch.verdicts[order_id].retry_in_s or self._limits.lease_s
                batch.verdicts[order_id] = Verdict(pause_s, batch.verdicts[order_id].order)

    def _release(self, batch: Batch) -> None:
        """Give up what is held after a defect, as it stands on record: each order will be tried alone."""
        try:
            self._announcer.wait()
        except RetryableError as fault:
            logger.warning("events not told", reason=fault.message)
        let_go = [steps.let_go(held, told=False) for held in batch.held.values()]
        if let_go:
            self._record.record(let_go, lease_ms=self._limits.lease_ms)

    def _commit(
        self, decided: Sequence[Step], batch: Batch, pauses_s: Mapping[UUID, int] = _NO_PAUSES
    ) -> list[HeldOrder]:
        """Record steps, tell the listeners, set the verdicts; return what is still held, as it now stands."""
        unrecorded: list[Step] = []

        def record(some: Sequence[Step]) -> frozenset[UUID]:
            return self._record.record(some, lease_ms=self._limits.lease_ms)

        def broken(step: Step, error: Exception) -> None:
            batch.hit_defect(step.state.order.order_id, error, "recording")
            unrecorded.append(step)

        counted = frozenset[UUID]().union(*together_or_alone(decided, record, broken))
        recorded = [step for step in decided if step.state.order.order_id in counted]
        self._announcer.announce(batch, [(step.state.order, step.events) for step in recorded if step.events])
        for step in decided:
            if step in unrecorded:
                continue
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
        if unrecorded:
            self._give_up(unrecorded, batch)
        return list(kept.values())

    def _give_up(self, unrecorded: Sequence[Step], batch: Batch) -> None:
        """End the orders whose steps the record does not take, if nothing was sent; else they come back, each alone."""
        for step in unrecorded:
            order_id = step.state.order.order_id
            batch.verdicts[order_id] = Verdict(self._limits.lease_s, batch.verdicts[order_id].order)
            is_last_resort = not step.events or step.failure_code is Code.INTERNAL_ERROR
            if step.held.open_attempt is None and not is_last_resort:
                self._commit([self._write_ahead.given_up(step.held)], batch)

    def _pause_s(self, held: HeldOrder, batch: Batch, waited_s: float) -> int:
        """Return how long to leave an unfinished order alone."""
        if held.open_attempt is None:
            return self._limits.backoff_s(held.state.attempt)
        return self._settlement.pause_s(batch.delivery(held.state.order.order_id), waited_s=waited_s)


def _held(new: NewOrder) -> HeldOrder:
    return HeldOrder(new.state, fence=1)
