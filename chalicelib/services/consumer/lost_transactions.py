"""An order whose transaction executed and is not on record, which was set back to an earlier moment.

Such an order is not planned: what executed is written down as its attempt, whatever the market offers now and
whether or not the order's time is up, and is confirmed from there as any other is.
"""

from datetime import datetime
from decimal import Decimal
from typing import Final

from chalicelib.domain.amounts import BPS_PER_UNIT
from chalicelib.domain.chosen_route import ChosenRoute, RouteLeg
from chalicelib.domain.errors import Code, ExecutionError
from chalicelib.domain.events import Building, Routed, Submitted, Triggered
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.prices import route_impact_bps
from chalicelib.domain.progress import ClaimedOrder, OpenAttempt, Transition
from chalicelib.domain.rates import Rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.tokens import is_mint
from chalicelib.domain.transactions import LegFill, LostTransaction, TransactionStatus
from chalicelib.services.consumer.transitions import failed, leg_impact, up_to_routing

_OF_ANOTHER: Final = "another order with this clientOrderId has executed; nothing of this one was"


def found_again(claimed: ClaimedOrder, lost: LostTransaction, now: datetime) -> Transition:
    """Return the write-ahead of what was sent before: its plan is lost, and what it did is known.

    An order of another pair ends. Its client has used its id before, which is not on record any more.
    """
    order, done = claimed.state.order, lost.status
    if not _is_of_its_pair(order, done):
        return failed(claimed, ExecutionError(Code.CLIENT_ORDER_ID_CONFLICT, _OF_ANOTHER), now)
    stages = (
        *_what_was_seen(claimed.state, done),
        *up_to_routing(claimed.state),
        Routed(_route(order, done, now)),
        Building(),
        Submitted(lost.transaction.signature),
    )
    state, events = claimed.state.advanced(stages, now, attempt=max(claimed.state.attempt, lost.attempt))
    is_exact_in = order.terms.swap_mode is SwapMode.EXACT_IN
    threshold = done.output_units if is_exact_in else done.input_units
    attempt = OpenAttempt(lost.transaction, state.attempt, done.input_units, done.output_units, threshold)
    return Transition(claimed, state, events, new_attempt=attempt, is_found=True)


def _is_of_its_pair(order: Order, done: TransactionStatus) -> bool:
    """Return whether a transaction swapped what an order names, as far as both name it the same way: what is
    in a list now may have been named by its mint.
    """
    given, got = ({leg.token_in for leg in done.legs}, {leg.token_out for leg in done.legs})
    pairs = ((order.terms.input_token, given - got), (order.terms.output_token, got - given))
    return all(token in done_by or any(map(is_mint, {token, *done_by})) for token, done_by in pairs)


def _what_was_seen(state: OrderState, done: TransactionStatus) -> tuple[Triggered, ...]:
    """Return what an order's trigger saw: that is lost, and what the order got stands for it."""
    terms = state.order.terms
    trigger = terms.trigger
    if trigger is None or not state.waits_for_trigger:
        return ()
    seen = Rate(done.output_units, done.input_units)
    pair = terms.input_token, terms.output_token, terms.price_base
    return (Triggered(seen, trigger.source, None, trigger.confirmations, trigger.price, *pair),)


def _route(order: Order, done: TransactionStatus, now: datetime) -> ChosenRoute:
    """Return the route that a transaction took, without the quotes that it was chosen from."""
    fees: dict[str, int] = {}
    for leg in done.legs:
        fees[leg.fee_token] = fees.get(leg.fee_token, 0) + leg.fee_units
    return ChosenRoute(
        order.terms.input_token,
        order.terms.output_token,
        order.terms.price_base,
        quotes=(),
        quotes_valid_until=now,
        input_units=done.input_units,
        output_units=done.output_units,
        fees=fees,
        price_impact_bps=route_impact_bps(leg_impact(order, done, leg) for leg in done.legs),
        legs=tuple(_leg(leg, done) for leg in done.legs),
        gap_bps=Decimal(0),
        best_single=None,
        improvement_bps=None,
    )


def _leg(leg: LegFill, done: TransactionStatus) -> RouteLeg:
    hop = sum(each.input_units for each in done.legs if each.token_in == leg.token_in)
    return RouteLeg(
        leg.venue,
        leg.pool_id,
        leg.token_in,
        leg.token_out,
        leg.input_units,
        leg.output_units,
        leg.input_units * BPS_PER_UNIT // max(1, hop),
        leg.impact_bps,
    )
