"""Plans that one transaction can carry: some chains carry only so much at once, and some signers may keep
nothing of what lies between two hops.

A plan with too many legs is made again without the pools whose legs bring least for their room, among the
pools that it has, until it fits, and once it has few, without each of them; one pool, or one after another,
may do more. Among limit orders, where a plan takes long, most are estimates, and each of few is not tried.
The certificate stays that of all plans: how far this one is from the best there would be without the limit.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from chalicelib.amm.pools import Pool
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.among_orders import has_orders
from chalicelib.routing.assembly import filling_of, gap_bps, improvement_bps
from chalicelib.routing.errors import InsufficientLiquidityError, RoutingError
from chalicelib.routing.market import Market
from chalicelib.routing.path_execution import Execution
from chalicelib.routing.plan import Leg, Plan, RoutablePool
from chalicelib.routing.router import best_plan
from chalicelib.routing.singles import best_in_a_row
from chalicelib.routing.swap_order import SwapOrder

FEW: Final = 8
"""Of so many legs each is tried to do without."""
WIDTH: Final = 3
"""So many plans of as many legs go on to lose one more: some hundred searches at most."""


class Room(NamedTuple):
    """How much of a transaction legs take up, and what may come of two hops in it.

    Attributes:
        most: What all legs together may take.
        taken: Given a pool's id, returns what a leg through it takes; 0 for a pool that it knows nothing of.
        passes_all_on: Where nothing may be left between two hops: returns whether what a pool pays can be
            given on to the unit, exact in. None where something may be left.
    """

    most: int
    taken: Callable[[str], int]
    passes_all_on: Callable[[Pool], bool] | None = None

    def holds(self, plan: Plan) -> bool:
        """Return whether one transaction can carry all legs of a plan."""
        return sum(self.taken(leg.pool_id) for leg in plan.legs) <= self.most


def common_room(rooms: Sequence[Room]) -> Room | None:
    """Return what holds only plans that every one of some rooms holds, each with its own pools."""
    if len(rooms) < 2:
        return rooms[0] if rooms else None
    demands = [room.passes_all_on for room in rooms if room.passes_all_on is not None]
    return Room(
        min(room.most for room in rooms),
        lambda pool_id: max(room.taken(pool_id) for room in rooms),
        (lambda pool: all(passes_all_on(pool) for passes_all_on in demands)) if demands else None,
    )


def leaving_nothing(market: Market, order: SwapOrder, room: Room) -> Market:
    """Return what an order's plans may go through so that nothing is left between two hops, where that is
    demanded, else all.

    Exact out takes pools of its pair alone, since what a second hop will take is not known to the unit. So
    plans are the best, and their certificates hold, among those that can be carried out.
    """
    passes_all_on, pair = room.passes_all_on, {order.input_token, order.output_token}
    if passes_all_on is None:
        return market

    def is_open(pool: RoutablePool) -> bool:
        if pair.issuperset(pool.tokens):
            return True
        is_first_hop = order.input_token in pool.tokens
        return order.mode is SwapMode.EXACT_IN and (not is_first_hop or passes_all_on(pool.state))

    chosen = [pool for pool in market.pools.values() if is_open(pool)]
    return market if len(chosen) == len(market.pools) else Market(chosen, market.now_s, market.slot)


def with_room(
    market: Market, order: SwapOrder, plan: Plan, room: Room, *, tries_each_of_few: bool = True
) -> Plan:
    """Return the plan itself if it has room, else a good one that has.

    Args:
        tries_each_of_few: Without it, a tenth of the searches do: the plan is never better, and rarely worse
            by more than two basis points.

    Raises:
        InsufficientLiquidityError: What has room cannot fill the order.
    """
    if room.holds(plan):
        return plan
    is_slow = _is_slow(market, order, plan)
    found = [simple for simple in _simple_plans(market, order, plan) if room.holds(simple)]
    for worth in (lambda leg: leg.share_bps // max(1, room.taken(leg.pool_id)), lambda leg: leg.share_bps):
        shortened = _shortened(market, order, plan, room, worth, is_estimate=is_slow)
        if shortened is not None:
            found.append(shortened)
            break
    if tries_each_of_few and not is_slow:
        few = _shortened(market, order, plan, Room(FEW, lambda _: 1), lambda leg: leg.share_bps)
        found += [] if few is None else _thinned(market, order, few, room)
    if not found:
        raise InsufficientLiquidityError(
            input_token=order.input_token, output_token=order.output_token, amount=order.amount
        )
    if is_slow:
        # The whole search is made for the few pools that it came to alone.
        with suppress(RoutingError):
            last = _through(market, order, {leg.pool_id for leg in _best_of(order, found).legs})
            found += [last] if room.holds(last) else []
    return _certified(order, _best_of(order, found), plan)


def _best_of(order: SwapOrder, plans: Sequence[Plan]) -> Plan:
    return max(plans, key=lambda each: filling_of(order, each).objective)


def _simple_plans(market: Market, order: SwapOrder, plan: Plan) -> Iterator[Plan]:
    """Yield plans through one pool, of each venue the best that it has, and through one after another."""
    for quote in plan.best_single_by_venue.values():
        if quote.pool_id in market.pools:  # else it is a firm quote's
            yield _through(market, order, [quote.pool_id])
    execution = Execution(order.mode, market.now_s, slot=market.slot)
    for pairs in market.two_hop_pairs(order.input_token, order.output_token):
        path = best_in_a_row(pairs, execution, order.amount)
        if path is not None:
            yield _through(market, order, [leg.pool.pool.pool_id for leg in (*path.first, *path.second)])


def _through(market: Market, order: SwapOrder, pool_ids: Iterable[str], *, is_estimate: bool = False) -> Plan:
    """Return the best plan through some pools alone.

    Raises:
        RoutingError: As ``best_plan``.
    """
    pools = [market.pools[each] for each in pool_ids]
    return best_plan(Market(pools, market.now_s, market.slot), order, is_estimate=is_estimate)


def _shortened(
    market: Market,
    order: SwapOrder,
    plan: Plan,
    room: Room,
    worth: Callable[[Leg], int],
    *,
    is_estimate: bool = False,
) -> Plan | None:
    """Return a plan that has room, None if the pools that are left cannot fill the order."""
    left = {leg.pool_id for leg in plan.legs}
    shorter: Plan | None = plan
    while shorter is not None and not room.holds(shorter):
        left.difference_update(_leaving(shorter, room, worth))
        shorter = None
        # What an estimate finds among many is searched for whole among few, or where it finds nothing.
        for is_quick in (True, False) if is_estimate and len(left) > FEW else (False,):
            with suppress(RoutingError):
                shorter = _through(market, order, left, is_estimate=is_quick)
                break
    return shorter


def _is_slow(market: Market, order: SwapOrder, plan: Plan) -> bool:
    """Return whether each plan takes many searches, since pools may refuse what ends among their orders."""
    is_exact_out = order.mode is SwapMode.EXACT_OUT
    return is_exact_out and any(has_orders(market.pools[leg.pool_id].state) for leg in plan.legs)


def _thinned(market: Market, order: SwapOrder, plan: Plan, room: Room) -> list[Plan]:
    """Return plans that have room after pools have left one after the other: each time the best few of all
    that do without one more go on.
    """
    fitting: list[Plan] = []
    going_on = [plan]
    if room.holds(plan):
        return going_on
    while going_on:
        left = {frozenset([leg.pool_id for leg in each.legs]) for each in going_on}
        fewer = {pools - {pool_id} for pools in left for pool_id in pools}
        made: list[Plan] = []
        for pools in sorted(fewer, key=sorted):
            with suppress(RoutingError):
                made.append(_through(market, order, pools))
        fitting += [each for each in made if room.holds(each)]
        longer = [each for each in made if not room.holds(each)]
        longer.sort(key=lambda each: filling_of(order, each).objective, reverse=True)
        going_on = longer[:WIDTH]
    return fitting


def _leaving(plan: Plan, room: Room, worth: Callable[[Leg], int]) -> list[str]:
    """Return the pools of the legs that bring least: no more than have to leave, nor than a quarter of many.

    One at a time would be a search for each of dozens.
    """
    over = sum(room.taken(leg.pool_id) for leg in plan.legs) - room.most
    leaving: list[str] = []
    for leg in sorted(plan.legs, key=worth)[: max(1, len(plan.legs) // 4)]:
        if over <= 0:
            break
        leaving.append(leg.pool_id)
        over -= room.taken(leg.pool_id)
    return leaving


def _certified(order: SwapOrder, found: Plan, best: Plan) -> Plan:
    """Return a plan beside what all pools offer, with the bound over all plans."""
    return found._replace(
        bound=best.bound,
        gap_bps=gap_bps(order, filling_of(order, found), best.bound),
        best_single=best.best_single,
        best_single_by_venue=best.best_single_by_venue,
        improvement_bps=improvement_bps(order.mode, found.amount_in, found.amount_out, best.best_single),
    )
