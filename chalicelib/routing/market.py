"""The pools of one moment, by what they trade: what the orders of a batch have in common.

An order looks at every pool within two hops, and uses few of them. So each side of a pool is read
once, up to its best price alone, and read again only when a plan moves the pool.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import inf
from operator import attrgetter
from typing import Final, NamedTuple

from chalicelib.amm.pools import Pool
from chalicelib.amm.swaps import TokenIndex
from chalicelib.routing.curves import best_root, curve_of
from chalicelib.routing.plan import RoutablePool
from chalicelib.routing.ranges import Curve, Range

_POOL_ID: Final = attrgetter("pool_id")
_TRADED: Final = attrgetter("pool_id", "tokens")

Moment = tuple[int, int]
"""Unix time, and the chain's slot."""


class PoolSide:
    """A pool in one direction.

    Attributes:
        start: No unit in is paid better than the square of this; 0 if the pool offers nothing.
    """

    __slots__ = ("_top", "moment", "pool", "start", "token_in")

    def __init__(self, pool: RoutablePool, token_in: TokenIndex, moment: Moment) -> None:
        self.pool = pool
        self.token_in = token_in
        self.moment = moment
        now_s, slot = moment
        self._top = curve_of(pool.state, token_in, now_s, slot=slot, stop_in=0.0)
        self.start = best_root(pool.state, token_in, now_s, self._top[0]) if self._top else 0.0

    @property
    def top(self) -> Range:
        """The first range, at the pool's price; there is one if the pool offers anything."""
        return self._top[0]

    def curve(self, *, stop_in: float = inf, stop_out: float = inf) -> Curve:
        """Return the pool's curve, at least up to one of the two amounts (see ``curve_of``)."""
        top = self._top
        if top and (top[0].amount_in > stop_in or top[0].amount_out > stop_out):
            return top  # nothing more would be read
        now_s, slot = self.moment
        return curve_of(self.pool.state, self.token_in, now_s, slot=slot, stop_in=stop_in, stop_out=stop_out)


_last_read: Final[dict[tuple[str, str], PoolSide]] = {}
"""The last side read of each pool and input token: pools mostly stand where they stood a batch ago.

Shared by all markets of the process, and safe to: a side never changes, and one whose pool is not
equal to the pool asked for is read anew. Equal states are mostly the same object.
"""


class Pair:
    """The sides that pay one token for another, in the order of their pools' ids.

    Attributes:
        sides: Those that offer anything.
        start: The best of their starts; 0 without any.
        moved: The pools whose sides are to be read again before any of this holds.
    """

    __slots__ = ("_all", "moved", "sides", "start", "token_in")

    def __init__(self, token_in: str, sides: Iterable[PoolSide]) -> None:
        self.token_in = token_in
        self._all = {side.pool.pool_id: side for side in sides}
        self.read_again(())

    def read_again(self, sides: Iterable[PoolSide]) -> None:
        """Put sides in the places of their pools' last ones."""
        for side in sides:
            self._all[side.pool.pool_id] = side
        self.moved: set[str] = set()
        self.sides = [side for side in self._all.values() if side.start > 0.0]
        self.start = max([side.start for side in self.sides], default=0.0)


class TwoHopPairs(NamedTuple):
    """Two pairs in a row, by the token between them."""

    token: str
    first: Pair
    second: Pair


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
        in_order = sorted(pools, key=_POOL_ID)
        self._pools = {pool.pool_id: pool for pool in in_order}
        self._ids = _ids_by_tokens(tuple(map(_TRADED, in_order)))
        self._pairs: dict[tuple[str, str], Pair] = {}
        self._two_hop_pairs: dict[tuple[str, str], list[TwoHopPairs]] = {}

    @property
    def pools(self) -> Mapping[str, RoutablePool]:
        """The pools as they are now, by id."""
        return self._pools

    def trades(self, one: str, other: str) -> bool:
        """Return whether any pool holds these two tokens, whatever it offers now."""
        return other in self._ids.get(one, {})

    def two_hop_pairs(self, token_in: str, token_out: str) -> Sequence[TwoHopPairs]:
        """Return what leads from one token to the other over a third, sorted by that."""
        found = self._two_hop_pairs.get((token_in, token_out))
        if found is None:
            one, other = self._ids.get(token_in, {}), self._ids.get(token_out, {})
            found = self._two_hop_pairs[token_in, token_out] = [
                TwoHopPairs(token, self.pair(token_in, token), self.pair(token, token_out))
                for token in sorted(one.keys() & other.keys())
            ]
        for pairs in found:
            if pairs.first.moved:
                self._read_again(pairs.first)
            if pairs.second.moved:
                self._read_again(pairs.second)
        return found

    def pair(self, token_in: str, token_out: str) -> Pair:
        """Return what pays ``token_out`` for ``token_in`` now."""
        found = self._pairs.get((token_in, token_out))
        if found is None:
            pool_ids = self._ids.get(token_in, {}).get(token_out, ())
            found = Pair(token_in, [self._side(pool_id, token_in) for pool_id in pool_ids])
            self._pairs[token_in, token_out] = found
        elif found.moved:
            self._read_again(found)
        return found

    def _read_again(self, pair: Pair) -> None:
        pair.read_again([self._side(pool_id, pair.token_in) for pool_id in pair.moved])

    def _side(self, pool_id: str, token_in: str) -> PoolSide:
        pool = self._pools[pool_id]
        found = _last_read.get((pool_id, token_in))
        if found is None or found.moment != self._moment or found.pool != pool:
            found = PoolSide(pool, 0 if pool.tokens[0] == token_in else 1, self._moment)
            _last_read[pool_id, token_in] = found
        return found

    def apply(self, states: Mapping[str, Pool]) -> None:
        """Put pools into other states: what the next order trades with."""
        for pool_id, state in states.items():
            pool = self._pools[pool_id]
            tokens = pool.tokens
            self._pools[pool_id] = pool._replace(state=state)
            for between in (tokens, tokens[::-1]):
                if between in self._pairs:
                    self._pairs[between].moved.add(pool_id)


# Batch after batch it is the same pools.
@lru_cache(maxsize=64)
def _ids_by_tokens(
    traded: tuple[tuple[str, tuple[str, str]], ...],
) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Return the ids of pools by the two tokens that they trade, either way."""
    ids: dict[str, dict[str, list[str]]] = {}
    for pool_id, (one, other) in traded:
        ids.setdefault(one, {}).setdefault(other, []).append(pool_id)
        ids.setdefault(other, {}).setdefault(one, []).append(pool_id)
    return ids
