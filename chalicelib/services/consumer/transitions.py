"""The transitions of an order as values: what to append to the record, and nothing done yet."""

from dataclasses import replace
from datetime import datetime
from typing import Final, Literal, NamedTuple

from chalicelib.domain.errors import Code, ExecutionError
from chalicelib.domain.events import (
    Building,
    Confirmed,
    Expired,
    Failed,
    Happened,
    Launched,
    Open,
    Pending,
    Routed,
    Routing,
    Submitted,
    Triggered,
)
from chalicelib.domain.launches import Launch
from chalicelib.domain.orders import UNRECORDED_MAX, Order, OrderState
from chalicelib.domain.prices import LegImpact, route_impact_bps, slippage_bps_text
from chalicelib.domain.progress import AttemptOutcome, ClaimedOrder, NewOrder, OpenAttempt, Transition
from chalicelib.domain.rates import Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import LegFill, SignedTransaction, SwapInstruction, TransactionStatus
from chalicelib.services.planning.planner import PlannedSwap
from chalicelib.services.resting.waiting import AT_ITS_RATE, LookAgain, backed_off, told_of_pause, watch_of

_TOO_OLD: Final = (
    f"the order reached the engine more than {UNRECORDED_MAX.days} days after it was accepted: whether it was"
    " canceled meanwhile is not known any more, and nothing of it was executed"
)


class Sighting(NamedTuple):
    """What met a trigger: output per input, and in which block if it was a mark."""

    rate: Rate
    height: int | None


class InVain(NamedTuple):
    """How a transaction ended that moved nothing, and never will.

    Attributes:
        reason: In words for the order's owner.
        network_fee_lamports: What the chain took for refusing it, None if it took nothing.
    """

    outcome: Literal["refused", "dead"]
    reason: str
    network_fee_lamports: int | None = None


def first_transition(
    order: Order, now: datetime, connection_id: str | None, *, may_have_executed: bool = False
) -> NewOrder:
    """Return an order's first events: on to routing, or its end if it waited too long.

    One that waits for something is looked at first, and one that may have executed is looked up.
    """
    stages: tuple[Happened, ...] = (Pending(order.terms),)
    if not order.terms.waits:
        stages = (Pending(order.terms), Routing())
    if order.is_late(now) and not may_have_executed:
        stages = (Pending(order.terms), _expired(order))
    elif order.is_overdue(now) and not may_have_executed:
        return failed_at_once(order, ExecutionError(Code.RETRIES_EXHAUSTED, _TOO_OLD), now, connection_id)
    state, events = OrderState(order).advanced(stages, now)
    return NewOrder(state, events, connection_id)


def failed_at_once(order: Order, error: ExecutionError, now: datetime, connection_id: str | None) -> NewOrder:
    """Return the whole life of an order that nothing can be done for."""
    stages: tuple[Happened, ...] = (
        Pending(order.terms),
        Failed(error.code, error.message, attempts=0),
    )
    state, events = OrderState(order).advanced(stages, now)
    return NewOrder(state, events, connection_id, error.code)


def submitted(
    claimed: ClaimedOrder,
    planned: PlannedSwap,
    wanted: SwapInstruction,
    transaction: SignedTransaction,
    now: datetime,
) -> Transition:
    """Return the write-ahead: the route, and the transaction that is sent only after this is committed.

    An order that waited begins to be routed with it: one that hovers at its limit writes no events. One that
    is yet to be put on record begins with it.
    """
    stages: tuple[Happened, ...] = (
        *up_to_routing(claimed.state),
        Routed(planned.route),
        Building(),
        Submitted(transaction.signature),
    )
    state, events = claimed.state.advanced(stages, now)
    attempt = OpenAttempt(
        transaction, state.attempt, planned.plan.amount_in, planned.plan.amount_out, wanted.threshold_units
    )
    return Transition(claimed, state, events, new_attempt=attempt)


def up_to_routing(state: OrderState) -> tuple[Happened, ...]:
    """Return what comes first of an order that is about to be signed for."""
    if state.status is OrderStatus.ROUTING:
        return ()
    return (Routing(),) if state.status is not None else (Pending(state.order.terms), Routing())


