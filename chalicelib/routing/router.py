"""Best execution of one order over the pools that connect its tokens."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from chalicelib.amm.swaps import SwapMode
from chalicelib.routing.assembly import Order, assemble
from chalicelib.routing.certificate import objective_bound
from chalicelib.routing.errors import InsufficientLiquidityError
from chalicelib.routing.execution import ExecutedLeg, ExecutedPath, LegRefusedError, execute
from chalicelib.routing.network import Network, network_of
from chalicelib.routing.plan import Plan, RoutablePool
from chalicelib.routing.ranges import root_after_in, root_after_out
from chalicelib.routing.search import best_allocation
from chalicelib.routing.singles import best_singles

GAP_ENOUGH: Final = Fraction(5, 10**7)
"""0.005 bps: a single pool this close to the bound is the answer, without a search."""


def best_execution(
    pools: Iterable[RoutablePool],
    *,
    mode: SwapMode,
    input_token: str,
    output_token: str,
    amount: int,
    now_s: int,
    leg_cost: int,
) -> Plan:
    """Return the plan of at most two hops that gives the trader the most for ``amount``.

    The plan is exact: executing its legs in order on the given states moves the amounts it
    names. It does not depend on the order of ``pools``. An order that one pool fills to within
    ``GAP_ENOUGH`` of the bound goes to that pool alone.

    Args:
        amount: Input (exact-in) or output (exact-out), in base units.
        now_s: Unix time at which the legs are taken to execute; dynamic fees depend on it.
        leg_cost: Charged per leg: output (exact-in) or input (exact-out) base units.

    Raises:
        NoRouteError: No pool, and no two pools in a row, connect the tokens.
        InsufficientLiquidityError: They do, and cannot fill the amount.
        ValueError: The amount is not positive, the cost negative or the tokens are the same.
    """
    if amount <= 0 or leg_cost < 0 or input_token == output_token:
        raise ValueError("amount must be positive, leg_cost not negative, and the tokens two")
    order = Order(mode, input_token, output_token, amount, leg_cost, now_s)
    network = network_of(
        pools, mode=mode, input_token=input_token, output_token=output_token, amount=amount, now_s=now_s
    )
    singles = best_singles(network.direct, mode=mode, amount=amount, now_s=now_s)
    bounds: list[int] = []
    single: tuple[ExecutedPath, ...] = ()
    if singles.best is not None:
        single = (ExecutedPath(None, (singles.best,)),)
        bounds.append(_bound(network, _final_root(singles.best, order), order))
        if order.gap(single, bounds[0]) <= GAP_ENOUGH * bounds[0]:
            return assemble(order, single, bounds[0], singles)

    paths = _split(network, order, bounds)
    if not paths or (single and order.objective(single) >= order.objective(paths)):
        paths = single
    if not paths:
        raise InsufficientLiquidityError(input_token=input_token, output_token=output_token, amount=amount)
    tightest = min(bounds) if mode is SwapMode.EXACT_IN else max(bounds)
    return assemble(order, paths, tightest, singles)


def _split(network: Network, order: Order, bounds: list[int]) -> tuple[ExecutedPath, ...]:
    """Search, execute, and leave out any pool that refuses its part; add the bounds found."""
    remaining = network
    while True:
        allocation = best_allocation(remaining, mode=order.mode, amount=order.amount, leg_cost=order.leg_cost)
        if allocation is None:
            return ()
        bounds.append(_bound(network, allocation.root, order))
        try:
            return execute(allocation, mode=order.mode, amount=order.amount, now_s=order.now_s) or ()
        except LegRefusedError as e:
            remaining = remaining.without({e.pool_id})


def _final_root(leg: ExecutedLeg, order: Order) -> float:
    curve = leg.pool.curve
    after = root_after_in if order.mode is SwapMode.EXACT_IN else root_after_out
    return after(curve, float(order.amount)) or curve[-1].end


def _bound(network: Network, root: float, order: Order) -> int:
    return objective_bound(network, root, mode=order.mode, amount=order.amount, leg_cost=order.leg_cost)
