"""Sizes of orders, in classes: what a class's largest size gets, no size of it gets less than.

Output per input falls with the size, so the rate of a class's largest size falls to a stop's trigger no
later than the rate of any order in it does. Each doubling has 16 classes: the sizes of one differ by a
sixteenth at most.
"""

from typing import Final, NamedTuple

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.watches import BY_LAUNCH

BY_SIZE: Final = BY_LAUNCH + 1
"""The first ``look`` of watches that wait for what their order's own size gets."""

_STEPS: Final = 16
_CLASSES: Final = 2_048
BY_SIZE_MAX: Final = BY_SIZE + 2 * _CLASSES - 1


class SizeClass(NamedTuple):
    """The largest size of a class, in base units of the exact amount, and the least above the class below."""

    mode: SwapMode
    most_units: int
    least_units: int


def size_look(mode: SwapMode, units: int) -> int:
    """Return the look of an order of a size: of the class whose largest size is the next one up."""
    assert 0 < units <= 1 << 128
    shift = max(0, units.bit_length() - _STEPS.bit_length())
    place = -(-units // (1 << shift)) + _STEPS * shift
    return BY_SIZE + place + (_CLASSES if mode is SwapMode.EXACT_OUT else 0)


def size_class(look: int) -> SizeClass:
    """Return the class that a look is of."""
    place = look - BY_SIZE
    mode = SwapMode.EXACT_OUT if place >= _CLASSES else SwapMode.EXACT_IN
    place %= _CLASSES
    most = _units(place)
    return SizeClass(mode, most, _units(place - 1) + 1 if place > 1 else 1)


def _units(place: int) -> int:
    shift = max(0, (place - 1) // _STEPS - 1)
    return (place - _STEPS * shift) << shift
