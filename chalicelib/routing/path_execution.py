"""From a continuous allocation to exact swaps: whole amounts, rounded by the pools alone.

Nothing is left over between legs. Exact-in: the order's amount is divided to the last unit over
the paths, and all that a first hop really paid over the second. Exact-out: the amount wanted is
divided over the paths, and what the second hop needs is exactly what the first is asked for.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from chalicelib.amm.pools import Pool, swap
from chalicelib.amm.swaps import U64_MAX, Refusal, Swap, SwapRefusedError, SwapResult
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.allocation import Allocation, TwoHopFill
from chalicelib.routing.exactness import EXACT
from chalicelib.routing.market import PoolCurve
from chalicelib.routing.network import Hop
from chalicelib.routing.ranges import total_in, total_out
from chalicelib.routing.whole import NoRoomError, whole_amounts
from chalicelib.values import value

SLACKS: Final = (1e-12, 1e-9, 1e-6, 1e-3)
"""Tried in turn (see ``Execution``): more than the first is wanted only where pools are emptied."""


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
    allocation: Allocation, mode: SwapMode, amount: int, now_s: int, slot: int = 0
) -> tuple[ExecutedPath, ...]:
    """Execute with as little slack as works.

    Raises:
        NoRoomError: Even the largest slack leaves no room for rounding.
        LegRefusedError: A pool refuses its part, whatever the slack.
    """
    for slack in SLACKS[:-1]:
        try:
            return Execution(mode, now_s, slack, slot).run(allocation, amount)
        except NoRoomError:
            continue
        except LegRefusedError as e:
            if e.refusal is not Refusal.INSUFFICIENT_LIQUIDITY:
                raise
    return Execution(mode, now_s, SLACKS[-1], slot).run(allocation, amount)


@value
class Execution:
    """How to run an allocation.

    Attributes:
        slack: How far below its capacity, relatively, a pool stays. Curves do not know rounding,
            so a pool filled to the brim may not hold the last units.
    """

    mode: SwapMode
    now_s: int
    slack: float = SLACKS[0]
    slot: int = 0

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
        whole = whole_amounts(fills, capacities, amount, slack=self.slack)
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
        whole = whole_amounts(scaled, self._capacities(hop), amount, slack=self.slack / 2)
        return tuple(self.leg(pool, part) for pool, part in zip(hop.pools, whole, strict=True) if part)

    def _capacities(self, hop: Hop) -> list[float]:
        total = total_in if self.mode is SwapMode.EXACT_IN else total_out
        return [total(curve) for curve in hop.curves]


def _amount_in(hop: Sequence[ExecutedLeg]) -> int:
    return sum([leg.result.amount_in for leg in hop])


def _amount_out(hop: Sequence[ExecutedLeg]) -> int:
    return sum([leg.result.amount_out for leg in hop])
