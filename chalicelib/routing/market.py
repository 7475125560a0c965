"""The pools of one moment, by what they trade: what the orders of a batch have in common.

An order looks at every pool within two hops, and uses few of them. So each side of a pool is read
once, up to its best price alone, and read again only when a plan moves the pool.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import inf
from operator import attrgetter
from typing import Final

from chalicelib.amm.pools import Pool
from chalicelib.amm.swaps import TokenIndex
from chalicelib.routing.curves import best_root, curve_of
from chalicelib.routing.plan import RoutablePool
from chalicelib.routing.ranges import Curve

_POOL_ID: Final = attrgetter("pool_id")


class PoolSide:
    """A pool in one direction.

    Attributes:
        start: No unit in is paid better than the square of this; 0 if the pool offers nothing.
    """

    __slots__ = ("_top", "now_s", "pool", "start", "token_in")

    def __init__(self, pool: RoutablePool, token_in: TokenIndex, now_s: int) -> None:
        self.pool = pool
        self.token_in = token_in
        self.now_s = now_s
        self._top = curve_of(pool.state, token_in, now_s, stop_in=0.0)
        self.start = best_root(pool.state, token_in, now_s, self._top[0]) if self._top else 0.0

    def curve(self, *, stop_in: float = inf, stop_out: float = inf) -> Curve:
        """Return the pool's curve, at least up to one of the two amounts (see ``curve_of``)."""
        top = self._top
        if top and (top[0].amount_in > stop_in or top[0].amount_out > stop_out):
            return top  # nothing more would be read
        return curve_of(self.pool.state, self.token_in, self.now_s, stop_in=stop_in, stop_out=stop_out)


_last_read: Final[dict[tuple[str, str], PoolSide]] = {}
"""The last side read of each pool and input token: pools mostly stand where they stood a batch ago.

Shared by all markets of the process, and safe to: a side never changes, and one whose pool is not
equal to the pool asked for is read anew. Equal states are mostly the same object.
"""


class Pair:
    """The sides that pay one token for another now, in the order of their pools' ids.

    Attributes:
        start: The best of their starts; 0 without any.
    """

    __slots__ = ("sides", "start")

    def __init__(self, sides: Iterable[PoolSide]) -> None:
        self.sides = [side for side in sides if side.start > 0.0]
        self.start = max([side.start for side in self.sides], default=0.0)


class Market:
    """The pools at one moment; each plan that is taken into account changes them for the next.

    Args:
        now_s: Unix time at which legs are taken to execute; dynamic fees depend on it.
    """

    def __init__(self, pools: Iterable[RoutablePool], now_s: int) -> None:
        self.now_s = now_s
        self._pools = {pool.pool_id: pool for pool in sorted(pools, key=_POOL_ID)}
        self._ids: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for pool in self._pools.values():
            one, other = pool.tokens
            self._ids[one][other].append(pool.pool_id)
            self._ids[other][one].append(pool.pool_id)
        self._pairs: dict[tuple[str, str], Pair] = {}

    @property
    def pools(self) -> Mapping[str, RoutablePool]:
        """The pools as they are now, by id."""
        return self._pools

    def trades(self, one: str, other: str) -> bool:
        """Return whether any pool holds these two tokens, whatever it offers now."""
        return one in self._ids and other in self._ids[one]

    def between(self, one: str, other: str) -> list[str]:
        """Return the tokens that some pool trades for one and some pool for the other, sorted."""
        if one not in self._ids or other not in self._ids:
            return []
        return sorted(self._ids[one].keys() & self._ids[other].keys())

    def pair(self, token_in: str, token_out: str) -> Pair:
        """Return what pays ``token_out`` for ``token_in``."""
        found = self._pairs.get((token_in, token_out))
        if found is None:
            sides = [self._side(pool_id, token_in) for pool_id in self._ids[token_in][token_out]]
            found = self._pairs[token_in, token_out] = Pair(sides)
        return found

    def _side(self, pool_id: str, token_in: str) -> PoolSide:
        pool = self._pools[pool_id]
        found = _last_read.get((pool_id, token_in))
        if found is None or found.now_s != self.now_s or found.pool != pool:
            found = PoolSide(pool, 0 if pool.tokens[0] == token_in else 1, self.now_s)
            _last_read[pool_id, token_in] = found
        return found

    def apply(self, states: Mapping[str, Pool]) -> None:
        """Put pools into other states: what the next order trades with."""
        for pool_id, state in states.items():
            before = self._pools[pool_id]
            self._pools[pool_id] = RoutablePool(pool_id, before.venue, before.tokens, state)
            for token_in, token_out in (before.tokens, before.tokens[::-1]):
                self._pairs.pop((token_in, token_out), None)
