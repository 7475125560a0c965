"""From an order and the venues' answers to a plan and the transaction that carries it out."""

from collections.abc import Collection, Mapping
from typing import Final

from chalicelib.domain.amounts import max_in_units, min_out_units
from chalicelib.domain.chosen_route import ChosenRoute
from chalicelib.domain.errors import Code, RefusedError, VenueUnavailableError
from chalicelib.domain.orders import OrderState
from chalicelib.domain.rates import Bound, Rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import SwapWish
from chalicelib.domain.tokens import Tokens
from chalicelib.domain.transactions import InstructedLeg, InstructedPath, InstructedQuote, SwapInstruction
from chalicelib.routing.best_offer import best_offer
from chalicelib.routing.errors import InsufficientLiquidityError, NoRouteError, RoutingError
from chalicelib.routing.few_legs import leaving_nothing, with_room
from chalicelib.routing.firm_quotes import FirmQuotes, WantedSwap
from chalicelib.routing.marginal import MarginalRates
from chalicelib.routing.market import Market
from chalicelib.routing.marks import mark_of
from chalicelib.routing.open_to import open_to
from chalicelib.routing.plan import Plan, RoutablePool
from chalicelib.routing.swap_order import SwapOrder
from chalicelib.services.planning.chosen_route import chosen_route, foreseen
from chalicelib.services.planning.venues import VenueAnswers
from chalicelib.services.ports import ChainTime
from chalicelib.values import value

_LEAVING_NOTHING: Final = " without leaving something between two hops, which may not be left with who signs"


@value
class PlannedSwap:
    """A plan, and what clients are shown of it."""

    plan: Plan
    route: ChosenRoute


class BeyondBoundError(Exception):
    """The best plan for an order is worse than the order accepts: nothing is taken into account of it.

    Attributes:
        offered: What the order would get, output per input.
    """

    def __init__(self, offered: Rate) -> None:
        super().__init__("the best plan is beyond the order's bound")
        self.offered = offered


class Planner:
    """Plans swaps on one set of venue answers; each plan leaves the pools changed for the next.

    The orders of a batch land one after the other, so each is planned on the state that those
    before it are going to leave.
    """

    def __init__(self, answers: VenueAnswers, tokens: Tokens) -> None:
        self._answers = answers
        # A pool of a token that is not listed any more would take others' orders through it.
        are_listed = tokens.symbols.issuperset
        listed = [pool for pool in answers.pools if pool.is_listed and are_listed(pool.tokens)]
        self._unlisted: dict[str, RoutablePool] = {}
        if len(listed) < len(answers.pools):
            listed_ids = {pool.pool_id for pool in listed}
            self._unlisted = {pool.pool_id: pool for pool in answers.pools if pool.pool_id not in listed_ids}
        self._moment = answers.time
        self._market = Market(listed, self._moment.unix_s, self._moment.slot)
        self._quotes = FirmQuotes(answers.firm_quotes)
        self._tokens = tokens

    def marginal_rate(self, wish: SwapWish) -> Rate | None:
        """Return what no size of a wish gets more than, on the pools as the venues said they are."""
        rates = MarginalRates(self._answers.pools, self._market.now_s, self._market.slot)
        return rates.best(wish.input_token, wish.output_token)

    def mark(self, wish: SwapWish) -> Rate | None:
        """Return the pair's mark now, as output per input; None if it has none."""
        pair = wish.input_token, wish.output_token
        return mark_of(self._answers.pools, pair, self._market.now_s, self._market.slot)

    def has_no_mark(self, wish: SwapWish) -> bool:
        """Return whether the pair never has a mark: no pool trades the two with each other."""
        return self._answers.tell_of_no_pool((wish.input_token, wish.output_token))

    def offered(self, wish: SwapWish) -> Rate:
        """Return what the best plan for a wish gets, output per input; raises as ``plan``."""
        plan = self._best(wish)
        return Rate.of(plan.amount_out, plan.amount_in)

    @property
    def moment(self) -> ChainTime:
        """The chain's time that plans are made for."""
        return self._moment

    @property
    def silence(self) -> str | None:
        """Which venues did not answer, and why; None if all did. What these offer is not known."""
        return self._reasons("not every venue answered") if self._answers.problems else None

    @property
    def pools(self) -> Mapping[str, RoutablePool]:
        """All pools as the plans so far leave them: also those that are traded with only by name."""
        return {**self._market.pools, **self._unlisted} if self._unlisted else self._market.pools

    def plan(
        self, wish: SwapWish, bound: Bound | None = None, *, only: Collection[str] | None = None
    ) -> PlannedSwap:
        """Return the best plan for a wish, and take it into account from now on.

        Args:
            bound: The worst that is accepted, if that does not depend on the plan.
            only: The ids of the pools that may be traded with; None for all, and firm quotes besides.

        Raises:
            BeyondBoundError: The best plan is worse than that.
            VenueUnavailableError: No venue answered; asking again may help.
            RefusedError: The venues answered, and none of them can fill it.
        """
        plan = self._best(wish, only)
        if bound is not None and not bound.is_kept_by(plan.amount_in, plan.amount_out):
            raise BeyondBoundError(Rate.of(plan.amount_out, plan.amount_in))
        pools = self.pools
        route = chosen_route(plan, pools, self._answers, base=wish.price_base)
        if self._answers.on_plan and plan.firm_quote is None:
            swaps = foreseen(plan, pools, route, self.moment)
            for told in self._answers.on_plan:
                told(swaps)
        after = plan.pools_after
        if self._unlisted:
            for pool_id in after.keys() & self._unlisted.keys():
                self._unlisted[pool_id] = self._unlisted[pool_id]._replace(state=after[pool_id])
            after = {pool_id: state for pool_id, state in after.items() if pool_id not in self._unlisted}
        self._market.apply(after)
        self._quotes.take(plan.firm_quote)
        return PlannedSwap(plan, route)

    def _best(self, wish: SwapWish, only: Collection[str] | None = None) -> Plan:
        answers, tokens = self._answers, self._tokens
        pair = wish.input_token, wish.output_token
        given, wanted = map(tokens.find, pair)
        if given is None or wanted is None:
            gone = pair[0] if given is None else pair[1]
            raise RefusedError(Code.NO_ROUTE, f"{gone} is not traded any more")
        if len(answers.problems) == len(answers.venues):
            raise VenueUnavailableError(self._reasons("no venue answered"))
        cost_token = wanted if wish.swap_mode is SwapMode.EXACT_IN else given
        order = SwapOrder(wish.swap_mode, *pair, wish.amount_units, cost_token.leg_cost_units)
        market, quotes = self._market, self._quotes
        if only is not None:
            chosen = [pool for pool_id, pool in self.pools.items() if pool_id in only]
            market, quotes = Market(chosen, market.now_s, market.slot), FirmQuotes(())
        elif not tokens.symbols.issuperset(pair):
            chosen = open_to(pair, self.pools.values(), tokens)
            market = Market(chosen, market.now_s, market.slot)
        usable = market if answers.room is None else leaving_nothing(market, order, answers.room)
        try:
            plan = best_offer(usable, quotes, order)
            if answers.room is None or plan.firm_quote is not None:
                return plan
            return with_room(usable, order, plan, answers.room)
        except RoutingError as error:
            has_other_ways = usable is not market and bool(market.two_hop_pairs(*pair))
            raise self._refusal(error, wish, _LEAVING_NOTHING if has_other_ways else "") from error

    def _refusal(self, error: RoutingError, wish: SwapWish, how: str) -> RefusedError:
        pair = f"{wish.input_token} to {wish.output_token}{how}"
        match error:
            case InsufficientLiquidityError():
                return RefusedError(
                    Code.INSUFFICIENT_LIQUIDITY, self._reasons(f"the pools cannot fill {pair}")
                )
            case NoRouteError():
                return RefusedError(Code.NO_ROUTE, self._reasons(f"no venue trades {pair}"))
        raise error

    def _reasons(self, summary: str) -> str:
        reasons = "; ".join(f"{venue}: {problem}" for venue, problem in self._answers.problems.items())
        return f"{summary} ({reasons})" if reasons else summary


