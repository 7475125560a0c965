"""The continuous optimum: every pool filled down to one common marginal price."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.books import in_parallel
from chalicelib.routing.market import PoolCurve
from chalicelib.routing.network import Network, TwoHopPath
from chalicelib.routing.ranges import (
    Curve,
    after_in,
    after_out,
    in_to,
    out_to,
    total_in,
    total_out,
)

CAPACITY_ERROR: Final = 1e-9
"""Filling a book exactly to its end may miss it by what floats lose on the way."""


class ParallelSplit(NamedTuple):
    """A total split over pools side by side.

    Attributes:
        root: Square root of the marginal price at which it ends.
        amounts: Per pool, of the fixed side: input if exact-in, output if exact-out.
        other: What the pools together give (exact-in) or need (exact-out) for it.
    """

    root: float
    amounts: tuple[float, ...]
    other: float


class TwoHopFill(NamedTuple):
    """What goes through both hops of a two-hop path; ``first`` and ``second`` split each hop."""

    two_hop_path: TwoHopPath
    amount: float
    first: ParallelSplit
    second: ParallelSplit


class Allocation(NamedTuple):
    """An order's continuous optimum on a network: direct amounts and used two-hop paths."""

    network: Network
    root: float
    direct: tuple[float, ...]
    two_hop_paths: tuple[TwoHopFill, ...]
    other: float

    def parts(self) -> Iterator[tuple[PoolCurve, float]]:
        """Yield every pool and its amount, of the fixed side; pools of unused two-hop paths are absent."""
        yield from zip(self.network.direct.pools, self.direct, strict=True)
        for through in self.two_hop_paths:
            first, second = through.two_hop_path.hops
            yield from zip(first.pools, through.first.amounts, strict=True)
            yield from zip(second.pools, through.second.amounts, strict=True)

    def by_pool(self) -> dict[str, float]:
        """Return the amount of every pool, by its id, as ``parts``."""
        return {pool.pool.pool_id: amount for pool, amount in self.parts()}


def allocate(network: Network, mode: SwapMode, amount: float) -> Allocation | None:
    """Return the optimum without leg costs, or None if the network cannot fill the amount."""
    network, book = _opened(network, mode, amount)
    fill = _fill(network.curves, book, mode, amount)
    if fill is None:
        return None
    direct_count = len(network.direct.pools)
    two_hop_paths: list[TwoHopFill] = []
    for two_hop_path, through in zip(network.open_two_hop_paths, fill.amounts[direct_count:], strict=True):
        if through < 1.0:
            continue
        filled = _through(two_hop_path, mode, through)
        if filled is None:
            return None
        two_hop_paths.append(filled)
    return Allocation(network, fill.root, fill.amounts[:direct_count], tuple(two_hop_paths), fill.other)


def _opened(network: Network, mode: SwapMode, amount: float) -> tuple[Network, Curve]:
    """Open two-hop paths until those that are left start below the price at which the order ends.

    Returns:
        The network, and its book as far as the amount reaches.
    """
    while True:
        if mode is SwapMode.EXACT_IN:
            book = in_parallel(network.curves, stop_in=amount)
            reached = after_in(book, amount)
        else:
            book = in_parallel(network.curves, stop_out=amount)
            reached = after_out(book, amount)
        opened = network.open_down_to(reached[0] if reached else 0.0)
        if opened is network:
            return network, book
        network = opened


def _through(two_hop_path: TwoHopPath, mode: SwapMode, amount: float) -> TwoHopFill | None:
    """Split both hops, starting where the amount is fixed."""
    hops = two_hop_path.hops if mode is SwapMode.EXACT_IN else two_hop_path.hops[::-1]
    fixed = _fill(hops[0].curves, hops[0].book, mode, amount)
    if fixed is None:
        return None
    following = _fill(hops[1].curves, hops[1].book, mode, fixed.other)
    if following is None:
        return None
    first, second = (fixed, following) if mode is SwapMode.EXACT_IN else (following, fixed)
    return TwoHopFill(two_hop_path, amount, first, second)


def _fill(curves: Sequence[Curve], book: Curve, mode: SwapMode, amount: float) -> ParallelSplit | None:
    is_exact_in = mode is SwapMode.EXACT_IN
    reached = after_in(book, amount) if is_exact_in else after_out(book, amount)
    if reached is None:
        capacity = total_in(book) if is_exact_in else total_out(book)
        if amount > capacity * (1.0 + CAPACITY_ERROR):
            return None
        reached = book[-1].end, total_out(book) if is_exact_in else total_in(book)
    root, other = reached
    moved = in_to if is_exact_in else out_to
    amounts = [moved(curve, root) if curve[0].start > root else 0.0 for curve in curves]
    # Ranges at exactly the final price share what is left by their size.
    marginal = [
        _at(curve, root, is_exact_in=is_exact_in) if curve[0].start >= root else 0.0 for curve in curves
    ]
    room = sum(marginal)
    if room:
        left = amount - sum(amounts)
        amounts = [taken + left * size / room for taken, size in zip(amounts, marginal, strict=True)]
    return ParallelSplit(root, tuple(amounts), other)


def _at(curve: Curve, root: float, *, is_exact_in: bool) -> float:
    """Return what the curve holds at exactly this price."""
    held = 0.0
    for part in curve:
        if part.start < root:
            break
        if part.start == root and part.end == root:
            held += part.amount_in if is_exact_in else part.amount_out
    return held
