"""Best execution over pools and firm quotes: the best plan over pools, unless a quote is better.

A quote fills a whole order or nothing of it, so every plan is one over pools or one quote: what bounds the
plans over pools bounds all of them, unless a quote lies beyond it, and then that quote is the best there is.
"""

from chalicelib.amm.swaps import SwapResult
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.assembly import Filling, filling_of, gap_bps, improvement_bps
from chalicelib.routing.errors import RoutingError
from chalicelib.routing.firm_quotes import FirmQuotes, FixedAmounts, OfferedFill, is_better
from chalicelib.routing.market import Market
from chalicelib.routing.plan import Leg, Path, Plan, SinglePoolQuote
from chalicelib.routing.router import best_plan
from chalicelib.routing.shares import BPS_PER_UNIT
from chalicelib.routing.swap_order import SwapOrder


def best_offer(market: Market, quotes: FirmQuotes, order: SwapOrder) -> Plan:
    """Return the plan that gives the trader the most; one over pools if a quote only equals it.

    Raises:
        RoutingError: As ``best_plan``, and no quote fills the order either.
    """
    fills = quotes.fills(order)
    if not fills:
        return best_plan(market, order)
    best = fills[0]
    for fill in fills[1:]:
        if is_better(fill.amounts, best.amounts):
            best = fill
    try:
        over_pools = best_plan(market, order)
    except RoutingError:
        return _beside(order, _plan_of(order, best, None), fills)
    if _filling(order, best.amounts).objective > filling_of(order, over_pools).objective:
        return _beside(order, _plan_of(order, best, over_pools), fills)
    return _beside(order, over_pools, fills)


def _filling(order: SwapOrder, amounts: FixedAmounts) -> Filling:
    gained = amounts.amount_out if order.mode is SwapMode.EXACT_IN else -amounts.amount_in
    return Filling((), amounts.amount_in, amounts.amount_out, gained - order.leg_cost)


def _plan_of(order: SwapOrder, fill: OfferedFill, over_pools: Plan | None) -> Plan:
    """Return the plan that takes a quote, which is better than the best plan over pools."""
    quote, (amount_in, amount_out) = fill
    filling = _filling(order, fill.amounts)
    is_exact_in = order.mode is SwapMode.EXACT_IN
    bound = filling.objective if is_exact_in else -filling.objective
    if over_pools is not None:
        bound = max(bound, over_pools.bound) if is_exact_in else min(bound, over_pools.bound)
    leg = Leg(
        quote.quote_id,
        quote.venue,
        quote.token_in,
        quote.token_out,
        amount_in,
        amount_out,
        BPS_PER_UNIT,
        _swap(fill.amounts),
    )
    path = Path((quote.token_in, quote.token_out), (leg,), amount_in, amount_out, BPS_PER_UNIT)
    return Plan(
        mode=order.mode,
        input_token=order.input_token,
        output_token=order.output_token,
        amount_in=amount_in,
        amount_out=amount_out,
        leg_cost=order.leg_cost,
        paths=(path,),
        bound=bound,
        gap_bps=gap_bps(order, filling, bound),
        best_single=over_pools.best_single if over_pools else None,
        best_single_by_venue=over_pools.best_single_by_venue if over_pools else {},
        improvement_bps=None,
        pools_after={},
        firm_quote=quote,
    )


def _beside(order: SwapOrder, plan: Plan, fills: list[OfferedFill]) -> Plan:
    """Return a plan with the quotes among what each venue would do alone."""
    singles = dict(plan.best_single_by_venue)
    best = plan.best_single
    for quote, amounts in fills:
        single = SinglePoolQuote(quote.quote_id, quote.venue, *amounts, _swap(amounts))
        known = singles.get(quote.venue)
        if known is None or is_better(amounts, FixedAmounts(known.amount_in, known.amount_out)):
            singles[quote.venue] = single
        if best is None or is_better(amounts, FixedAmounts(best.amount_in, best.amount_out)):
            best = single
    return plan._replace(
        best_single=best,
        best_single_by_venue=singles,
        improvement_bps=improvement_bps(order.mode, plan.amount_in, plan.amount_out, best),
    )


def _swap(amounts: FixedAmounts) -> SwapResult:
    """Return a quote's amounts as a swap: what it costs is in its price."""
    return SwapResult(*amounts, trade_fee=0, protocol_fee=0, fee_token=0)
