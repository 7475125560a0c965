"""The mark: a pair's price that no single pool makes, and that no swap's own fee moves.

It is the median of the pools' mid prices before fees, so one pool that is pushed away moves it no further
than to the next one. Pools that hold next to nothing are left out: opening some costs little.
"""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from statistics import median
from typing import Final

from chalicelib.amm.pools import reserves, spot_price
from chalicelib.amm.swaps import SwapRefusedError
from chalicelib.domain.rates import Rate
from chalicelib.routing.marginal import is_open
from chalicelib.routing.open_to import makes_price
from chalicelib.routing.plan import RoutablePool

MARK_DIGITS: Final = 20
DEPTH_FLOOR_BPS: Final = 100
"""Of the deepest pool's depth."""

_BPS_PER_UNIT: Final = 10_000
_MARK: Final = Context(prec=MARK_DIGITS, rounding=ROUND_HALF_EVEN)


def canonical(one: str, other: str) -> tuple[str, str]:
    """Return two tokens in the order in which their pair's mark is computed."""
    return (one, other) if one < other else (other, one)


def makes_mark(pool: RoutablePool, pair: tuple[str, str]) -> bool:
    """Return whether a pool has a say in a pair's mark while it is open and has a depth."""
    return canonical(*pool.tokens) == canonical(*pair) and makes_price(pool, pair)


def mark_of(
    market: Iterable[RoutablePool],
    pair: tuple[str, str],
    now_s: int,
    slot: int = 0,
    *,
    depth_floor_bps: int = DEPTH_FLOOR_BPS,
) -> Rate | None:
    """Return a pair's mark as its second token per its first, in base units.

    None if no open pool has a depth.

    It *is* a decimal of ``MARK_DIGITS`` digits, rounded half to even in the pair's canonical direction: what
    is shown is what is compared. In the other direction it is the exact inverse of that.

    Args:
        depth_floor_bps: Pools of a depth below this part of the deepest one's are left out; a pool's depth is
            the geometric mean of its reserves.
    """
    tokens = canonical(*pair)
    mids: list[tuple[int, Fraction]] = []
    for pool in market:
        if makes_mark(pool, pair) and is_open(pool.state, now_s, slot):
            try:
                numerator, denominator = spot_price(pool.state)
                one, other = reserves(pool.state)
            except SwapRefusedError:  # a price that does not fit the program's integers
                continue
            if numerator and denominator and one > 0 and other > 0:
                mid = Fraction(numerator, denominator)
                # Depths are compared by their squares, which are integers.
                mids.append((one * other, mid if pool.tokens == tokens else 1 / mid))
    if not mids:
        return None
    floor = max(depth for depth, _ in mids) * depth_floor_bps**2
    middle = Fraction(median(mid for depth, mid in mids if depth * _BPS_PER_UNIT**2 >= floor))
    mark = _rounded(middle)
    return mark if pair == tokens else mark.inverse()


def _rounded(price: Fraction) -> Rate:
    rounded = _MARK.divide(Decimal(price.numerator), Decimal(price.denominator))
    return Rate.of(*rounded.as_integer_ratio())