def no_mark(wish: SwapWish) -> RefusedError:
    """Return why an order is refused whose trigger looks at the mark of a pair that has none."""
    pair = f"{wish.input_token} and {wish.output_token}"
    problem = f"no pool trades {pair} with each other, so they have no mark: use the source executable"
    return RefusedError(Code.NO_ROUTE, problem)


def wanted_by(wish: SwapWish) -> WantedSwap:
    """Return what venues are asked a firm quote for: no word of the account."""
    return WantedSwap(wish.swap_mode, wish.input_token, wish.output_token, wish.amount_units)


def instruction(state: OrderState, plan: Plan, *, held_to: int | None = None) -> SwapInstruction:
    """Return the transaction's content: the plan, and the worst total that the order accepts.

    A firm quote is held to its word: it pays what it promised, or nothing happens.

    Args:
        held_to: A threshold that is accepted at the worst, whatever slippage the plan would allow.
    """
    order, terms, quote = state.order, state.order.terms, plan.firm_quote
    if quote is not None:  # it keeps the bound too, or there would be no plan
        threshold = plan.amount_out if terms.swap_mode is SwapMode.EXACT_IN else plan.amount_in
    elif terms.bound is not None:
        threshold = terms.bound.units
    else:
        assert terms.slippage_bps is not None, "an order without a limit has a slippage"
        is_exact_in = terms.swap_mode is SwapMode.EXACT_IN
        threshold = (
            min_out_units(plan.amount_out, terms.slippage_bps)
            if is_exact_in
            else max_in_units(plan.amount_in, terms.slippage_bps)
        )
        if held_to is not None:
            threshold = max(threshold, held_to) if is_exact_in else min(threshold, held_to)
    return SwapInstruction(
        account_id=order.account_id,
        order_id=order.order_id,
        attempt=state.attempt,
        swap_mode=terms.swap_mode,
        input_token=terms.input_token,
        output_token=terms.output_token,
        paths=_instructed_paths(plan),
        threshold_units=threshold,
        firm_quote=InstructedQuote(quote.venue, quote.quote_id) if quote else None,
    )


def _instructed_paths(plan: Plan) -> tuple[InstructedPath, ...]:
    is_exact_in = plan.mode is SwapMode.EXACT_IN
    paths = []
    for tokens, legs, _, _, _ in plan.paths:
        hops: list[list[InstructedLeg]] = [[] for _ in tokens[1:]]
        for leg in legs:
            planned_units = leg.amount_in if is_exact_in else leg.amount_out
            hops[tokens.index(leg.token_in)].append(InstructedLeg(leg.pool_id, planned_units))
        paths.append(InstructedPath(tokens, tuple(map(tuple, hops))))
    return tuple(paths)
