"""Best execution of one order over the pools that connect its tokens."""

from collections.abc import Iterable

from chalicelib.amm.swaps import SwapMode
from chalicelib.routing.assembly import Filling, Order, assemble
from chalicelib.routing.certificate import objective_bound
from chalicelib.routing.errors import InsufficientLiquidityError
from chalicelib.routing.execution import (
    ExecutedLeg,
    Execution,
    LegRefusedError,
    direct_path,
    execute,
)
from chalicelib.routing.market import Market
from chalicelib.routing.network import Network, network_of
from chalicelib.routing.one_way import one_detour
from chalicelib.routing.plan import Plan, RoutablePool
from chalicelib.routing.ranges import after_in, after_out
from chalicelib.routing.rising import Reconsideration, most_rising_leg
from chalicelib.routing.search import best_allocation
from chalicelib.routing.singles import best_singles
from chalicelib.routing.whole import NoRoomError


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
    """Return the best plan for one order on pools that are seen for the first time.

    Whoever plans several orders keeps the ``Market`` and calls ``best_plan``.

    Args:
        amount: Input (exact-in) or output (exact-out), in base units.
        now_s: Unix time at which the legs are taken to execute; dynamic fees depend on it.
        leg_cost: Charged per leg: output (exact-in) or input (exact-out) base units.

    Raises:
        RoutingError: As ``best_plan``.
        ValueError: The amount is not a positive u64, the cost negative or the tokens are the same.
    """
    return best_plan(Market(pools, now_s), Order(mode, input_token, output_token, amount, leg_cost))


def best_plan(market: Market, order: Order) -> Plan:
    """Return the plan of at most two hops that gives the trader the most for an order.

    The plan is exact: executing its legs in order on the given states moves the amounts it
    names. It does not depend on the order of the pools. An order that one pool fills to within
    half a hundredth of a basis point of the bound goes to that pool alone (``Order.is_close``).

    Raises:
        NoRouteError: No pool, and no two pools in a row, connect the tokens.
        InsufficientLiquidityError: They do, and cannot fill the amount.
    """
    amount = order.amount
    execution = Execution(order.mode, market.now_s)
    network = network_of(
        market,
        mode=order.mode,
        input_token=order.input_token,
        output_token=order.output_token,
        amount=amount,
    )
    singles = best_singles(network.direct, execution, amount)
    single: Filling | None = None
    bound: int | None = None
    if singles.best is not None:
        single = order.filled_by((direct_path(singles.best),))
    detour = one_detour(network, order, execution)
    if detour is not None and _settles(order, *detour, single):
        return assemble(order, *detour, singles)
    if singles.best is not None and single is not None:
        root = _final_root(singles.best, order)
        bound = _tightest(network, order, single, [root], None)
        if order.is_close(single, bound):
            return assemble(order, single, bound, singles)
        network = network.open_down_to(root)

    split, roots = _split(network, order, market.now_s)
    best = _better(single, split)
    if best is None:
        raise InsufficientLiquidityError(
            input_token=order.input_token, output_token=order.output_token, amount=amount
        )
    bound = _tightest(network, order, best, roots, bound)
    if not order.is_close(best, bound):
        best = _reconsidered(network, order, best, execution)
    return assemble(order, best, bound, singles)


def _settles(order: Order, filling: Filling, bound: int, single: Filling | None) -> bool:
    """Return whether a filling needs no search: close to its bound, and so much better than one pool
    that the pool cannot be close to any bound.
    """
    if not order.is_close(filling, bound):
        return False
    reached = filling.objective if order.mode is SwapMode.EXACT_IN else -filling.objective
    return reached > 0 and (single is None or not order.is_close(single, reached))


def _better(first: Filling | None, second: Filling | None) -> Filling | None:
    """Return the filling with the better objective, the first if they are equal; none loses to any."""
    if first is None or second is None:
        return first or second
    return second if second.objective > first.objective else first


def _reconsidered(network: Network, order: Order, filling: Filling, execution: Execution) -> Filling:
    """Return a better filling if a leg ended where its pool's price rises, else the same."""
    leg = most_rising_leg(filling.paths)
    if leg is None:
        return filling
    fixed = Reconsideration(network, leg, execution, order.amount).best()
    return _better(filling, _split(fixed, order, execution.now_s)[0]) or filling


def _split(network: Network, order: Order, now_s: int) -> tuple[Filling | None, list[float]]:
    """Search, execute, and leave out any pool that refuses its part.

    Returns:
        The filling, None if no split can be had, and the roots at which to look for a bound.
    """
    remaining = network
    roots: list[float] = []
    while found := best_allocation(remaining, mode=order.mode, amount=order.amount, leg_cost=order.leg_cost):
        roots.extend(found.roots)
        try:
            return order.filled_by(execute(found.allocation, order.mode, order.amount, now_s)), roots
        except NoRoomError:
            break
        except LegRefusedError as e:
            remaining = remaining.without({e.pool_id})
    return None, roots


def _final_root(leg: ExecutedLeg, order: Order) -> float:
    curve = leg.pool.curve
    after = after_in if order.mode is SwapMode.EXACT_IN else after_out
    reached = after(curve, float(order.amount))
    return reached[0] if reached else curve[-1].end


def _tightest(
    network: Network, order: Order, filling: Filling, roots: Iterable[float], known: int | None
) -> int:
    """Return the best bound, from prices tried until one proves the filling good enough."""
    best = known
    for root in roots:
        if best is not None and order.is_close(filling, best):
            break
        bound = objective_bound(network, root, mode=order.mode, amount=order.amount, leg_cost=order.leg_cost)
        if best is None:
            best = bound
        best = min(best, bound) if order.mode is SwapMode.EXACT_IN else max(best, bound)
    assert best is not None, "a filling comes with at least one root"
    return best
