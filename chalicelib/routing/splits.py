"""From the search's allocations to one that every pool carries out.

A pool may refuse its part: it pays too little for it, or it would end among limit orders where it cannot
(``among_orders``). Then others pay it, or the rest is optimised anew without the pool, or without what it has
from there on.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from operator import itemgetter
from typing import Final

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.allocation import Allocation
from chalicelib.routing.among_orders import has_orders, payable
from chalicelib.routing.assembly import Filling, better, filled_by
from chalicelib.routing.curves import curve_of
from chalicelib.routing.network import Network
from chalicelib.routing.path_execution import ExecutedPath, Execution, LegRefusedError, execute
from chalicelib.routing.ranges import Curve, down_to_out
from chalicelib.routing.search import best_allocation
from chalicelib.routing.short_of_orders import short_of_orders
from chalicelib.routing.swap_order import SwapOrder
from chalicelib.routing.whole import NoRoomError

CUTS_MAX: Final = 8
"""So often are pools asked again for less: each time costs another search, and strangers open as many pools
of their mint as they like.
"""
NEAR: Final = 10_000
"""One part in so many that another pool pays instead moves no price that matters."""


def split(network: Network, order: SwapOrder, execution: Execution) -> tuple[Filling | None, list[float]]:
    """Search, execute, and leave out any pool that refuses its part, or what it cannot pay of it.

    Returns:
        The best filling, None if no split can be had, and the roots at which to look for a bound.
    """
    remaining = network
    roots: list[float] = []
    best: Filling | None = None
    cuts, is_among_orders = 0, False
    while found := best_allocation(remaining, mode=order.mode, amount=order.amount, leg_cost=order.leg_cost):
        roots.extend(found.roots)
        paths: tuple[ExecutedPath, ...] | None = None
        refused: LegRefusedError | None = None
        try:
            paths = execute(
                found.allocation,
                order.mode,
                order.amount,
                execution.now_s,
                execution.slot,
                may_move_parts=not execution.is_estimate,
            )
            best = better(best, filled_by(order, paths))
        except NoRoomError:
            pass
        except LegRefusedError as e:
            refused = e
            is_among_orders |= order.mode is SwapMode.EXACT_OUT and has_orders(e.pool.pool.state)
        shorter = _shorter(found.allocation, paths, execution) if cuts < CUTS_MAX else {}
        if shorter:
            cuts, is_among_orders = cuts + 1, True
            # A quarter of many: what these do not pay may bring the others to where they pay all.
            for pool_id in list(shorter)[: None if cuts == CUTS_MAX else max(1, len(shorter) // 4)]:
                curve = shorter[pool_id]
                remaining = remaining.with_curve(pool_id, curve) if curve else remaining.without({pool_id})
        elif refused is not None and best is None:
            remaining = remaining.without({refused.pool.pool.pool_id})
        else:
            break
    if is_among_orders:
        best = better(best, _before_orders(network, order, execution))
    return best, roots


def _shorter(
    allocation: Allocation, paths: Sequence[ExecutedPath] | None, execution: Execution
) -> dict[str, Curve]:
    """Return what pools offer that pay far less than their part, by pool id; first the one that lacks least.

    Args:
        paths: What the allocation came to, None if it could not be executed.
    """
    if execution.mode is SwapMode.EXACT_IN:
        return {}
    paid_by: dict[str, int] | None = None
    if paths is not None:
        legs = [leg for path in paths for leg in (*path.first, *path.second)]
        paid_by = {leg.pool.pool.pool_id: leg.result.amount_out for leg in legs}
    lacking: list[tuple[int, str, Curve]] = []
    for pool, amount in allocation.parts():
        state, pool_id = pool.pool.state, pool.pool.pool_id
        if not amount or not has_orders(state):
            continue
        part = round(amount)
        if paid_by is None:
            paid = payable(state, pool.token_in, part, execution.now_s)
        else:
            paid = paid_by.get(pool_id, 0)
        if (part - paid) * NEAR > part:
            lacking.append((part - paid, pool_id, down_to_out(pool.curve, float(paid))))
    return {pool_id: curve for _, pool_id, curve in sorted(lacking, key=itemgetter(0, 1))}


def _before_orders(network: Network, order: SwapOrder, execution: Execution) -> Filling | None:
    """Return the best that comes of it if each pool that refuses offers what comes before the orders there:
    of that it pays any part, and so what another one cannot. None if nothing comes of it in some searches.
    """
    remaining = network
    asked: dict[str, int] = {}
    best: Filling | None = None
    for _ in range(CUTS_MAX):
        found = best_allocation(remaining, mode=order.mode, amount=order.amount, leg_cost=order.leg_cost)
        if found is None:
            break
        run = partial(execute, found.allocation, order.mode, order.amount, execution.now_s, execution.slot)
        try:
            best = better(best, filled_by(order, run(may_move_parts=False)))
            break
        except NoRoomError:
            break
        except LegRefusedError as e:
            pool_id = e.pool.pool.pool_id
            curve: Curve = ()
            # As long as it was asked for less than the last time: the next part is smaller again.
            if e.amount < asked.get(pool_id, e.amount + 1):
                curve = _short_of_orders(e, execution)
            part = e.amount
        if asked and not execution.is_estimate:
            with suppress(NoRoomError, LegRefusedError):
                best = better(best, filled_by(order, run()))
        asked[pool_id] = part
        remaining = remaining.with_curve(pool_id, curve) if curve else remaining.without({pool_id})
    return best


def _short_of_orders(refused: LegRefusedError, execution: Execution) -> Curve:
    """Return what a pool offers short of the orders among which its part ended, nothing if it was no such."""
    pool, token_in, _ = refused.pool
    if not refused.amount:
        return ()
    shorter = short_of_orders(pool.state, token_in, refused.amount, execution.now_s)
    if shorter is None:
        return ()
    return curve_of(shorter, token_in, execution.now_s, slot=execution.slot)
