"""From claimed orders to the transitions that are committed before anything is sent:
planned and signed, or ended.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final

from chalicelib.domain.errors import (
    OF_THE_MARKET,
    Code,
    DatabaseInternalError,
    DayCapError,
    ExecutionError,
    KeyUnusableError,
    PlanOutdatedError,
    RefusedError,
    RetryableError,
    VenueUnavailableError,
)
from chalicelib.domain.launches import SeenOpenings
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import ClaimedOrder, Transition
from chalicelib.domain.rates import Rate
from chalicelib.domain.tokens import Tokens
from chalicelib.domain.transactions import ExpectedSwap
from chalicelib.domain.watches import DirectedPair
from chalicelib.logs import logger
from chalicelib.services.consumer import transitions
from chalicelib.services.consumer.batch import Batch
from chalicelib.services.consumer.lost_transactions import found_again
from chalicelib.services.consumer.plans_ahead import Ahead
from chalicelib.services.consumer.refusals import refusal
from chalicelib.services.consumer.sniper_step import looked_at, sniper_step
from chalicelib.services.consumer.trigger_step import looks_at_size, trigger_step
from chalicelib.services.isolation import one_by_one, together_or_alone
from chalicelib.services.mints import NO_MINTS, LearnMints
from chalicelib.services.planning.planner import (
    BeyondBoundError,
    PlannedSwap,
    Planner,
    instruction,
    wanted_by,
)
from chalicelib.services.planning.venues import QuoteCollector, QuoteRequest
from chalicelib.services.ports import Chain, Clock, LostTransactions, Mints
from chalicelib.services.resting.launching import NO_OPENINGS
from chalicelib.services.resting.ports import Openings
from chalicelib.services.resting.waiting import (
    ELSEWHERE_FOR,
    NEVER,
    NO_VENUE_FOR,
    LookAgain,
    left_alone,
    rate_that_may_fit,
)

Expecting = Callable[[Sequence[ExpectedSwap]], object]
"""Told which swaps will probably be signed for, before the venues are asked: a chain may read ahead what it
needs for that. It raises nothing, and takes no time."""


def not_expected(_: Sequence[ExpectedSwap]) -> None:
    """Read nothing ahead."""


_MAY_PASS: Final = OF_THE_MARKET | {Code.NO_ROUTE}
"""Why a transaction cannot be made now that may be made later."""

_UNREAD: Final = "how many decimals the mint has could not be read"
_DEFECT: Final = "an unexpected error of the engine ended the order before anything of it was sent"


def _names_any(order: ClaimedOrder, tokens: Collection[str]) -> bool:
    terms = order.state.order.terms
    return terms.input_token in tokens or terms.output_token in tokens


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
        openings: Openings = NO_OPENINGS,
        mints: Mints = NO_MINTS,
        expecting: Expecting = not_expected,
        lost_transactions: LostTransactions | None = None,
    ) -> None:
        self._lost_transactions = lost_transactions
        self._expecting = expecting
        self._quote_collector = quote_collector
        self._chain = chain
        self._tokens = tokens
        self._clock = clock
        self._attempts_max = attempts_max
        self._openings = openings
        self._mints = LearnMints(tokens, mints)

    def transitions(
        self,
        claimed: Sequence[ClaimedOrder],
        quote_request: QuoteRequest | None,
        batch: Batch,
        ahead: Ahead | None = None,
    ) -> list[Transition]:
        """Return the next transition of each order, none of which has an open attempt.

        Args:
            ahead: What was planned on the answers to ``quote_request`` meanwhile.

        Raises:
            RetryableError: The venues' state is out of reach, or what executed before the record was set
                back is not known.
        """
        now = self._clock.now()
        known, claimed = self._known(claimed, now)
        ended = [transitions.late(order, now) for order in claimed if order.is_late(now)]
        timely = [order for order in claimed if not order.is_late(now)]
        planned = self._planned(timely, quote_request, batch, ahead) if timely else []
        ended += [plan for _, plan in planned if isinstance(plan, Transition)]
        ready = [(order, plan) for order, plan in planned if isinstance(plan, PlannedSwap)]
        signed = self._signed(ready, batch)
        is_over = batch.defective - batch.put_off
        given_up = [order for order in timely if order.state.order.order_id in is_over]
        return [*known, *ended, *signed, *map(self.given_up, given_up)]

    def _known(
        self, claimed: Sequence[ClaimedOrder], now: datetime
    ) -> tuple[list[Transition], Sequence[ClaimedOrder]]:
        """Return the next transitions of orders that executed before the record was set back, and the others.

        Raises ``RetryableError`` if that is not known.
        """
        if self._lost_transactions is None:
            return [], claimed
        lost = self._lost_transactions.of([order.state.order for order in claimed])
        others = [order for order in claimed if order.state.order.order_id not in lost]
        known = [order for order in claimed if order.state.order.order_id in lost]
        return [found_again(order, lost[order.state.order.order_id], now) for order in known], others

    def triggers(
        self, claimed: Sequence[ClaimedOrder], quote_request: QuoteRequest | None, batch: Batch
    ) -> list[Transition]:
        """Return what becomes of orders that wait for their triggers, or for their pools.

        Raises:
            RetryableError: As ``transitions``.
        """
        now = self._clock.now()
        known, claimed = self._known(claimed, now)
        request = quote_request or self.quote_request(claimed)
        # Asked beside the venues: the pools are of this block, or of the one before or after.
        height = self._height() if any(map(looks_at_size, claimed)) else None
        planner = Planner(request.answers(), self._tokens)

        seen = self._seen(claimed)
        self.learn_mints(claimed)

        def step(order: ClaimedOrder) -> Transition:
            if order.state.order.terms.sniper is not None:
                return sniper_step(order, planner, seen, self._tokens, now)
            return trigger_step(order, planner, now, height)

        def broken(order: ClaimedOrder, error: Exception) -> None:
            batch.hit_defect(order.state.order.order_id, error, "looking at a trigger")

        return [*known, *one_by_one(claimed, step, broken)]

    def _height(self) -> int | None:
        """Return where the chain stands, for the evidence of triggers: no order waits for it to be told."""
        try:
            return self._chain.view(()).height
        except RetryableError as fault:
            logger.warning("height not known", reason=fault.message)
            return None

    def given_up(self, order: ClaimedOrder) -> Transition:
        """Return the end of an order that ran into a defect, and of whose attempt nothing was sent."""
        return transitions.failed(order, ExecutionError(Code.INTERNAL_ERROR, _DEFECT), self._clock.now())

    def quote_request(self, orders: Sequence[ClaimedOrder]) -> QuoteRequest:
        """Ask the venues for what some orders need."""
        return self.quotes_for([order.state.order for order in orders])

    def quotes_for(self, orders: Sequence[Order]) -> QuoteRequest:
        """Ask the venues for what orders need that are probably to be claimed."""
        swaps = [order.terms.swap for order in orders]
        self._expecting(
            [
                ExpectedSwap(order.account_id, swap.input_token, swap.output_token)
                for order, swap in zip(orders, swaps, strict=True)
            ]
        )
        return self._quote_collector.begin([wanted_by(swap) for swap in swaps])

    def learn_mints(self, orders: Sequence[ClaimedOrder]) -> Collection[str]:
        """Have the decimals known of what orders name and no list has.

        Another process may have learned them.

        Returns:
            The mints for which the market could not be asked.
        """
        terms = [order.state.order.terms for order in orders]
        return self._mints.learn_if_possible(
            {token for each in terms for token in (each.input_token, each.output_token)}
        )

    def readable(self, orders: Sequence[ClaimedOrder]) -> list[ClaimedOrder]:
        """Return the orders of whose tokens the decimals are known, or can be found out now."""
        unread = self.learn_mints(orders)
        return [order for order in orders if not _names_any(order, unread)]

    def _seen(self, orders: Sequence[ClaimedOrder]) -> SeenOpenings:
        """Return the openings of what sniper orders wait for; nothing is asked if there are none."""
        swaps = [order.state.order.terms for order in orders if order.state.order.terms.sniper is not None]
        pairs = {DirectedPair(terms.input_token, terms.output_token) for terms in swaps}
        return self._openings.seen(pairs) if pairs else SeenOpenings(0, {})

    def _planned(
        self,
        claimed: Sequence[ClaimedOrder],
        quote_request: QuoteRequest | None,
        batch: Batch,
        ahead: Ahead | None,
    ) -> list[tuple[ClaimedOrder, PlannedSwap | Transition]]:
        # The answers first: what has opened by then is among them, or its opening is yet to be told.
        answers = (quote_request or self.quote_request(claimed)).answers()
        plans = ahead.result().for_claimed(claimed) if ahead is not None else None
        if plans is not None:
            return list(zip(claimed, plans, strict=True))
        seen = self._seen(claimed)
        unread = self.learn_mints(claimed)
        planner = Planner(answers, self._tokens)

        def plan(order: ClaimedOrder) -> tuple[ClaimedOrder, PlannedSwap | Transition]:
            terms = order.state.order.terms
            only: frozenset[str] | None = None
            if _names_any(order, unread):
                return order, self._unplanned(order, VenueUnavailableError(_UNREAD))
            if terms.sniper is not None:
                looked = looked_at(order, planner, seen, self._tokens, self._clock.now())
                if isinstance(looked, Transition):
                    return order, looked
                only = frozenset(launch.pool_id for launch in looked)
            try:
                return order, planner.plan(terms.swap, order.bound, only=only)
            except BeyondBoundError as error:
                return order, self._beyond_bound(order, planner, error.offered)
            except (RefusedError, VenueUnavailableError) as error:
                return order, self._unplanned(order, error)

        def broken(order: ClaimedOrder, error: Exception) -> None:
            batch.hit_defect(order.state.order.order_id, error, "planning")

        return one_by_one(claimed, plan, broken)

    def _beyond_bound(self, order: ClaimedOrder, planner: Planner, offered: Rate) -> Transition:
        """Return what becomes of an order whose limit its size does not get now, or what it is held to."""
        now, terms = self._clock.now(), order.state.order.terms
        if terms.limit is None:
            if planner.silence is not None:  # it may offer what the order is held to
                return self._ended(order, VenueUnavailableError(planner.silence))
            return transitions.failed(order, refusal(Code.SLIPPAGE_EXCEEDED, order.state.order), now)
        if not terms.rests_at_limit:
            return transitions.unmet(order, now)
        if terms.sniper is not None:
            # What other pools offer says nothing of those that it buys from: it is looked at by time.
            return transitions.rest(order, now, LookAgain(NEVER, at=now + left_alone(order.state.order, now)))
        marginal = planner.marginal_rate(terms.swap)
        elsewhere = marginal and rate_that_may_fit(terms.limit.rate, marginal, offered)
        again = LookAgain(elsewhere, at=now + ELSEWHERE_FOR) if elsewhere else LookAgain()
        return transitions.rest(order, now, again)

    def _unplanned(self, order: ClaimedOrder, error: ExecutionError) -> Transition:
        """Return what becomes of an order for which there is no plan: one with a limit waits for one."""
        terms = order.state.order.terms
        is_traded = None not in map(self._tokens.find, (terms.input_token, terms.output_token))
        if terms.rests_at_limit and (is_traded or isinstance(error, VenueUnavailableError)):
            now = self._clock.now()
            pause = NO_VENUE_FOR if isinstance(error, VenueUnavailableError) else ELSEWHERE_FOR
            # A route may never come: its owner is told what is waited for.
            reason = error.message if isinstance(error, RefusedError) else None
            return transitions.rest(order, now, LookAgain(NEVER, at=now + pause), reason=reason)
        return self._ended(order, error)

    def _signed(self, ready: Sequence[tuple[ClaimedOrder, PlannedSwap]], batch: Batch) -> list[Transition]:
        def broken(planned: tuple[ClaimedOrder, PlannedSwap], error: Exception) -> None:
            batch.hit_defect(planned[0].state.order.order_id, error, "signing")

        signed = together_or_alone(ready, self._signed_together, broken)
        return [transition for each in signed for transition in each]

    def signed_ahead(self, ready: Sequence[tuple[ClaimedOrder, PlannedSwap]]) -> list[Transition]:
        """Return the write-ahead of orders that are yet to be claimed; nothing if one cannot be signed."""
        try:
            return self._signed_together(ready)
        except Exception:  # noqa: BLE001  # whose fault it is shows when they are claimed and signed again
            return []

    def _signed_together(self, ready: Sequence[tuple[ClaimedOrder, PlannedSwap]]) -> list[Transition]:
        wanted = [instruction(order.state, planned.plan, held_to=order.held_to) for order, planned in ready]
        try:
            transactions = self._chain.sign(wanted)
        except RefusedError as error:
            if len(ready) > 1:
                raise  # one order's reason: each is signed alone
            return [self._unsigned(order, error) for order, _ in ready]
        except (PlanOutdatedError, KeyUnusableError) as error:
            if len(ready) > 1:  # likewise, and no defect
                return [step for each in ready for step in self._signed_together([each])]
            return [self._unsigned(order, error) for order, _ in ready]
        except DatabaseInternalError:
            raise  # it says nothing of a plan, and may be one order's
        except RetryableError as error:
            return [self._unsigned(order, error) for order, _ in ready]
        # An order's end bounds its sending, and signing takes time.
        now = self._clock.now()
        return [
            transitions.late(order, now)
            if order.is_late(now)
            else transitions.submitted(order, planned, wish, transaction, now)
            for (order, planned), wish, transaction in zip(ready, wanted, transactions, strict=True)
        ]

    def _unsigned(self, order: ClaimedOrder, error: ExecutionError) -> Transition:
        """Return what becomes of an order for which nothing is signed now: one with a limit waits for that.

        As where there is no plan for it, or the chain refuses it at its limit: it uses up no attempt.
        """
        is_passing = isinstance(error, RetryableError | DayCapError) or error.code in _MAY_PASS
        if not (is_passing and order.state.order.terms.rests_at_limit):
            if error.code in OF_THE_MARKET and order.state.order.terms.is_stop_at_market:
                # As where the chain refuses it: the price has moved on, and it is to be out at the next one.
                error = PlanOutdatedError(error.message)
            return self._ended(order, error)
        now = self._clock.now()
        # What a node saw fail at the limit was planned within it a moment before.
        is_soon = isinstance(error, RetryableError) or error.code is Code.SLIPPAGE_EXCEEDED
        again = LookAgain(NEVER, at=now + (NO_VENUE_FOR if is_soon else ELSEWHERE_FOR))
        return transitions.rest(order, now, again, reason=error.message)

    def _ended(self, order: ClaimedOrder, error: ExecutionError) -> Transition:
        """Return the end of an attempt before anything was sent: for good, or to be tried again."""
        now = self._clock.now()
        if isinstance(error, RefusedError):
            return transitions.failed(order, error, now)
        if order.state.used_attempts >= self._attempts_max:
            code = Code.RETRIES_EXHAUSTED if isinstance(error, PlanOutdatedError) else Code.NO_ROUTE
            return transitions.failed(order, ExecutionError(code, error.message), now)
        return transitions.next_attempt(order, error.message, now)
