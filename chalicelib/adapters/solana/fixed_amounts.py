"""From a planned swap to amounts that stand in a transaction.

Programs take fixed amounts: none of them swaps "whatever the hop before paid". So what lies between two hops
is decided when the transaction is built. An exact-in path asks its first hop for a fixed output, a little
below the quote, and gives exactly that to the second: what the first hop does not need stays in the input
token, and nothing is left in between. An exact-out path buys a little more of the middle token than its
second hop should need, and the rest of that stays. The reserve is the largest of a few that takes no more
than half of what the order's threshold leaves room for: the other hop may move by the rest. The threshold
itself is shared out over the legs that it is about, so that the chain keeps it: each leg's part is rounded in
the trader's favour, and no sum of parts is worse than the whole.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from chalicelib.adapters.solana.book import Book, BookPool
from chalicelib.adapters.solana.thinning import thinner
from chalicelib.amm import pools
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.amm.pools import Pool, TransferFeePool
from chalicelib.amm.swaps import U64_MAX, Exact, Swap, SwapRefusedError, SwapResult, TokenIndex
from chalicelib.domain.errors import Code, PlanOutdatedError, RefusedError
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import InstructedLeg, InstructedPath, SwapInstruction

RESERVES_BPS: Final = (10, 5, 2, 1, 0)
"""Every order over two hops leaves so much unspent, or in the middle token; one whose price moved by more in
the meantime is only planned anew. Prices move by some 2 bps within the two seconds that it takes to land, at
80 % a year, so a larger reserve would cost all of them more than it spares the few.
"""

_UNIT_BPS: Final = 10_000
_HOPS_MAX: Final = 2
_STEPS_DOWN: Final = 3


class FixedSwap(NamedTuple):
    """One swap with its amounts.

    Attributes:
        amount: Given (exact in) or wanted (exact out), in base units.
        threshold: The least output (exact in), the most input (exact out).
        quoted: What it should move.
    """

    pool: BookPool
    token_in: TokenIndex
    mode: Exact
    amount: int
    threshold: int
    quoted: SwapResult

    @property
    def tokens(self) -> tuple[str, str]:
        """Symbols of what goes in and of what comes out."""
        first, second = self.pool.tokens
        return (first, second) if self.token_in == 0 else (second, first)


class FixedPlan(NamedTuple):
    """The swaps of one transaction, in the order of their execution.

    Attributes:
        most_in: Of the input token, in base units: no more than this can leave the trader.
        left_between: Middle tokens of which something may stay.
        is_within_threshold: Whether the order's threshold holds if every leg fills as quoted.
    """

    swaps: tuple[FixedSwap, ...]
    most_in: int
    left_between: frozenset[str]
    is_within_threshold: bool = True


class AmountFixer:
    """Fixes the amounts of the orders of a batch, each on the pools that those before it leave."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._states: dict[str, Pool] = {}

    def fitting(self, instruction: SwapInstruction, fits: Callable[[FixedPlan], bool]) -> FixedPlan:
        """Return the swaps of a planned order, without its least legs where all would be too many.

        Raises:
            PlanOutdatedError: As ``fix``.
            RefusedError: As ``fix``; or what fits does not stay within the order's threshold.
        """
        before = self._states
        plan = self.fix(instruction)
        thinned: SwapInstruction | None = instruction
        while not fits(plan):
            self._states = before
            thinned = thinner(thinned) if thinned is not None else None
            if thinned is None:
                raise RefusedError(Code.NO_ROUTE, "the plan has too many legs for one transaction")
            plan = self.fix(thinned)
            if not plan.is_within_threshold:
                self._states = before
                raise RefusedError(
                    Code.NO_ROUTE, "no plan that fits into one transaction is within the order's threshold"
                )
        return plan

    def fix(self, instruction: SwapInstruction) -> FixedPlan:
        """Return the swaps of a planned order, and take them into account from now on.

        Raises:
            PlanOutdatedError: A pool of the plan is not there any more, or has moved too far for its part.
            RefusedError: No transaction of ours can do what is asked.
        """
        lies_between = any(len(path.hops) > 1 for path in instruction.paths)
        for reserve_bps in RESERVES_BPS if lies_between else RESERVES_BPS[-1:]:
            attempt = _Attempt(self._book, dict(self._states), instruction, reserve_bps)
            try:
                plan = attempt.plan()
            except SwapRefusedError as error:
                if reserve_bps == RESERVES_BPS[-1]:
                    raise PlanOutdatedError(f"a pool of the plan has moved: {error.refusal.value}") from error
                continue  # a pool may have what the plan takes, and not the reserve besides
            if reserve_bps == RESERVES_BPS[-1] or attempt.is_within_threshold(reserve_bps):
                self._states = attempt.states
                return plan
        raise AssertionError("the last reserve is taken whatever comes of it")


