"""The curves between two tokens: pools that trade them directly, and pairs of hops.

With at most two hops a pool has one role only, by its tokens: direct, or first or second hop
of one intermediate token. So roles never compete for a pool, and all first hops towards one
token, merged, followed by all second hops, merged, are one more curve beside the direct ones.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from operator import attrgetter
from typing import Final

from chalicelib.amm.swaps import SwapMode, TokenIndex
from chalicelib.routing.books import in_series, side_by_side
from chalicelib.routing.curves import curve_of
from chalicelib.routing.errors import NoRouteError
from chalicelib.routing.plan import RoutablePool
from chalicelib.routing.ranges import Curve, in_for_out, out_for_in, total_in, total_out

_POOL_ID: Final = attrgetter("pool_id")

REACH: Final = 1.0 + 1e-9
"""Curves are read a little further than the amount, for what rounding adds."""


@dataclass(frozen=True, slots=True)
class PoolCurve:
    """A pool in the direction the order needs."""

    pool: RoutablePool
    token_in: TokenIndex
    curve: Curve


@dataclass(frozen=True)
class Hop:
    """The pools that trade one token for another, merged."""

    pools: tuple[PoolCurve, ...]

    @cached_property
    def curves(self) -> tuple[Curve, ...]:
        return tuple(pool.curve for pool in self.pools)

    @cached_property
    def book(self) -> Curve:
        return side_by_side(self.curves)

    @cached_property
    def start(self) -> float:
        """The root at which the book starts, without merging it."""
        return max((curve[0].start for curve in self.curves), default=0.0)

    def without(self, excluded: Container[str]) -> "Hop":
        return Hop(tuple(pool for pool in self.pools if pool.pool.pool_id not in excluded))

    def with_curve(self, pool_id: str, curve: Curve) -> "Hop":
        if all(pool.pool.pool_id != pool_id for pool in self.pools):
            return self  # with what was computed for it
        return Hop(
            tuple(replace(pool, curve=curve) if pool.pool.pool_id == pool_id else pool for pool in self.pools)
        )


@dataclass(frozen=True)
class Detour:
    """Both hops through an intermediate token."""

    token: str
    first: Hop
    second: Hop

    @cached_property
    def curve(self) -> Curve:
        return in_series(self.first.book, self.second.book)

    @property
    def start(self) -> float:
        """The root at which the curve starts: all that is asked of a detour that is too dear."""
        return self.first.start * self.second.start

    def with_curve(self, pool_id: str, curve: Curve) -> "Detour":
        first, second = self.first.with_curve(pool_id, curve), self.second.with_curve(pool_id, curve)
        if first is self.first and second is self.second:
            return self
        return Detour(self.token, first, second)


@dataclass(frozen=True)
class Network:
    """Everything an order can use."""

    direct: Hop
    detours: tuple[Detour, ...]

    @cached_property
    def curves(self) -> tuple[Curve, ...]:
        """The direct pools' curves, then one per detour."""
        return (*self.direct.curves, *(detour.curve for detour in self.detours))

    @cached_property
    def book(self) -> Curve:
        return side_by_side(self.curves) if self.curves else ()

    def without(self, excluded: Container[str]) -> "Network":
        """Return the network less some pools, and less the detours that this interrupts."""
        shorter = (
            Detour(detour.token, detour.first.without(excluded), detour.second.without(excluded))
            for detour in self.detours
        )
        kept = tuple(detour for detour in shorter if detour.first.pools and detour.second.pools)
        return Network(self.direct.without(excluded), kept)

    def with_curve(self, pool_id: str, curve: Curve) -> "Network":
        """Return the network with another curve for one pool."""
        detours = tuple(detour.with_curve(pool_id, curve) for detour in self.detours)
        return Network(self.direct.with_curve(pool_id, curve), detours)


def network_of(
    pools: Iterable[RoutablePool],
    *,
    mode: SwapMode,
    input_token: str,
    output_token: str,
    amount: int,
    now_s: int,
) -> Network:
    """Read the curves that connect two tokens, as far as the amount can reach into them.

    Raises:
        NoRouteError: No pool, and no two pools in a row, connect the tokens.
    """
    known = tuple(pools)
    onward, back = _by_other_token(known, input_token), _by_other_token(known, output_token)
    between = sorted(onward.keys() & back.keys())
    direct = onward.get(output_token, [])
    if not direct and not between:
        raise NoRouteError(input_token=input_token, output_token=output_token)

    is_exact_in = mode is SwapMode.EXACT_IN
    reach = amount * REACH
    stop_in, stop_out = (reach, inf) if is_exact_in else (inf, reach)
    detours: list[Detour] = []
    for token in between:
        firsts, seconds = onward[token], back[token]
        if is_exact_in:
            first = _hop(firsts, input_token, now_s, stop_in=stop_in)
            second = _hop(seconds, token, now_s, stop_in=_paid(first, stop_in))
        else:
            second = _hop(seconds, token, now_s, stop_out=stop_out)
            first = _hop(firsts, input_token, now_s, stop_out=_taken(second, stop_out))
        if first.pools and second.pools:
            detours.append(Detour(token, first, second))
    return Network(_hop(direct, input_token, now_s, stop_in=stop_in, stop_out=stop_out), tuple(detours))


def _by_other_token(pools: Sequence[RoutablePool], token: str) -> dict[str, list[RoutablePool]]:
    """Return the pools that trade a token, in the order of their ids, by the token they trade it for."""
    found: dict[str, list[RoutablePool]] = defaultdict(list)
    for pool in sorted((pool for pool in pools if token in pool.tokens), key=_POOL_ID):
        one, other = pool.tokens
        found[other if one == token else one].append(pool)
    return found


def _hop(
    pools: Sequence[RoutablePool], token_in: str, now_s: int, *, stop_in: float = inf, stop_out: float = inf
) -> Hop:
    """Read the curves of one pair; a pool that offers nothing now is left out."""
    found: list[PoolCurve] = []
    for pool in pools:
        index: TokenIndex = 0 if pool.tokens[0] == token_in else 1
        curve = curve_of(pool.state, index, now_s, stop_in=stop_in, stop_out=stop_out)
        if curve:
            found.append(PoolCurve(pool, index, curve))
    return Hop(tuple(found))


def _paid(hop: Hop, amount_in: float) -> float:
    """Return the most a hop can pay for ``amount_in`` or anything less."""
    if not hop.pools:
        return 0.0
    paid = out_for_in(hop.book, amount_in)
    return total_out(hop.book) if paid is None else paid


def _taken(hop: Hop, amount_out: float) -> float:
    """Return the most a hop needs for ``amount_out`` or anything less."""
    if not hop.pools:
        return 0.0
    taken = in_for_out(hop.book, amount_out)
    return total_in(hop.book) if taken is None else taken
