"""From executed paths to the plan that is published."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.path_execution import ExecutedLeg, ExecutedPath
from chalicelib.routing.plan import Leg, Path, Plan, SinglePoolQuote
from chalicelib.routing.shares import BPS_PER_UNIT, shares_of
from chalicelib.routing.singles import Singles
from chalicelib.routing.swap_order import SwapOrder

BPS_STEP: Final = Decimal("0.000001")
BPS_STEPS: Final = 1_000_000
GAP_ENOUGH: Final = 2_000_000
"""A gap of one part in so many, 0.005 bps, is not worth a search or another leg."""


class Filling(NamedTuple):
    """Paths that fill an order.

    Attributes:
        objective: What fillings are compared by, more being better: output, or minus input, less
            the costs of the legs.
    """

    paths: Sequence[ExecutedPath]
    amount_in: int
    amount_out: int
    objective: int


def filled_by(order: SwapOrder, paths: Sequence[ExecutedPath]) -> Filling:
    amount_in = amount_out = legs = 0
    for _, first, second, path_in, path_out in paths:
        amount_in += path_in
        amount_out += path_out
        legs += len(first) + len(second)
    gained = amount_out if order.mode is SwapMode.EXACT_IN else -amount_in
    return Filling(paths, amount_in, amount_out, gained - order.leg_cost * legs)


def better(first: Filling | None, second: Filling | None) -> Filling | None:
    """Return the filling with the better objective, the first if they are equal; none loses to any."""
    if first is None or second is None:
        return first or second
    return second if second.objective > first.objective else first


def filling_of(order: SwapOrder, plan: Plan) -> Filling:
    """Return what a plan comes to, without its paths."""
    gained = plan.amount_out if order.mode is SwapMode.EXACT_IN else -plan.amount_in
    return Filling((), plan.amount_in, plan.amount_out, gained - order.leg_cost * len(plan.legs))


def gap(order: SwapOrder, filling: Filling, bound: int) -> int:
    """Return how far a filling is from the bound, in base units; never below 0."""
    limit = bound if order.mode is SwapMode.EXACT_IN else -bound
    return limit - filling.objective


def is_close(order: SwapOrder, filling: Filling, bound: int) -> bool:
    """Return whether it is as good as can be told: within ``GAP_ENOUGH`` of the bound."""
    return gap(order, filling, bound) * GAP_ENOUGH <= bound


def assemble(order: SwapOrder, filling: Filling, bound: int, singles: Singles) -> Plan:
    """Return the plan of these paths, in an order that does not depend on how they were found."""
    paths, amount_in, amount_out, _ = filling
    quotes = {venue: _quote(leg) for venue, leg in singles.by_venue.items()}
    best = quotes[singles.best.pool.pool.venue] if singles.best else None
    shares = [BPS_PER_UNIT]
    if len(paths) > 1:
        is_exact_in = order.mode is SwapMode.EXACT_IN
        shares = shares_of(
            [path.amount_in if is_exact_in else path.amount_out for path in paths], BPS_PER_UNIT
        )
    return Plan(
        order.mode,
        order.input_token,
        order.output_token,
        amount_in,
        amount_out,
        order.leg_cost,
        tuple([_path(order, path, share) for path, share in zip(paths, shares, strict=True)]),
        bound,
        gap_bps(order, filling, bound),
        best,
        quotes,
        improvement_bps(order.mode, amount_in, amount_out, best),
        {leg.pool.pool.pool_id: leg.state_after for path in paths for leg in (*path.first, *path.second)},
    )


def _path(order: SwapOrder, path: ExecutedPath, share_bps: int) -> Path:
    between, first, second, amount_in, amount_out = path
    if between is None:
        tokens: tuple[str, ...] = order.input_token, order.output_token
        legs = _legs(first, order.input_token, order.output_token, share_bps)
    else:
        tokens = order.input_token, between, order.output_token
        legs = [
            *_legs(first, order.input_token, between, share_bps),
            *_legs(second, between, order.output_token, share_bps),
        ]
    return Path(tokens, tuple(legs), amount_in, amount_out, share_bps)


def _legs(hop: Sequence[ExecutedLeg], token_in: str, token_out: str, share_bps: int) -> list[Leg]:
    shares = [share_bps]
    if len(hop) > 1:
        shares = shares_of([result.amount_in for _, result, _ in hop], share_bps)
    legs = []
    for (curve, result, _), share in zip(hop, shares, strict=True):
        pool = curve.pool
        amount_in, amount_out = result.amount_in, result.amount_out
        legs.append(Leg(pool.pool_id, pool.venue, token_in, token_out, amount_in, amount_out, share, result))
    return legs


def _quote(leg: ExecutedLeg) -> SinglePoolQuote:
    pool, result = leg.pool.pool, leg.result
    return SinglePoolQuote(pool.pool_id, pool.venue, result.amount_in, result.amount_out, result)


def gap_bps(order: SwapOrder, filling: Filling, bound: int) -> Decimal:
    """Return how far a filling is from the bound, relative to it, rounded up to the step."""
    return -_bps_down(-gap(order, filling, bound), max(1, bound))


def improvement_bps(
    mode: SwapMode, amount_in: int, amount_out: int, single: SinglePoolQuote | None
) -> Decimal | None:
    """Return how much more these amounts give, or less they take, than a single quote, rounded down."""
    if single is None:
        return None
    if mode is SwapMode.EXACT_IN:
        base = single.amount_out
        better_by = amount_out - base
    else:
        base = single.amount_in
        better_by = base - amount_in
    return _bps_down(better_by, base)


def _bps_down(part: int, whole: int) -> Decimal:
    """Return a ratio in basis points, rounded down to the step."""
    return BPS_STEP * (part * (BPS_PER_UNIT * BPS_STEPS) // whole)