class _Attempt:
    """One try with one reserve."""

    def __init__(
        self, book: Book, states: dict[str, Pool], instruction: SwapInstruction, reserve_bps: int
    ) -> None:
        self.states = states
        self._book = book
        self._instruction = instruction
        self._reserve_bps = reserve_bps
        self._swaps: list[FixedSwap] = []
        self._bound: list[int] = []  # places of the swaps that the order's threshold is about
        self._left: set[str] = set()

    def plan(self) -> FixedPlan:
        instruction = self._instruction
        exact_in = instruction.swap_mode is SwapMode.EXACT_IN
        for path in instruction.paths:
            if len(path.hops) > _HOPS_MAX:
                raise RefusedError(Code.NO_ROUTE, f"a path of {len(path.hops)} hops cannot be built")
            (self._exact_in if exact_in else self._exact_out)(path)
        pool_ids = [swap.pool.pool_id for swap in self._swaps]
        if len(set(pool_ids)) != len(pool_ids):
            # Some pools refuse a second swap in one transaction, and no plan of ours asks for one.
            raise RefusedError(Code.NO_ROUTE, "a pool is in the plan twice")
        self._share_threshold()
        first_token = instruction.input_token
        most_in = sum(
            swap.amount if swap.mode is Exact.IN else swap.threshold
            for swap in self._swaps
            if swap.tokens[0] == first_token
        )
        return FixedPlan(tuple(self._swaps), most_in, frozenset(self._left), self.is_within_threshold(0))

    def is_within_threshold(self, moved_bps: int) -> bool:
        """Return whether the order's threshold holds if the swaps that it is about get so much worse."""
        quoted = [self._swaps[place].quoted for place in self._bound]
        allowed = self._instruction.threshold_units * _UNIT_BPS
        if self._instruction.swap_mode is SwapMode.EXACT_IN:
            return sum(result.amount_out for result in quoted) * (_UNIT_BPS - moved_bps) >= allowed
        return sum(result.amount_in for result in quoted) * (_UNIT_BPS + moved_bps) <= allowed

    def _exact_in(self, path: InstructedPath) -> None:
        if len(path.hops) == 1:
            self._last_hop(path, 0, [leg.planned_units for leg in path.hops[0]])
            return
        between = sum(self._fixed_output(path, leg) for leg in path.hops[0])
        self._last_hop(path, 1, _shared(between, [leg.planned_units for leg in path.hops[1]]))

    def _last_hop(self, path: InstructedPath, hop: int, amounts: Sequence[int]) -> None:
        for leg, amount in zip(path.hops[hop], amounts, strict=True):
            if amount:
                self._bound.append(len(self._swaps))
                self._add(path, hop, leg, Exact.IN, amount, threshold=1)

    def _fixed_output(self, path: InstructedPath, leg: InstructedLeg) -> int:
        """Add a leg of an exact-in path's first hop, and return what it pays to the unit."""
        pool, token_in = self._pool(path, 0, leg)
        quoted, _ = self._swap(pool, token_in, Exact.IN, leg.planned_units)
        wanted = max(1, quoted.amount_out * (_UNIT_BPS - self._reserve_bps) // _UNIT_BPS)
        if passes_all_on(pool.state):
            for _ in range(_STEPS_DOWN):
                needed, _ = self._swap(pool, token_in, Exact.OUT, wanted)
                if needed.amount_in <= leg.planned_units:
                    self._add(path, 0, leg, Exact.OUT, wanted, threshold=leg.planned_units)
                    return wanted
                # Both ways round against the trader: without a reserve a few units may be missing.
                wanted = max(1, wanted - max(1, wanted // 1_000_000))
        # It gives all, and what it pays beyond stays between.
        self._add(path, 0, leg, Exact.IN, leg.planned_units, threshold=wanted)
        self._left.add(path.tokens[1])
        return wanted

    def _exact_out(self, path: InstructedPath) -> None:
        if len(path.hops) == 1:
            self._first_hop(path, [leg.planned_units for leg in path.hops[0]])
            return
        last: list[tuple[InstructedLeg, int]] = []
        for leg in path.hops[1]:
            pool, token_in = self._pool(path, 1, leg)
            quoted, _ = self._swap(pool, token_in, Exact.OUT, leg.planned_units)
            last.append((leg, -(-quoted.amount_in * (_UNIT_BPS + self._reserve_bps) // _UNIT_BPS)))
        between = sum(most for _, most in last)
        self._first_hop(path, _shared(between, [leg.planned_units for leg in path.hops[0]]))
        for leg, most in last:
            self._add(path, 1, leg, Exact.OUT, leg.planned_units, threshold=most)
        self._left.add(path.tokens[1])

    def _first_hop(self, path: InstructedPath, amounts: Sequence[int]) -> None:
        for leg, amount in zip(path.hops[0], amounts, strict=True):
            if amount:
                self._bound.append(len(self._swaps))
                self._add(path, 0, leg, Exact.OUT, amount, threshold=U64_MAX)

    def _share_threshold(self) -> None:
        exact_in = self._instruction.swap_mode is SwapMode.EXACT_IN
        bound = [self._swaps[place] for place in self._bound]
        whole = sum(swap.quoted.amount_out if exact_in else swap.quoted.amount_in for swap in bound)
        total = self._instruction.threshold_units
        for place, swap in zip(self._bound, bound, strict=True):
            if exact_in:
                part = max(1, -(-total * swap.quoted.amount_out // whole))
            else:
                part = total * swap.quoted.amount_in // whole
                if part == 0:
                    raise PlanOutdatedError("the most that may go in leaves nothing for a leg of the plan")
            self._swaps[place] = swap._replace(threshold=min(part, U64_MAX))

    def _add(
        self,
        path: InstructedPath,
        hop: int,
        leg: InstructedLeg,
        mode: Exact,
        amount: int,
        *,
        threshold: int,
    ) -> None:
        pool, token_in = self._pool(path, hop, leg)
        quoted, after = self._swap(pool, token_in, mode, amount)
        self.states[pool.pool_id] = after
        self._swaps.append(FixedSwap(pool, token_in, mode, amount, threshold, quoted))

    def _swap(
        self, pool: BookPool, token_in: TokenIndex, mode: Exact, amount: int
    ) -> tuple[SwapResult, Pool]:
        if not 0 < amount <= U64_MAX:
            raise RefusedError(Code.INSUFFICIENT_LIQUIDITY, f"a leg of {amount} units cannot be built")
        clock = self._book.clock
        state = self.states.get(pool.pool_id, pool.state)
        return pools.swap(state, Swap(mode, amount, token_in, clock.unix_timestamp, clock.slot))

    def _pool(self, path: InstructedPath, hop: int, leg: InstructedLeg) -> tuple[BookPool, TokenIndex]:
        pool = self._book.pools.get(leg.pool_id)
        if pool is None:
            why = self._book.refused.get(leg.pool_id, "it is not known here")
            raise PlanOutdatedError(f"pool {leg.pool_id} cannot be traded with: {why}")
        ways: dict[tuple[str, str], TokenIndex] = {pool.tokens: 0, pool.tokens[::-1]: 1}
        token_in = ways.get((path.tokens[hop], path.tokens[hop + 1]))
        if token_in is None:
            raise RefusedError(Code.NO_ROUTE, f"pool {leg.pool_id} does not trade {path.tokens[hop]}")
        return pool, token_in


def _shared(total: int, planned: Sequence[int]) -> list[int]:
    """Share a total in proportion: each part rounded down, and the last gets the rest."""
    whole = sum(planned)
    parts = [total * part // whole for part in planned[:-1]]
    return [*parts, total - sum(parts)]


def passes_all_on(state: Pool) -> bool:
    """Return whether a pool can be asked for a fixed output: DLMM's cannot where limit orders rest."""
    inner = state.inner if isinstance(state, TransferFeePool) else state
    return not (isinstance(inner, DlmmPool) and inner.orders)
