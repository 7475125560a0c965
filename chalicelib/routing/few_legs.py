"""Plans that one transaction has room for: some chains carry only so much at once.

A plan with too many legs is made again without the pool whose leg brings least for its room, among the pools
that it has, until it fits. The certificate stays that of all plans: how far this one is from the best there
would be without the limit.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.assembly import Filling, gap_bps, improvement_bps
from chalicelib.routing.errors import InsufficientLiquidityError, RoutingError
from chalicelib.routing.market import Market
from chalicelib.routing.plan import Leg, Plan
from chalicelib.routing.router import best_plan
from chalicelib.routing.swap_order import SwapOrder


class Room(NamedTuple):
    """How much of a transaction legs take up.

    Attributes:
        most: What all legs together may take.
        taken: Given a pool's id, returns what a leg through it takes; 0 for a pool that it knows nothing of.
    """

    most: int
    taken: Callable[[str], int]

    def holds(self, plan: Plan) -> bool:
        """Return whether one transaction can carry all legs of a plan."""
        return sum(self.taken(leg.pool_id) for leg in plan.legs) <= self.most


def common_room(rooms: Sequence[Room]) -> Room | None:
    """Return what holds only plans that every one of some rooms holds, each with its own pools."""
    if len(rooms) < 2:
        return rooms[0] if rooms else None
    return Room(min(room.most for room in rooms), lambda pool_id: max(room.taken(pool_id) for room in rooms))


def with_room(market: Market, order: SwapOrder, plan: Plan, room: Room) -> Plan:
    """Return the plan itself if it has room, else a good one that has.

    Raises:
        InsufficientLiquidityError: What has room cannot fill the order.
    """
    if room.holds(plan):
        return plan
    for worth in (lambda leg: leg.share_bps // max(1, room.taken(leg.pool_id)), lambda leg: leg.share_bps):
        found = _shortened(market, order, plan, room, worth)
        if found is not None:
            return _certified(order, found, plan)
    raise InsufficientLiquidityError(
        input_token=order.input_token, output_token=order.output_token, amount=order.amount
    )


def _shortened(
    market: Market, order: SwapOrder, plan: Plan, room: Room, worth: Callable[[Leg], int]
) -> Plan | None:
    """Return a plan that has room, None if the pools that are left cannot fill the order."""
    pools = {leg.pool_id: market.pools[leg.pool_id] for leg in plan.legs}
    while not room.holds(plan):
        del pools[min(plan.legs, key=worth).pool_id]
        try:
            plan = best_plan(Market(pools.values(), market.now_s, market.slot), order)
        except RoutingError:
            return None
    return plan


def _certified(order: SwapOrder, found: Plan, best: Plan) -> Plan:
    """Return a plan beside what all pools offer, with the bound over all plans."""
    gained = found.amount_out if order.mode is SwapMode.EXACT_IN else -found.amount_in
    filling = Filling((), found.amount_in, found.amount_out, gained - order.leg_cost * len(found.legs))
    return found._replace(
        bound=best.bound,
        gap_bps=gap_bps(order, filling, best.bound),
        best_single=best.best_single,
        best_single_by_venue=best.best_single_by_venue,
        improvement_bps=improvement_bps(order.mode, found.amount_in, found.amount_out, best.best_single),
    )
