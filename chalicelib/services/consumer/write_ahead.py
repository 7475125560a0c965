"""From claimed orders to the transitions that are committed before anything is sent:
planned and signed, or ended.
"""

from collections.abc import Sequence
from typing import Final

from chalicelib.domain.errors import Code, ExecutionError, RefusedError, RetryableError, VenueUnavailableError
from chalicelib.domain.progress import ClaimedOrder, Transition
from chalicelib.domain.tokens import Tokens
from chalicelib.services.consumer import transitions
from chalicelib.services.consumer.batch import Batch
from chalicelib.services.isolation import one_by_one, together_or_alone
from chalicelib.services.planning.planner import PlannedSwap, Planner, instruction, wanted_by
from chalicelib.services.planning.venues import QuoteCollector, QuoteRequest
from chalicelib.services.ports import Chain, Clock

_DEFECT: Final = "an unexpected error of the engine ended the order before anything of it was sent"


class WriteAhead:
    """Plans and signs a batch. What goes wrong with one order, foreseen or not, is that order's alone."""

    def __init__(
        self,
        *,
        quote_collector: QuoteCollector,
        chain: Chain,
        tokens: Tokens,
        clock: Clock,
        attempts_max: int,
    ) -> None:
        self._quote_collector = quote_collector
        self._chain = chain
        self._tokens = tokens
        self._clock = clock
        self._attempts_max = attempts_max

    def transitions(
        self, claimed: Sequence[ClaimedOrder], quote_request: QuoteRequest | None, batch: Batch
    ) -> list[Transition]:
        """Return the next transition of each order, none of which has an open attempt.

        Raises:
            RetryableError: The venues' state is out of reach.
        """
        now = self._clock.now()
        ended = [transitions.late(order, now) for order in claimed if now > order.state.order.valid_until]
        timely = [order for order in claimed if now <= order.state.order.valid_until]
        planned = self._planned(timely, quote_request or self._quote_request(timely), batch) if timely else []
        ended += [self._ended(order, plan) for order, plan in planned if isinstance(plan, ExecutionError)]
        ready = [(order, plan) for order, plan in planned if isinstance(plan, PlannedSwap)]
        signed = self._signed(ready, batch)
        given_up = [order for order in timely if order.state.order.order_id in batch.defective]
        return [*ended, *signed, *map(self.given_up, given_up)]

    def given_up(self, order: ClaimedOrder) -> Transition:
        """Return the end of an order that ran into a defect, and of whose attempt nothing was sent."""
        return transitions.failed(order, ExecutionError(Code.INTERNAL_ERROR, _DEFECT), self._clock.now())

    def _quote_request(self, orders: Sequence[ClaimedOrder]) -> QuoteRequest:
        return self._quote_collector.begin([wanted_by(order.state.order.terms.swap) for order in orders])

    def _planned(
        self, claimed: Sequence[ClaimedOrder], quote_request: QuoteRequest, batch: Batch
    ) -> list[tuple[ClaimedOrder, PlannedSwap | ExecutionError]]:
        planner = Planner(quote_request.answers(), self._tokens)

        def plan(order: ClaimedOrder) -> tuple[ClaimedOrder, PlannedSwap | ExecutionError]:
            try:
                return order, planner.plan(order.state.order.terms.swap)
            except (RefusedError, VenueUnavailableError) as error:
                return order, error

        def broken(order: ClaimedOrder, error: Exception) -> None:
            batch.hit_defect(order.state.order.order_id, error, "planning")

        return one_by_one(claimed, plan, broken)

    def _signed(self, ready: Sequence[tuple[ClaimedOrder, PlannedSwap]], batch: Batch) -> list[Transition]:
        def broken(planned: tuple[ClaimedOrder, PlannedSwap], error: Exception) -> None:
            batch.hit_defect(planned[0].state.order.order_id, error, "signing")

        signed = together_or_alone(ready, self._signed_together, broken)
        return [transition for each in signed for transition in each]

    def _signed_together(self, ready: Sequence[tuple[ClaimedOrder, PlannedSwap]]) -> list[Transition]:
        wanted = [instruction(order.state, planned.plan) for order, planned in ready]
        try:
            transactions = self._chain.sign(wanted)
        except RefusedError as error:
            if len(ready) > 1:
                raise  # one order's reason: each is signed alone
            return [self._ended(order, error) for order, _ in ready]
        except RetryableError as error:
            return [self._ended(order, error) for order, _ in ready]
        now = self._clock.now()
        return [
            transitions.submitted(order, planned, wish, transaction, now)
            for (order, planned), wish, transaction in zip(ready, wanted, transactions, strict=True)
        ]

    def _ended(self, order: ClaimedOrder, error: ExecutionError) -> Transition:
        """Return the end of an attempt before anything was sent: for good, or to be tried again."""
        now = self._clock.now()
        if isinstance(error, RefusedError):
            return transitions.failed(order, error, now)
        if order.state.attempt >= self._attempts_max:
            return transitions.failed(order, ExecutionError(Code.NO_ROUTE, error.message), now)
        return transitions.next_attempt(order, error.message, now)