def confirmed(
    claimed: ClaimedOrder, attempt: OpenAttempt, landed: TransactionStatus, now: datetime
) -> Transition:
    """Return the end of an order whose transaction landed, with what the ledger booked."""
    state, events = claimed.state.advanced([_fill(claimed.state.order, attempt, landed)], now)
    return Transition(
        claimed,
        state,
        events,
        outcome=AttemptOutcome(attempt.transaction.signature, "landed"),
        filled=(landed.input_units, landed.output_units),
        moved_pools=frozenset(leg.pool_id for leg in landed.legs),
        release=True,
    )


def failed(
    claimed: ClaimedOrder,
    error: ExecutionError,
    now: datetime,
    last: InVain | None = None,
) -> Transition:
    """Return the end of an order that cannot be filled; its open attempt, if any, came to ``last``."""
    end = Failed(error.code, error.message, claimed.state.attempt, last and last.network_fee_lamports)
    state, events = claimed.state.advanced([end], now)
    outcome = _outcome(claimed, last and last.outcome)
    return Transition(claimed, state, events, outcome=outcome, failure_code=error.code, release=True)


def late(claimed: ClaimedOrder, now: datetime, last: InVain | None = None) -> Transition:
    """Return the end of an order whose time is up: expired, or failed if something of it was ever sent.

    One with a limit is expired all the same: whatever was sent of it came to nothing, so it ends as if it had
    waited; what ``last`` came to is told before.
    """
    end, terms = _expired(claimed.state.order), claimed.state.order.terms
    if claimed.state.was_sent and terms.limit is None:
        return failed(claimed, ExecutionError(end.code, end.message), now, last)
    if last is None:
        state, events = claimed.state.advanced([end], now)
        return Transition(claimed, state, events, release=True)
    told: Open | Routing = Routing(last.reason, last.network_fee_lamports)
    if terms.rests_at_limit:
        told = Open(last.reason, network_fee_lamports=last.network_fee_lamports)
    # The attempt that is told is not made: it may be one more than an order has.
    counted = replace(claimed.state, refused_at_bound=claimed.state.refused_at_bound + 1)
    state, events = counted.advanced([told, end], now, attempt=claimed.state.attempt + 1)
    return Transition(claimed, state, events, outcome=_outcome(claimed, last.outcome), release=True)


def next_attempt(claimed: ClaimedOrder, reason: str, now: datetime, last: InVain | None = None) -> Transition:
    """Return the beginning of another attempt; nothing of the last one can land any more."""
    again = Routing(reason, last and last.network_fee_lamports)
    state, event = _told(claimed, last).transition_to(again, now, attempt=claimed.state.attempt + 1)
    return Transition(claimed, state, (event,), outcome=_outcome(claimed, last and last.outcome))


def unmet(claimed: ClaimedOrder, now: datetime) -> Transition:
    """Return the end of an order that is to be filled at once, and whose limit the market does not offer."""
    end = Expired(Code.LIMIT_NOT_MET, "the market does not offer the order's limit now")
    state, events = claimed.state.advanced([end], now)
    return Transition(claimed, state, events, release=True)


def rest(
    claimed: ClaimedOrder, now: datetime, again: LookAgain = AT_ITS_RATE, *, reason: str | None = None
) -> Transition:
    """Return an order put to rest, armed; of one that rests already nothing is published."""
    before = replace(claimed.state, given_up=0)
    if before.status is OrderStatus.OPEN:
        return Transition(claimed, before, (), watch=watch_of(before, now, again))
    state, event = before.transition_to(Open(reason), now)
    return Transition(claimed, state, (event,), watch=watch_of(state, now, again))


def rest_again(claimed: ClaimedOrder, last: InVain, now: datetime, *, height: int) -> Transition:
    """Return an order put to rest of which a transaction came to nothing; that used up no attempt."""
    counted = replace(_told(claimed, last), refused_at_bound=claimed.state.refused_at_bound + 1, given_up=0)
    again = backed_off(counted, now, height=height, was_free=last.outcome == "dead")
    told = told_of_pause(counted, again, now)
    rests = Open(last.reason + told, network_fee_lamports=last.network_fee_lamports)
    state, event = counted.transition_to(rests, now, attempt=claimed.state.attempt + 1)
    watch = watch_of(state, now, again)
    return Transition(claimed, state, (event,), outcome=_outcome(claimed, last.outcome), watch=watch)


