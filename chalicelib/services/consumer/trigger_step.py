"""What becomes of an order that waits for its trigger, once it is looked at."""

from datetime import datetime

from chalicelib.domain.errors import Code, ExecutionError, RefusedError, VenueUnavailableError
from chalicelib.domain.progress import ClaimedOrder, Transition
from chalicelib.domain.rates import Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.triggers import IfAlreadyMet, PriceSource, Trigger
from chalicelib.domain.watches import FiredBy
from chalicelib.services.consumer import transitions
from chalicelib.services.consumer.transitions import Sighting
from chalicelib.services.planning.planner import Planner, no_mark
from chalicelib.services.resting.waiting import (
    ELSEWHERE_FOR,
    NEVER,
    NEVER_SO_LITTLE,
    NO_VENUE_FOR,
    LookAgain,
    rate_that_may_fit,
)

_ALREADY_MET = "the price was on the trigger's side already when the order came"


def trigger_step(order: ClaimedOrder, planner: Planner, now: datetime, height: int | None) -> Transition:
    """Return the order triggered, at rest, or failed because its trigger was met when it came, or never is.

    A mark's confirmations are the matcher's to count, so only what it fired is triggered by a mark.

    Args:
        height: The block that the planner's pools are of, about; None if no node tells.
    """
    trigger = order.state.order.terms.trigger
    assert trigger is not None, "the order waits for a trigger"
    if trigger.source is PriceSource.MARK:
        return _by_mark(order, trigger, planner, now)
    return _by_size(order, trigger, planner, now, height)


def fired_by_mark(order: ClaimedOrder, now: datetime) -> Transition | None:
    """Return the order triggered if a mark has fired it; that was once, whatever the price is by now."""
    trigger, fired = order.state.order.terms.trigger, order.fired
    if trigger is None or trigger.source is not PriceSource.MARK or not order.state.waits_for_trigger:
        return None
    if fired is None or fired.fired_by is not FiredBy.RATE or fired.look != trigger.confirmations:
        return None
    assert fired.seen is not None, "what a rate fired has seen it"
    return transitions.triggered(order, Sighting(fired.seen, fired.height), now)


def is_to_be_refused_where_met(order: ClaimedOrder) -> bool:
    """Return whether an order has yet to be looked at for the first time, and ends if its trigger is met."""
    trigger = order.state.order.terms.trigger
    is_new = order.state.status is OrderStatus.PENDING
    return is_new and trigger is not None and trigger.if_already_met is IfAlreadyMet.REFUSE


def _by_mark(order: ClaimedOrder, trigger: Trigger, planner: Planner, now: datetime) -> Transition:
    triggered = fired_by_mark(order, now)
    if triggered is not None:
        return triggered
    if order.state.status is OrderStatus.PENDING:
        wish = order.state.order.terms.swap
        mark = planner.mark(wish)
        if mark is None and planner.has_no_mark(wish):
            # It would rest as if it guarded something, and the gap in the prices be ours.
            return transitions.failed(order, no_mark(wish), now)
        if mark is not None and trigger.is_met_by(mark) and is_to_be_refused_where_met(order):
            return _already_met(order, now)
    return transitions.rest(order, now)


def looks_at_size(order: ClaimedOrder) -> bool:
    """Return whether an order's trigger is by what its own size gets."""
    trigger = order.state.order.terms.trigger
    return trigger is not None and trigger.source is PriceSource.EXECUTABLE


def _by_size(
    order: ClaimedOrder, trigger: Trigger, planner: Planner, now: datetime, height: int | None
) -> Transition:
    offered = _offered(order, planner)
    if isinstance(offered, ExecutionError):
        # Every look would find it again that its size cannot be filled.
        never = NEVER_SO_LITTLE if trigger.is_stop else NEVER
        return transitions.rest(order, now, LookAgain(never, at=now + NO_VENUE_FOR), reason=offered.message)
    if trigger.is_met_by(offered):
        if is_to_be_refused_where_met(order):
            return _already_met(order, now)
        return transitions.triggered(order, Sighting(offered, height), now)
    if trigger.is_stop:
        # Found by the rate of its class of sizes, which may be there a little before its own.
        return transitions.rest(order, now)
    marginal = planner.marginal_rate(order.state.order.terms.swap)
    elsewhere = marginal and rate_that_may_fit(trigger.rate, marginal, offered)
    return transitions.rest(
        order, now, LookAgain(elsewhere, at=now + ELSEWHERE_FOR) if elsewhere else LookAgain()
    )


def _offered(order: ClaimedOrder, planner: Planner) -> Rate | ExecutionError:
    try:
        return planner.offered(order.state.order.terms.swap)
    except (RefusedError, VenueUnavailableError) as why:
        return why


def _already_met(order: ClaimedOrder, now: datetime) -> Transition:
    return transitions.failed(order, ExecutionError(Code.TRIGGER_ALREADY_MET, _ALREADY_MET), now)
