"""The pools of one moment, by what they trade: what the orders of a batch have in common.

An order looks at every pool within two hops, and uses few of them. So each side of a pool is read
once, up to its best price alone, and read again only when a plan moves the pool.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Final, NamedTuple

from chalicelib.amm.pools import Pool
from chalicelib.amm.swaps import TokenIndex
from chalicelib.routing.curves import best_root, curve_of
from chalicelib.routing.plan import RoutablePool
from chalicelib.routing.ranges import Curve, Range

_POOL_ID: Final = attrgetter("pool_id")
_TRADED: Final = attrgetter("pool_id", "tokens")

_NONE: Final[frozenset[str]] = frozenset()

Moment = tuple[int, int]
"""Unix time, and the chain's slot."""


class PoolCurve(NamedTuple):
    """A pool in the direction the order needs."""

    pool: RoutablePool
    token_in: TokenIndex
    curve: Curve


class PoolSide:
    """A pool in one direction.

    Attributes:
        start: No unit in is paid better than the square of this; 0 if the pool offers nothing.
    """

    __slots__ = ("_at_top", "moment", "pool", "start", "token_in")

    def __init__(self, pool: RoutablePool, token_in: TokenIndex, moment: Moment) -> None:
        self.pool = pool
        self.token_in = token_in
        self.moment = moment
        (now_s, slot), state = moment, pool.state
        top = curve_of(state, token_in, now_s, slot=slot, stop_in=0.0)
        self._at_top = PoolCurve(pool, token_in, top)
        self.start = best_root(state, token_in, now_s, top[0]) if top else 0.0

    @property
    def top(self) -> Range:
        """The first range, at the pool's price; there is one if the pool offers anything."""
        return self._at_top.curve[0]

    def read(self, stop_in: float, stop_out: float) -> PoolCurve:
        """Return the pool with its curve, at least up to one of the two amounts (see ``curve_of``)."""
        at_top = self._at_top
        if at_top.curve:
            _, _, _, amount_in, amount_out = at_top.curve[0]
            if amount_in > stop_in or amount_out > stop_out:
                return at_top  # nothing more would be read
        pool, token_in, (now_s, slot) = self.pool, self.token_in, self.moment
        curve = curve_of(pool.state, token_in, now_s, slot=slot, stop_in=stop_in, stop_out=stop_out)
        return PoolCurve(pool, token_in, curve)


@lru_cache(maxsize=2)
def _read_at(moment: Moment) -> dict[str, dict[str, PoolSide]]:
    """Return the last sides read for a moment, by input token and pool: pools mostly stand where they
    stood a batch ago.

    Shared by all markets of the process, and safe to: a side never changes, and one whose pool is not
    equal to the pool asked for is read anew. Equal states are mostly the same object.
    """
    del moment  # the cache's key
    return defaultdict(dict)


class Pair(NamedTuple):
    """The sides that pay one token for another and offer anything, in the order of their pools' ids.

    Attributes:
        start: The best of their starts; 0 without any.
    """

    sides: Sequence[PoolSide]
    start: float


class TwoHopPairs(NamedTuple):
    """Two pairs in a row, by the token between them.

    Attributes:
        start: No unit in is paid better than the square of this; 0 if either pair offers nothing.
    """

    token: str
    first: Pair
    second: Pair
    start: float


class Market:
    """The pools at one moment; each plan that is taken into account changes them for the next.

    Args:
        now_s: Unix time at which legs are taken to execute; dynamic fees depend on it.
        slot: The chain's slot then, 0 if it has none: pools that open at a slot are closed without one.
    """

    def __init__(self, pools: Iterable[RoutablePool], now_s: int, slot: int = 0) -> None:
        self.now_s = now_s
        self.slot = slot
        self._moment: Moment = now_s, slot
        self._last_read = _read_at(self._moment)
        self._pools = {pool.pool_id: pool for pool in sorted(pools, key=_POOL_ID)}
        self._links = _links(tuple(map(_TRADED, self._pools.values())))
        # Both without what has moved since it was read.
        self._pairs: dict[tuple[str, str], Pair] = {}
        self._two_hop_pairs: dict[tuple[str, str], list[TwoHopPairs]] = {}

    @property
    def pools(self) -> Mapping[str, RoutablePool]:
        """The pools as they are now, by id."""
        return self._pools

    def trades(self, one: str, other: str) -> bool:
        """Return whether any pool holds these two tokens, whatever it offers now."""
        return (one, other) in self._links.pool_ids

    def two_hop_pairs(self, token_in: str, token_out: str) -> Sequence[TwoHopPairs]:
        """Return what leads from one token to the other over a third, sorted by that."""
        found = self._two_hop_pairs.get((token_in, token_out))
        if found is None:
            found = self._two_hop_pairs[token_in, token_out] = []
            for token in self._links.between(token_in, token_out):
                first = self._pairs.get((token_in, token)) or self._read(token_in, token)
                second = self._pairs.get((token, token_out)) or self._read(token, token_out)
                found.append(TwoHopPairs(token, first, second, first.start * second.start))
        return found

    def pair(self, token_in: str, token_out: str) -> Pair:
        """Return what pays ``token_out`` for ``token_in`` now."""
        return self._pairs.get((token_in, token_out)) or self._read(token_in, token_out)

    def apply(self, states: Mapping[str, Pool]) -> None:
        """Put pools into other states: what the next order trades with."""
        for pool_id, state in states.items():
            _, venue, tokens, _, is_listed = self._pools[pool_id]
            self._pools[pool_id] = RoutablePool(pool_id, venue, tokens, state, is_listed)
            self._pairs.pop(tokens, None)
            self._pairs.pop(tokens[::-1], None)
        self._two_hop_pairs.clear()

    def _read(self, token_in: str, token_out: str) -> Pair:
        sides, pools, last_read = [], self._pools, self._last_read[token_in]
        for pool_id in self._links.pool_ids.get((token_in, token_out), ()):
            pool, side = pools[pool_id], last_read.get(pool_id)
            if side is None or side.pool != pool:
                side = PoolSide(pool, 0 if pool.tokens[0] == token_in else 1, self._moment)
                last_read[pool_id] = side
            if side.start > 0.0:
                sides.append(side)
        pair = Pair(sides, max([side.start for side in sides], default=0.0))
        self._pairs[token_in, token_out] = pair
        return pair


class _Links:
    """Which pools lie between which tokens.

    Attributes:
        pool_ids: By the two tokens that they trade, either way.
    """

    def __init__(self, traded: Iterable[tuple[str, tuple[str, str]]]) -> None:
        self.pool_ids: dict[tuple[str, str], list[str]] = {}
        self._neighbours: dict[str, set[str]] = {}
        self._between: dict[tuple[str, str], Sequence[str]] = {}
        for pool_id, (one, other) in traded:
            for token, beyond in ((one, other), (other, one)):
                self.pool_ids.setdefault((token, beyond), []).append(pool_id)
                self._neighbours.setdefault(token, set()).add(beyond)

    def between(self, one: str, other: str) -> Sequence[str]:
        """Return what both tokens trade with, sorted."""
        found = self._between.get((one, other))
        if found is None:
            found = sorted(self._neighbours.get(one, _NONE) & self._neighbours.get(other, _NONE))
            self._between[one, other] = found
        return found


# Batch after batch it is the same pools.
_links: Final = lru_cache(maxsize=64)(_Links)
