"""What sizes get at some prices, for stops that look at the executable rate: pure."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from chalicelib.domain.order_sizes import SizeClass, size_class
from chalicelib.domain.rates import Rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.tokens import Tokens
from chalicelib.domain.triggers import Direction
from chalicelib.domain.watches import DirectedPair, SeenPrice
from chalicelib.routing.errors import RoutingError
from chalicelib.routing.few_legs import leaving_nothing, with_room
from chalicelib.routing.market import Market
from chalicelib.routing.open_to import open_to
from chalicelib.routing.plan import Plan
from chalicelib.routing.router import best_plan
from chalicelib.routing.swap_order import SwapOrder
from chalicelib.services.resting.ports import ArmedSize
from chalicelib.services.resting.prices import Prices

_PER_RATE: Final = 10_000
_MARGIN: Final = 2
"""In parts of ``_PER_RATE``: by how much a plan may miss the best one, and another size's plan not."""

_ROUNDED_PER_LEG: Final = 2
"""Base units: each leg rounds its amount and its fee."""

NOTHING: Final = Rate(1, 10**60)
"""What a size gets that no pools can fill: it meets every stop, which its own quote then decides."""


class SizeRates:
    """Plans with the pools that are open to a pair's orders, as the planner of an order does.

    Firm quotes are left out: with them an order gets more, and its own quote decides.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def seen(self, prices: Prices, pair: DirectedPair, armed: Sequence[ArmedSize]) -> Sequence[SeenPrice]:
        """Return for classes of sizes what no size of theirs gets less than, where that may meet a stop.

        The largest class is asked for first: what it gets, no smaller size gets less than, so that with all
        stops well below it one plan does for the pair.
        """
        market = Market(open_to(pair, prices.pools, self._tokens), prices.now_s, prices.slot)
        found: list[SeenPrice] = []
        for mode in SwapMode:
            cost = self._leg_cost(pair, mode)
            plan: Plan | None = None
            of_mode = [each for each in armed if size_class(each.look).mode is mode]
            for look, highest in sorted(of_mode, reverse=True):
                sizes = size_class(look)
                if plan is not None and _lowered(plan, sizes, cost).key_down() > highest:
                    continue
                plan, seen = _seen(
                    market, prices, SwapOrder(mode, *pair, sizes.most_units, cost), sizes, highest
                )
                found.append(SeenPrice(pair, Direction.AT_MOST, look, seen, prices.height, prices.height))
        return found

    def _leg_cost(self, pair: DirectedPair, mode: SwapMode) -> int:
        token = self._tokens.find(pair.output_token if mode is SwapMode.EXACT_IN else pair.input_token)
        return 0 if token is None else token.leg_cost_units


def _seen(
    market: Market, prices: Prices, order: SwapOrder, sizes: SizeClass, highest: Decimal
) -> tuple[Plan | None, Rate]:
    """Return a plan for the largest of some sizes, None if there is none, and what each of them gets with it.

    Where the best plan is too long for a transaction, a quick one that has room does if no stop is met by it:
    an order's own gets as much or more, and takes ten times as long to find.
    """
    room = prices.room
    usable = market if room is None else leaving_nothing(market, order, room)
    try:
        plan = best = best_plan(usable, order)
    except RoutingError:
        return None, NOTHING
    if room is None or room.holds(best):
        return plan, _lowered(plan, sizes, order.leg_cost)
    for tries_each_of_few in (False, True):
        try:
            plan = with_room(usable, order, best, room, tries_each_of_few=tries_each_of_few)
        except RoutingError:
            continue
        seen = _lowered(plan, sizes, order.leg_cost)
        if tries_each_of_few or seen.key_down() > highest:
            return plan, seen
    return None, NOTHING


def _lowered(plan: Plan, sizes: SizeClass, cost: int) -> Rate:
    """Return what a plan gets, less what the least of some sizes may lose to rounding and its legs' cost."""
    lost = len(plan.legs) * (cost + _ROUNDED_PER_LEG)
    least = Fraction(sizes.least_units)
    whole = Fraction(plan.amount_out, plan.amount_in) * Fraction(_PER_RATE - _MARGIN, _PER_RATE)
    if sizes.mode is SwapMode.EXACT_IN:
        lowered = whole - Fraction(lost) / least
    else:
        lowered = least / (least / whole + lost)
    return Rate(lowered.numerator, lowered.denominator) if lowered > 0 else NOTHING
