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

A crash between any two steps leaves a record from which the next delivery goes on: with an open
attempt at step 4, without one at step 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.errors import Code, ExecutionError, RefusedError, RetryableError
from chalicelib.domain.orders import Order, OrderEvent, OrderState
from chalicelib.domain.progress import HeldOrder, NewOrder, Step
from chalicelib.domain.tokens import Tokens
from chalicelib.logs import logger
from chalicelib.services import steps
from chalicelib.services.background import Background
from chalicelib.services.planning import PlannedSwap, Planner, instruction, plans_in_order
from chalicelib.services.ports import Chain, Clock, Observer, OrderRecord
from chalicelib.services.settlement import Settlement
from chalicelib.services.telling import NOTHING_OWED, Owed, Teller
from chalicelib.services.venues import VenueDesk


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request to move an order on.

    Attributes:
        order: None if the order is on record already.
        connection_id: Who submitted it over a WebSocket, and so follows it from the first event.
        correlation_id: Of the request that brought the order; for the log.
        owed: The order's acknowledgement, if it has not been sent.
    """

    order_id: UUID
    order: Order | None = None
    connection_id: str | None = None
    correlation_id: str | None = None
    owed: Acknowledgement | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of the messages that asked for an order.

    Attributes:
        retry_in_s: Look again after so long; None if the messages have done their work.
        found: The order as it stood before, if it was on record already.
        creator: The request that put it on record, if it was one of this batch.
    """

    retry_in_s: int | None = None
    found: OrderState | None = None
    creator: Incoming | None = None

    @property
    def order(self) -> Order | None:
        """The order on record; None if there is none."""
        if self.found is not None:
            return self.found.order
        return self.creator.order if self.creator else None


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


@dataclass(frozen=True, slots=True)
class _Work:
    """A batch while it is worked through: the requests behind it, and what is to become of its messages so far."""

    correlation_ids: Mapping[UUID, str | None]
    verdicts: dict[UUID, Verdict] = field(default_factory=dict)


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
        self._background = background
        self._observer = observer
        self._tokens = tokens
        self._clock = clock
        self._limits = limits

    def execute(self, batch: Sequence[Incoming]) -> Mapping[UUID, Verdict]:
        """Move every order of a batch as far as it will go; return a verdict for each.

        Raises:
            RetryableError: The record is unreachable, or listeners were not told; nothing is lost,
                all of it can be asked again.
        """
        work = _Work({each.order_id: each.correlation_id for each in batch})
        try:
            held = self._claim(batch, work)
            started = [order for order in held if order.open_attempt]
            signed = self._write_ahead([order for order in held if not order.open_attempt], work)
            self._settle([*started, *signed], work)
        finally:
            self._background.wait()
        return work.verdicts

    def _claim(self, batch: Sequence[Incoming], work: _Work) -> list[HeldOrder]:
        now = self._clock.now()
        # A client that submits an order twice at once may have both in one batch: the first creates it.
        creators = {each.order_id: each for each in reversed(batch) if each.order is not None}
        new = {
            id_: steps.first_step(each.order, now, each.connection_id)
            for id_, each in creators.items()
            if each.order is not None
        }
        created = (
            self._record.create(list(new.values()), lease_ms=self._limits.lease_ms) if new else frozenset()
        )
        self._announce(
            work,
            [(new[id_].state.order, new[id_].events) for id_ in new if id_ in created],
            {id_: owed for id_ in created if (owed := creators[id_].owed)},
        )
        work.verdicts.update(dict.fromkeys((each.order_id for each in batch), Verdict()))
        work.verdicts.update({id_: Verdict(creator=creators[id_]) for id_ in new if id_ in created})
        fresh = [_held(new[id_]) for id_ in new if id_ in created and not new[id_].state.is_final]
        return fresh + self._take_over([id_ for id_ in work.verdicts if id_ not in created], work)

    def _take_over(self, order_ids: Sequence[UUID], work: _Work) -> list[HeldOrder]:
        if not order_ids:
            return []
        claims = self._record.claim(order_ids, lease_ms=self._limits.lease_ms)
        for order_id, state in claims.final.items():
            work.verdicts[order_id] = Verdict(found=state)
        for order_id, state in claims.busy.items():
            work.verdicts[order_id] = Verdict(retry_in_s=self._limits.lease_s, found=state)
        for order_id, order in claims.held.items():
            work.verdicts[order_id] = Verdict(found=order.state)
            logger.warning("order taken over", order_id=str(order_id), order_status=order.state.status)
        return list(claims.held.values())

    def _write_ahead(self, held: Sequence[HeldOrder], work: _Work) -> list[HeldOrder]:
        """Plan, sign and commit; return the orders whose transactions may now be sent."""
        now = self._clock.now()
        ended = [steps.late(order, now) for order in held if now > order.state.order.valid_until]
        timely = [order for order in held if now <= order.state.order.valid_until]
        planned = self._planned(timely) if timely else []
        ended += [self._ended(order, plan) for order, plan in planned if isinstance(plan, ExecutionError)]
        ready = [(order, plan) for order, plan in planned if isinstance(plan, PlannedSwap)]
        recorded = self._commit([*ended, *self._signed(ready)], work)
        return [step.held for step in recorded if step.held.open_attempt]

    def _planned(self, held: Sequence[HeldOrder]) -> list[tuple[HeldOrder, PlannedSwap | ExecutionError]]:
        planner = Planner(self._desk.ask(), self._tokens)
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

    def _settle(self, sent: Sequence[HeldOrder], work: _Work) -> None:
        if not sent:
            return
        self._settlement.send(order.open_attempt for order in sent if order.open_attempt)
        undecided = {order.state.order.order_id: order for order in sent}
        for decided in self._settlement.decisions(sent):
            self._commit(decided, work)
            for step in decided:
                del undecided[step.state.order.order_id]
        self._commit([steps.let_go(order) for order in undecided.values()], work)

    def _commit(self, decided: Sequence[Step], work: _Work) -> list[Step]:
        """Record steps, tell the listeners, set the verdicts; return the steps that counted, as they now stand."""
        if not decided:
            return []
        counted = self._record.record(decided, lease_ms=self._limits.lease_ms)
        recorded = [step for step in decided if step.state.order.order_id in counted]
        self._announce(work, [(step.state.order, step.events) for step in recorded if step.events])
        for step in decided:
            order_id = step.state.order.order_id
            retry_in_s = self._retry_in_s(step) if order_id in counted else self._limits.lease_s
            work.verdicts[order_id] = replace(work.verdicts[order_id], retry_in_s=retry_in_s)
        return [
            replace(step, held=HeldOrder(step.state, step.held.fence, step.new_attempt)) for step in recorded
        ]

    def _retry_in_s(self, step: Step) -> int | None:
        if step.state.is_final or not step.release:
            return None
        return self._limits.backoff_s(step.state.attempt) if step.events else self._limits.retry_delay_s

    def _announce(
        self, work: _Work, told: list[tuple[Order, tuple[OrderEvent, ...]]], owed: Owed = NOTHING_OWED
    ) -> None:
        if told:
            self._observer.saw(told, work.correlation_ids)
            self._background.run(lambda: self._teller.hold(told, owed))
            self._background.run_within(self._limits.batch_hold_ms / 1000, self._teller.flush)


def _held(new: NewOrder) -> HeldOrder:
    return HeldOrder(new.state, fence=1)