def triggered(claimed: ClaimedOrder, seen: Sighting, now: datetime) -> Transition:
    """Return an order whose trigger is met, with the evidence: on to routing, or to its limit."""
    terms = claimed.state.order.terms
    trigger = terms.trigger
    assert trigger is not None
    evidence = Triggered(
        seen.rate,
        trigger.source,
        seen.height,
        trigger.confirmations,
        trigger.price,
        terms.input_token,
        terms.output_token,
        terms.price_base,
    )
    stages: tuple[Happened, ...] = (evidence,) if terms.limit is not None else (evidence, Routing())
    state, events = claimed.state.advanced(stages, now)
    return Transition(claimed, state, events)


def launched(claimed: ClaimedOrder, launch: Launch, now: datetime) -> Transition:
    """Return a sniper order whose pool has opened, with the evidence: on to routing, or to its limit."""
    terms = claimed.state.order.terms
    evidence = Launched(
        launch.pool_id,
        launch.venue,
        launch.opened_height,
        launch.height,
        launch.liquidity_units,
        launch.fee_rate,
        terms.input_token,
    )
    stages: tuple[Happened, ...] = (evidence,) if terms.limit is not None else (evidence, Routing())
    state, events = claimed.state.advanced(stages, now)
    return Transition(claimed, state, events)


def release(claimed: ClaimedOrder, *, published: bool) -> Transition:
    """Return the mere end of a lease: the next consumer goes on from the record as it is.

    ``published``: all events so far have been published, so that the next one need not publish them again.
    """
    state = replace(claimed.state, published_seq=claimed.state.seq) if published else claimed.state
    return Transition(claimed, state, (), release=True)


def _told(claimed: ClaimedOrder, last: InVain | None) -> OrderState:
    """Return where an order stands once it is known what its transaction came to."""
    if last is None or last.outcome == "dead":
        return claimed.state
    return replace(claimed.state, paid_refusals=claimed.state.paid_refusals + 1)


def _outcome(claimed: ClaimedOrder, outcome: Literal["refused", "dead"] | None) -> AttemptOutcome | None:
    if outcome is None or claimed.open_attempt is None:
        return None
    return AttemptOutcome(claimed.open_attempt.transaction.signature, outcome)


def _expired(order: Order) -> Expired:
    assert order.valid_until is not None, "what has no end does not expire"
    seconds = round((order.valid_until - order.accepted_at).total_seconds())
    message = f"the order was valid for {seconds} s and could not be executed within them"
    return Expired(Code.DEADLINE_EXCEEDED, message)


def _fill(order: Order, attempt: OpenAttempt, landed: TransactionStatus) -> Confirmed:
    terms = order.terms
    is_exact_in = terms.swap_mode is SwapMode.EXACT_IN
    quoted = attempt.quoted_out_units if is_exact_in else attempt.quoted_in_units
    executed = landed.output_units if is_exact_in else landed.input_units
    fees: dict[str, int] = {}
    for leg in landed.legs:
        fees[leg.fee_token] = fees.get(leg.fee_token, 0) + leg.fee_units
    return Confirmed(
        attempt.transaction.signature,
        landed.slot,
        terms.input_token,
        terms.output_token,
        terms.price_base,
        landed.input_units,
        landed.output_units,
        fees,
        route_impact_bps(leg_impact(order, landed, leg) for leg in landed.legs),
        slippage_bps_text(quoted, executed, is_output=is_exact_in),
        max(0, terms.amount_units - landed.input_units) if is_exact_in else 0,
        landed.network_fee_lamports,
    )


def leg_impact(order: Order, landed: TransactionStatus, leg: LegFill) -> LegImpact:
    """Return how far a leg moved its pool's price, and its part of what the order exchanged."""
    if leg.token_in == order.terms.input_token:
        return LegImpact(leg.impact_bps, leg.input_units, landed.input_units)
    return LegImpact(leg.impact_bps, leg.output_units, landed.output_units)
