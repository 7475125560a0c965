"""From a continuous allocation to exact swaps: whole amounts, rounded by the pools alone.

Nothing is left over between legs. Exact-in: the order's amount is divided to the last unit over
the paths, and all that a first hop really paid over the second. Exact-out: the amount wanted is
divided over the paths, and what the second hop needs is exactly what the first is asked for.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from chalicelib.amm.pools import Pool, swap
from chalicelib.amm.swaps import U64_MAX, Refusal, Swap, SwapRefusedError, SwapResult
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.allocation import Allocation, TwoHopFill
from chalicelib.routing.among_orders import has_orders, payable, settled
from chalicelib.routing.exactness import EXACT
from chalicelib.routing.market import PoolCurve
from chalicelib.routing.network import Hop, TwoHopPath
from chalicelib.routing.ranges import total_in, total_out
from chalicelib.routing.whole import NoRoomError, whole_amounts
from chalicelib.values import value

SLACKS: Final = (1e-12, 1e-9, 1e-6, 1e-3)
"""Tried in turn (see ``Execution``): more than the first is wanted only where pools are emptied."""

PATH_TRIES: Final = 8
"""So many amounts of a two-hop path are tried, each what a pool of it that refused the last can pay."""


class LegRefusedError(Exception):
    """A pool refuses its part: too little to pay a unit, or a rounding more than it holds.

    Attributes:
        amount: Its part, of the side that is fixed; 0 if there was none for it.
    """

    def __init__(self, pool: PoolCurve, amount: int, refusal: Refusal) -> None:
        super().__init__(f"{refusal.value}: pool_id={pool.pool.pool_id} amount={amount}")
        self.pool = pool
        self.amount = amount
        self.refusal = refusal


class ExecutedLeg(NamedTuple):
    pool: PoolCurve
    result: SwapResult
    state_after: Pool


class ExecutedPath(NamedTuple):
    """The legs of a direct path (``second`` is empty) or of both hops of a two-hop path."""

    between: str | None
    first: tuple[ExecutedLeg, ...]
    second: tuple[ExecutedLeg, ...]
    amount_in: int
    amount_out: int


def direct_path(leg: ExecutedLeg) -> ExecutedPath:
    return ExecutedPath(None, (leg,), (), leg.result.amount_in, leg.result.amount_out)


def execute(
    allocation: Allocation,
    mode: SwapMode,
    amount: int,
    now_s: int,
    slot: int = 0,
    *,
    may_move_parts: bool = True,
) -> tuple[ExecutedPath, ...]:
    """Execute with as little slack as works.

    Args:
        may_move_parts: Whether others may pay what a pool refuses for its limit orders.

    Raises:
        NoRoomError: Even the largest slack leaves no room for rounding.
        LegRefusedError: A pool refuses its part, whatever the slack.
    """
    refused: LegRefusedError | None = None
    for slack in SLACKS:
        refused = None
        try:
            return Execution(mode, now_s, slack, slot).run(allocation, amount)
        except NoRoomError:
            continue
        except LegRefusedError as e:
            if e.refusal is not Refusal.INSUFFICIENT_LIQUIDITY:
                raise
            refused = e
    if refused is None:
        raise NoRoomError
    if may_move_parts and mode is SwapMode.EXACT_OUT and has_orders(refused.pool.pool.state):
        for slack in SLACKS:
            with suppress(NoRoomError, LegRefusedError):
                return Execution(mode, now_s, slack, slot, moves_parts=True).run(allocation, amount)
    raise refused


@value
class Execution:
    """How to run an allocation.

    Attributes:
        slack: How far below its capacity, relatively, a pool stays. Curves do not know rounding,
            so a pool filled to the brim may not hold the last units.
        moves_parts: Whether others pay what a pool would refuse for its limit orders, exact out.
        is_estimate: Whether no part is ever moved: see ``best_plan``.
    """

    mode: SwapMode
    now_s: int
    slack: float = SLACKS[0]
    slot: int = 0
    moves_parts: bool = False
    is_estimate: bool = False

    def run(self, allocation: Allocation, amount: int) -> tuple[ExecutedPath, ...]:
        """Swap on the pools' states and return the paths, direct ones first.

        Raises:
            NoRoomError: The whole amounts do not fit into the pools.
            LegRefusedError: A pool refuses its part.
        """
        direct, two_hop_paths = allocation.network.direct, allocation.two_hop_paths
        fills = [*allocation.direct, *(filled.amount for filled in two_hop_paths)]
        capacities = [
            *self._capacities(direct),
            *[filled.two_hop_path.capacity() for filled in two_hop_paths],
        ]
        whole: Sequence[int] = whole_amounts(fills, capacities, amount, slack=self.slack)
        if self.moves_parts:
            whole = self._settled(direct.pools, two_hop_paths, whole, capacities)
        paths = [
            direct_path(self.leg(pool, part)) for pool, part in zip(direct.pools, whole, strict=False) if part
        ]
        for filled, part in zip(two_hop_paths, whole[len(direct.pools) :], strict=True):
            if part:
                paths.append(self._two_hop_path(filled, part))
        return tuple(paths)

    def leg(self, pool: PoolCurve, amount: int) -> ExecutedLeg:
        """Swap on the pool's state.

        Raises:
            LegRefusedError: The pool refuses.
        """
        if amount > U64_MAX:
            raise LegRefusedError(pool, amount, Refusal.INSUFFICIENT_LIQUIDITY)
        try:
            request = Swap(EXACT[self.mode], amount, pool.token_in, self.now_s, self.slot)
            result, after = swap(pool.pool.state, request)
        except SwapRefusedError as e:
            raise LegRefusedError(pool, amount, e.refusal) from e
        return ExecutedLeg(pool, result, after)

    def _two_hop_path(self, filled: TwoHopFill, amount: int) -> ExecutedPath:
        first_hop, second_hop = filled.two_hop_path.hops
        if self.mode is SwapMode.EXACT_IN:
            first = self._hop(first_hop, filled.first.amounts, amount)
            between = _amount_out(first)
            second = self._hop(second_hop, filled.second.amounts, between)
        else:
            second = self._hop(second_hop, filled.second.amounts, amount)
            between = _amount_in(second)
            first = self._hop(first_hop, filled.first.amounts, between)
        return ExecutedPath(filled.two_hop_path.token, first, second, _amount_in(first), _amount_out(second))

    def _hop(self, hop: Hop, fills: Sequence[float], amount: int) -> tuple[ExecutedLeg, ...]:
        planned = sum(fills)
        if not planned:  # so little that none of it reaches this hop
            raise LegRefusedError(hop.pools[0], 0, Refusal.ZERO_OUTPUT)
        # The other hop was rounded, so the amount differs a little from what was planned.
        scale = amount / planned
        # Half the slack: a two-hop path filled to its slack leaves that much more for its pools' rounding.
        scaled = [fill * scale for fill in fills]
        capacities = self._capacities(hop)
        whole: Sequence[int] = whole_amounts(scaled, capacities, amount, slack=self.slack / 2)
        if self.moves_parts:
            whole = self._settled(hop.pools, (), whole, capacities)
        return tuple(self.leg(pool, part) for pool, part in zip(hop.pools, whole, strict=True) if part)

    def _settled(
        self,
        pools: Sequence[PoolCurve],
        two_hop_paths: Sequence[TwoHopFill],
        parts: Sequence[int],
        limits: Sequence[float],
    ) -> Sequence[int]:
        """Return the parts so that no pool refuses its own for its limit orders, if such are found."""
        picky = [has_orders(pool.pool.state) for pool in pools]
        picky += [_has_orders(filled.two_hop_path) for filled in two_hop_paths]
        if not any(picky):
            return parts

        def most(place: int, amount: int) -> int:
            if not picky[place] or not amount:
                return amount
            if place < len(pools):
                pool = pools[place]
                return payable(pool.pool.state, pool.token_in, amount, self.now_s)
            return self._most(two_hop_paths[place - len(pools)], amount)

        return settled(parts, limits, most, len(pools))

    def _most(self, filled: TwoHopFill, amount: int) -> int:
        """Return the most that is found, up to an amount, which a two-hop path pays; 0 if it refuses all.

        What its first hop is asked for follows from what its second takes: hence in proportion.
        """
        for _ in range(PATH_TRIES):
            try:
                self._two_hop_path(filled, amount)
            except NoRoomError:
                return amount
            except LegRefusedError as e:
                state, part = e.pool.pool.state, e.amount
                if not part or not has_orders(state):
                    return amount
                paid = payable(state, e.pool.token_in, part, self.now_s)
                if paid == part:
                    return amount
                is_second = e.pool in filled.two_hop_path.hops[1].pools
                amount -= part - paid if is_second else -(-amount * (part - paid) // part)
                if amount <= 0:
                    break
            else:
                return amount
        return 0

    def _capacities(self, hop: Hop) -> list[float]:
        total = total_in if self.mode is SwapMode.EXACT_IN else total_out
        return [total(curve) for curve in hop.curves]


def _has_orders(two_hop_path: TwoHopPath) -> bool:
    return any(has_orders(pool.pool.state) for hop in two_hop_path.hops for pool in hop.pools)


def _amount_in(hop: Sequence[ExecutedLeg]) -> int:
    return sum([leg.result.amount_in for leg in hop])


def _amount_out(hop: Sequence[ExecutedLeg]) -> int:
    return sum([leg.result.amount_out for leg in hop])
