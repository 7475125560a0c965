"""Best execution of one order over the pools that connect its tokens."""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Final

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.assembly import Filling, assemble, better, filled_by, is_close
from chalicelib.routing.certificate import objective_bound
from chalicelib.routing.errors import InsufficientLiquidityError
from chalicelib.routing.market import Market
from chalicelib.routing.network import Network, network_of
from chalicelib.routing.path_execution import ExecutedLeg, Execution, direct_path
from chalicelib.routing.plan import Plan
from chalicelib.routing.ranges import after_in, after_out
from chalicelib.routing.rising import Reconsideration, most_rising_leg
from chalicelib.routing.single_path import is_alone, single_two_hop_path
from chalicelib.routing.singles import best_in_a_row, best_singles
from chalicelib.routing.splits import split
from chalicelib.routing.swap_order import SwapOrder

FEW_UNITS: Final = 1_000


def best_plan(market: Market, order: SwapOrder, *, is_estimate: bool = False) -> Plan:
    """Return the plan of at most two hops that gives the trader the most for an order.

    The plan is exact: executing its legs in order on the given states moves the amounts it
    names. It does not depend on the order of the pools. An order that one pool fills to within
    half a hundredth of a basis point of the bound goes to that pool alone (``is_close``). No
    search is made for it, nor for one that no pool but those of one path can add to.

    Args:
        is_estimate: Whether, exact out, no pool pays what another refuses for its limit orders, and no leg is
            looked at again: a good plan in a tenth of the time, where that takes dozens of swaps a search.

    Raises:
        NoRouteError: No pool, and no two pools in a row, connect the tokens.
        InsufficientLiquidityError: They do, and cannot fill the amount.
    """
    amount = order.amount
    execution = Execution(order.mode, market.now_s, slot=market.slot, is_estimate=is_estimate)
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
    known: list[float] = []
    if singles.best is not None:
        single = filled_by(order, (direct_path(singles.best),))
        known = [_final_root(singles.best, order.mode)]
    two_hop_path = single_two_hop_path(network, order, execution)
    if two_hop_path is not None:
        settled = _settled(network, order, two_hop_path, single, known)
        if settled is not None:
            return assemble(order, *settled, singles)
    if singles.best is not None and single is not None:
        bound = _tightest(network, order, single, known, None)
        if is_close(order, single, bound) or (
            is_alone(network, singles.best, known[0], order) and _is_as_promised(single)
        ):
            return assemble(order, single, bound, singles)
        network = network.open_down_to(known[0])

    found = _searched(network, order, execution, single=single, bound=bound, two_hop_path=two_hop_path)
    return assemble(order, *found, singles)


def _searched(
    network: Network,
    order: SwapOrder,
    execution: Execution,
    *,
    single: Filling | None,
    bound: int | None,
    two_hop_path: tuple[Filling, int] | None,
) -> tuple[Filling, int]:
    """Return the best of a search and of what one pool, or one after another, does; and a bound.

    Args:
        bound: What is known, if one pool fills the order.
        two_hop_path: One that was found, and a bound, that was not settled on.

    Raises:
        InsufficientLiquidityError: Nothing fills the amount.
    """
    found, roots = split(network, order, execution)
    best = better(single, found)
    if two_hop_path is not None:
        # Of a few units a search may make something worse, or nothing.
        best = better(best, two_hop_path[0])
        bound = two_hop_path[1] if bound is None else bound
    if best is not None:
        bound = _tightest(network, order, best, roots, bound)
        if is_close(order, best, bound):
            return best, bound
        best = _reconsidered(network, order, best, execution)
    best = better(best, _best_in_a_row(network, order, execution))
    if best is None:
        raise InsufficientLiquidityError(
            input_token=order.input_token, output_token=order.output_token, amount=order.amount
        )
    if bound is None:
        ends = [
            prod(_final_root(leg, order.mode) for leg in (*path.first, *path.second)) for path in best.paths
        ]
        bound = _tightest(network, order, best, ends, None)
    return best, bound


def _best_in_a_row(network: Network, order: SwapOrder, execution: Execution) -> Filling | None:
    """Return the best that one pool after another does: what is plain, and a search may miss where a token
    comes in few units, where a leg costs much, or where a pool refuses one part and would have taken another.
    """
    best: Filling | None = None
    for two_hop_path in network.two_hop_paths:
        path = best_in_a_row(two_hop_path.pairs, execution, order.amount)
        best = better(best, None if path is None else filled_by(order, (path,)))
    return best


def _settled(
    network: Network,
    order: SwapOrder,
    found: tuple[Filling, int],
    single: Filling | None,
    known: Sequence[float],
) -> tuple[Filling, int] | None:
    """Return a two-hop path, and its bound, if it is what a search would come to;
    None where a search has to find out.
    """
    filling, bound = found
    reached = filling.objective if order.mode is SwapMode.EXACT_IN else -filling.objective
    if reached <= 0 or (single is not None and is_close(order, single, reached)):
        return None  # one pool may do
    if is_close(order, filling, bound):
        return found
    return (filling, _tightest(network, order, filling, known, bound)) if _is_as_promised(filling) else None


def _is_as_promised(filling: Filling) -> bool:
    """Return whether its legs pay what their curves promise: what
    it lacks is rounding and the costs of its legs.

    Of a few units a search may make something else, or nothing: there a fraction decides what is worth a leg.
    """
    legs = [leg.result for path in filling.paths for leg in (*path.first, *path.second)]
    if min([min(leg.amount_in, leg.amount_out) for leg in legs]) < FEW_UNITS:
        return False
    return most_rising_leg(filling.paths) is None


def _reconsidered(network: Network, order: SwapOrder, filling: Filling, execution: Execution) -> Filling:
    """Return a better filling if a leg ended where its pool's price rises, else the same."""
    leg = None if execution.is_estimate else most_rising_leg(filling.paths)
    if leg is None:
        return filling
    fixed = Reconsideration(network, leg, execution, order.amount).best()
    return better(filling, split(fixed, order, execution)[0]) or filling


def _final_root(leg: ExecutedLeg, mode: SwapMode) -> float:
    curve, result = leg.pool.curve, leg.result
    is_exact_in = mode is SwapMode.EXACT_IN
    reached = after_in(curve, result.amount_in) if is_exact_in else after_out(curve, result.amount_out)
    return reached[0] if reached else curve[-1].end


def _tightest(
    network: Network, order: SwapOrder, filling: Filling, roots: Iterable[float], known: int | None
) -> int:
    """Return the best bound, from prices tried until one proves the filling good enough."""
    best = known
    for root in roots:
        if best is not None and is_close(order, filling, best):
            break
        bound = objective_bound(network, root, mode=order.mode, amount=order.amount, leg_cost=order.leg_cost)
        if best is None:
            best = bound
        best = min(best, bound) if order.mode is SwapMode.EXACT_IN else max(best, bound)
    assert best is not None, "a filling comes with at least one root"
    return best
