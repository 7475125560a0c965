"""The curves between two tokens: pools that trade them directly, and pairs of hops.

With at most two hops a pool has one role only, by its tokens: direct, or first or second hop
of one intermediate token. So roles never compete for a pool, and all first hops towards one
token, merged, followed by all second hops, merged, are one more curve beside the direct ones.

Most two-hop paths are too dear for most orders. Where one would start is known before any of its curves
is read, and they are read only once prices fall to there.
"""

from collections.abc import Callable, Container, Sequence
from math import inf
from typing import Final, NamedTuple

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.books import in_parallel, in_series
from chalicelib.routing.errors import NoRouteError
from chalicelib.routing.market import Market, Pair, PoolCurve, TwoHopPairs
from chalicelib.routing.ranges import Curve, in_for_out, out_for_in, total_in, total_out

REACH: Final = 1.0 + 1e-9
"""Curves are read a little further than the amount, for what rounding adds."""

Profits = dict[str, float]
"""What pools yield at some prices beyond their cost, in output units, by pool id."""


class Hop:
    """The pools that trade one token for another, merged.

    Attributes:
        start: The root at which the book starts, known without merging it; 0 without pools.
    """

    __slots__ = ("_book", "curves", "pools", "start")

    def __init__(self, pools: list[PoolCurve]) -> None:
        self.pools = pools
        self.curves = [pool.curve for pool in pools]
        self.start = max([curve[0].start for curve in self.curves], default=0.0)
        self._book: Curve | None = None

    @property
    def book(self) -> Curve:
        if self._book is None:
            self._book = in_parallel(self.curves)
        return self._book

    def holds(self, pool_ids: Container[str]) -> bool:
        """Return whether any of its pools is among these."""
        return any(pool.pool.pool_id in pool_ids for pool in self.pools)

    def without(self, excluded: Container[str]) -> "Hop":
        if not self.holds(excluded):
            return self  # with what was computed for it
        return Hop([pool for pool in self.pools if pool.pool.pool_id not in excluded])

    def with_curve(self, pool_id: str, curve: Curve) -> "Hop":
        if not self.holds((pool_id,)):
            return self
        return Hop(
            [pool._replace(curve=curve) if pool.pool.pool_id == pool_id else pool for pool in self.pools]
        )


class Reach(NamedTuple):
    """How far curves are read for an order: to one of two amounts, the other is endless."""

    amount_in: float = inf
    amount_out: float = inf


class TwoHopPath:
    """Both hops through an intermediate token, read when they are first asked for.

    Attributes:
        pairs: Where it leads, as the market has it.
        reach: How far its curve goes at least, if its hops do.
        start: No unit in is paid better than the square of this root.
        profits: What the certificate has found by now, by root (see ``certificate.surpluses``).
    """

    __slots__ = ("_curve", "_hops", "_read", "_whole_curve", "pairs", "profits", "reach", "start")

    def __init__(
        self,
        pairs: TwoHopPairs,
        start: float,
        reach: Reach,
        read: Callable[[Reach, TwoHopPairs], tuple[Hop, Hop]],
    ) -> None:
        self.pairs = pairs
        self.start = start
        self.reach = reach
        self.profits: dict[float, list[Profits]] = {}
        self._read = read
        self._hops: tuple[Hop, Hop] | None = None
        self._curve: Curve | None = None
        self._whole_curve: Curve | None = None

    @property
    def token(self) -> str:
        return self.pairs.token

    @property
    def hops(self) -> tuple[Hop, Hop]:
        if self._hops is None:
            self._hops = self._read(self.reach, self.pairs)
        return self._hops

    @property
    def curve(self) -> Curve:
        if self._curve is None:
            first, second = self.hops
            stop_in, stop_out = self.reach
            self._curve = in_series(first.book, second.book, stop_in=stop_in, stop_out=stop_out)
        return self._curve

    def curve_down_to(self, root: float) -> Curve:
        """Return its curve down to a root, also beyond its reach."""
        if root >= self.curve[-1].end:
            return self.curve
        if self._whole_curve is None:
            first, second = self.hops
            self._whole_curve = in_series(first.book, second.book)
        return self._whole_curve

    def capacity(self) -> float:
        """Return how much it takes, or pays, at most: of the side that its reach is of, also beyond that."""
        first, second = self.hops
        if self.reach.amount_in < inf:
            held = total_in(self.curve)
            if held > self.reach.amount_in:
                passed = in_for_out(first.book, total_in(second.book))
                held = total_in(first.book) if passed is None else passed
        else:
            held = total_out(self.curve)
            if held > self.reach.amount_out:
                passed = out_for_in(second.book, total_out(first.book))
                held = total_out(second.book) if passed is None else passed
        return held

    def changed(self, change: Callable[[Hop], Hop]) -> "TwoHopPath":
        """Return the two-hop path with both hops changed;
        a two-hop path that was never used stays as it is.
        """
        if self._hops is None:
            return self
        first, second = map(change, self._hops)
        if (first, second) == self._hops:
            return self  # with what was computed for it
        start = first.start * second.start
        return TwoHopPath(self.pairs, start, self.reach, lambda _reach, _pairs: (first, second))


