"""From held orders to the steps that are committed before anything is sent: planned and signed, or ended."""

from collections.abc import Sequence
from typing import Final

from chalicelib.domain.errors import Code, ExecutionError, RefusedError, RetryableError, VenueUnavailableError
from chalicelib.domain.progress import HeldOrder, Step
from chalicelib.domain.tokens import Tokens
from chalicelib.services import steps
from chalicelib.services.batch import Batch
from chalicelib.services.isolation import one_by_one, together_or_alone
from chalicelib.services.planning import PlannedSwap, Planner, instruction, order_wish
from chalicelib.services.ports import Chain, Clock
from chalicelib.services.venues import Inquiry, VenueDesk

_DEFECT: Final = "an unexpected error of the engine ended the order before anything of it was sent"


class WriteAhead:
    """Plans and signs a batch. What goes wrong with one order, foreseen or not, is that order's alone."""

    def __init__(
        self, *, desk: VenueDesk, chain: Chain, tokens: Tokens, clock: Clock, attempts_max: int
    ) -> None:
        self._desk = desk
        self._chain = chain
        self._tokens = tokens
        self._clock = clock
        self._attempts_max = attempts_max

    def steps(self, held: Sequence[HeldOrder], inquiry: Inquiry | None, batch: Batch) -> list[Step]:
        """Return the next step of each order, none of which has an open attempt.

        Raises:
            RetryableError: The venues' state is out of reach.
        """
        now = self._clock.now()
        ended = [steps.late(order, now) for order in held if now > order.state.order.valid_until]
        timely = [order for order in held if now <= order.state.order.valid_until]
        planned = self._planned(timely, inquiry or self._desk.begin(), batch) if timely else []
        ended += [self._ended(order, plan) for order, plan in planned if isinstance(plan, ExecutionError)]
        ready = [(order, plan) for order, plan in planned if isinstance(plan, PlannedSwap)]
        signed = self._signed(ready, batch)
        given_up = [order for order in timely if order.state.order.order_id in batch.defective]
        return [*ended, *signed, *map(self.given_up, given_up)]

    def given_up(self, order: HeldOrder) -> Step:
        """Return the end of an order that ran into a defect, and of whose attempt nothing was sent."""
        return steps.failed(order, ExecutionError(Code.INTERNAL_ERROR, _DEFECT), self._clock.now())

    def _planned(
        self, held: Sequence[HeldOrder], inquiry: Inquiry, batch: Batch
    ) -> list[tuple[HeldOrder, PlannedSwap | ExecutionError]]:
        planner = Planner(inquiry.answers(), self._tokens)

        def plan(order: HeldOrder) -> tuple[HeldOrder, PlannedSwap | ExecutionError]:
            try:
                return order, planner.plan(order_wish(order.state))
            except (RefusedError, VenueUnavailableError) as error:
                return order, error

        def broken(order: HeldOrder, error: Exception) -> None:
            batch.hit_defect(order.state.order.order_id, error, "planning")

        return one_by_one(held, plan, broken)

    def _signed(self, ready: Sequence[tuple[HeldOrder, PlannedSwap]], batch: Batch) -> list[Step]:
        def broken(planned: tuple[HeldOrder, PlannedSwap], error: Exception) -> None:
            batch.hit_defect(planned[0].state.order.order_id, error, "signing")

        signed = together_or_alone(ready, self._signed_together, broken)
        return [step for each in signed for step in each]

    def _signed_together(self, ready: Sequence[tuple[HeldOrder, PlannedSwap]]) -> list[Step]:
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
        if order.state.attempt >= self._attempts_max:
            return steps.failed(order, ExecutionError(Code.NO_ROUTE, error.message), now)
        return steps.next_attempt(order, error.message, now)
