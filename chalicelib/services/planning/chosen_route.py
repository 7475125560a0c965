"""From a plan to what a client is shown of it: quotes, legs, fees and price impact, in base units."""

from collections.abc import Iterator, Mapping

from chalicelib.amm.pools import spot_price
from chalicelib.amm.swaps import Exact, SwapResult, TokenIndex
from chalicelib.domain.chosen_route import ChosenRoute, FeeUnits, PoolQuote, RouteLeg, VenueRefusal
from chalicelib.domain.prices import LegImpact, price_impact_bps, route_impact_bps
from chalicelib.routing.exactness import EXACT
from chalicelib.routing.plan import ForeseenSwap, Plan, RoutablePool, SinglePoolQuote
from chalicelib.services.planning.venues import VenueAnswers
from chalicelib.services.ports import ChainTime


def chosen_route(
    plan: Plan, pools: Mapping[str, RoutablePool], answers: VenueAnswers, *, base: str
) -> ChosenRoute:
    """Return each venue's best single pool, the chosen route, how good it is, and what it is better than.

    Args:
        pools: In the states that the plan was made for; a firm quote has none.
        base: The token whose price is told, one of the two.
    """
    quotes: dict[str, PoolQuote] = {}
    known: dict[str, tuple[SwapResult, PoolQuote]] = {}
    for venue, single in plan.best_single_by_venue.items():
        quote = quotes[venue] = _pool_quote(plan, single, pools)
        known[single.pool_id] = single.swap, quote
    legs: list[RouteLeg] = []
    impacts: list[LegImpact] = []
    fees: dict[str, int] = {}
    for leg in plan.legs:
        pool_id, venue, token_in, token_out, amount_in, amount_out, share_bps, swap = leg
        alone = known.get(pool_id)
        if alone is not None and alone[0] == swap:  # the leg is a single pool's whole quote
            impact, leg_fees = alone[1].price_impact_bps, alone[1].fees
        else:
            leg_fees, impact = _costs(pools.get(pool_id), token_in, swap)
        for symbol, units in leg_fees.items():
            fees[symbol] = fees.get(symbol, 0) + units
        is_first = token_in == plan.input_token
        part, whole = (amount_in, plan.amount_in) if is_first else (amount_out, plan.amount_out)
        impacts.append(LegImpact(impact, part, whole))
        legs.append(RouteLeg(venue, pool_id, token_in, token_out, amount_in, amount_out, share_bps, impact))
    told: list[PoolQuote | VenueRefusal] = [
        _told(venue, quotes.get(venue), answers.problems) for venue in answers.venues
    ]
    if answers.refused:
        told += _refused(answers, {plan.input_token, plan.output_token})
    best = plan.best_single
    return ChosenRoute(
        plan.input_token,
        plan.output_token,
        base,
        tuple(told),
        answers.valid_until,
        plan.amount_in,
        plan.amount_out,
        fees,
        route_impact_bps(impacts),
        tuple(legs),
        plan.gap_bps,
        quotes[best.venue] if best else None,
        plan.improvement_bps,
    )


def foreseen(
    plan: Plan, pools: Mapping[str, RoutablePool], route: ChosenRoute, moment: ChainTime
) -> list[ForeseenSwap]:
    """Return the swaps of a plan over pools, which are in the states that it was made for."""
    exact, now_s, slot = EXACT[plan.mode], moment.unix_s, moment.slot
    swaps = []
    for leg, shown in zip(plan.legs, route.legs, strict=True):
        pool = pools[leg.pool_id]
        amount = leg.amount_in if exact is Exact.IN else leg.amount_out
        side: TokenIndex = 0 if leg.token_in == pool.tokens[0] else 1
        after = plan.pools_after[leg.pool_id]
        asked = exact, amount, side, now_s, slot
        swaps.append(ForeseenSwap(pool.state, asked, leg.swap, after, shown.price_impact_bps))
    return swaps


def swap_fees(result: SwapResult, tokens: tuple[str, str]) -> FeeUnits:
    """Return what one swap cost, by token."""
    fees = {tokens[result.fee_token]: result.trade_fee}
    if result.creator_fee:
        symbol = tokens[result.creator_fee_token]
        fees[symbol] = fees.get(symbol, 0) + result.creator_fee
    return fees


def _pool_quote(plan: Plan, single: SinglePoolQuote, pools: Mapping[str, RoutablePool]) -> PoolQuote:
    pool_id, venue, amount_in, amount_out, swap = single
    fees, impact_bps = _costs(pools.get(pool_id), plan.input_token, swap)
    return PoolQuote(venue, pool_id, amount_in, amount_out, fees, impact_bps)


def _told(venue: str, quote: PoolQuote | None, problems: Mapping[str, str]) -> PoolQuote | VenueRefusal:
    if venue in problems:
        return VenueRefusal(venue, problems[venue])
    return quote or VenueRefusal(venue, "no pool of it can fill the order alone")


def _refused(answers: VenueAnswers, pair: set[str]) -> Iterator[VenueRefusal]:
    """Yield the pools of a pair that no plan may use."""
    for venue, pools in answers.refused.items():
        for pool_id, tokens, problem in pools:
            if pair == set(tokens):
                yield VenueRefusal(venue, problem, pool_id)


def _costs(pool: RoutablePool | None, token_in: str, swap: SwapResult) -> tuple[FeeUnits, str]:
    """Return what one swap costs, by token, and moves its pool's price by.

    A firm quote, which has no pool, moves none, and what it costs is in its price.
    """
    if pool is None:
        return {}, "0.00"
    tokens = pool.tokens
    index: TokenIndex = 0 if tokens[0] == token_in else 1
    return swap_fees(swap, tokens), price_impact_bps(spot_price(pool.state), index, swap)