class Network:
    """Everything an order can use.

    Attributes:
        two_hop_start: Where the best two-hop path starts; 0 without any.
        floor: Two-hop paths that start below this root are left out of ``curves``.
    """

    def __init__(
        self, direct: Hop, two_hop_start: float, paths: Callable[[], Sequence[TwoHopPath]], floor: float
    ) -> None:
        self.direct = direct
        self.two_hop_start = two_hop_start
        self.floor = floor
        self._paths = paths
        self._two_hop_paths: Sequence[TwoHopPath] | None = None
        self._open: list[TwoHopPath] | None = None
        self._curves: list[Curve] | None = None

    @property
    def two_hop_paths(self) -> Sequence[TwoHopPath]:
        """All of them, by token; made when they are first asked for."""
        if self._two_hop_paths is None:
            self._two_hop_paths = self._paths()
        return self._two_hop_paths

    @property
    def open_two_hop_paths(self) -> list[TwoHopPath]:
        """Those that may trade at the floor or a better price."""
        if self._open is None:
            floor = self.floor
            self._open = [two_hop_path for two_hop_path in self.two_hop_paths if two_hop_path.start >= floor]
        return self._open

    @property
    def curves(self) -> list[Curve]:
        """The direct pools' curves, then one per open two-hop path."""
        if self._curves is None:
            paths = self.open_two_hop_paths
            self._curves = [*self.direct.curves, *[two_hop_path.curve for two_hop_path in paths]]
        return self._curves

    def open_down_to(self, root: float) -> "Network":
        """Return the network with every two-hop path open that may trade at this root or a better one."""
        if root >= self.floor or len(self.open_two_hop_paths) == len(self.two_hop_paths):
            return self
        return Network(self.direct, self.two_hop_start, lambda: self.two_hop_paths, root)

    def without(self, excluded: Container[str]) -> "Network":
        """Return the network less some pools that it used,
        and less the two-hop paths that this interrupts.
        """
        return self._changed(lambda hop: hop.without(excluded))

    def with_curve(self, pool_id: str, curve: Curve) -> "Network":
        """Return the network with another curve for one pool that it used."""
        return self._changed(lambda hop: hop.with_curve(pool_id, curve))

    def _changed(self, change: Callable[[Hop], Hop]) -> "Network":
        changed = [two_hop_path.changed(change) for two_hop_path in self.two_hop_paths]
        # What is interrupted starts at 0, where nothing is paid.
        left = [two_hop_path for two_hop_path in changed if two_hop_path.start > 0.0]
        start = max([two_hop_path.start for two_hop_path in left], default=0.0)
        return Network(change(self.direct), start, lambda: left, self.floor)


def network_of(
    market: Market, *, mode: SwapMode, input_token: str, output_token: str, amount: int
) -> Network:
    """Return what connects two tokens, read as far as the amount can reach; no two-hop path is open yet.

    Raises:
        NoRouteError: No pool, and no two pools in a row, connect the tokens.
    """
    two_hop_pairs = market.two_hop_pairs(input_token, output_token)
    if not two_hop_pairs and not market.trades(input_token, output_token):
        raise NoRouteError(input_token=input_token, output_token=output_token)
    if mode is SwapMode.EXACT_IN:
        reach, read = Reach(amount_in=amount * REACH), _read_forwards
    else:
        reach, read = Reach(amount_out=amount * REACH), _read_backwards
    direct = _hop(market.pair(input_token, output_token), reach)
    start = max([pairs.start for pairs in two_hop_pairs], default=0.0)
    return Network(
        direct,
        start,
        lambda: [TwoHopPath(pairs, pairs.start, reach, read) for pairs in two_hop_pairs if pairs.start > 0.0],
        inf,
    )


def _read_forwards(reach: Reach, pairs: TwoHopPairs) -> tuple[Hop, Hop]:
    hop = _hop(pairs.first, reach)
    paid = out_for_in(hop.book, reach.amount_in)
    return hop, _hop(pairs.second, Reach(amount_in=total_out(hop.book) if paid is None else paid))


def _read_backwards(reach: Reach, pairs: TwoHopPairs) -> tuple[Hop, Hop]:
    hop = _hop(pairs.second, reach)
    taken = in_for_out(hop.book, reach.amount_out)
    return _hop(pairs.first, Reach(amount_out=total_in(hop.book) if taken is None else taken)), hop


def _hop(pair: Pair, reach: Reach) -> Hop:
    stop_in, stop_out = reach
    return Hop([side.read(stop_in, stop_out) for side in pair.sides])
