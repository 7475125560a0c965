"""Amounts in whole units that keep a total."""

from collections.abc import Sequence
from math import floor


class NoRoomError(Exception):
    """The total does not fit into the limits."""


def whole_amounts(
    fills: Sequence[float], capacities: Sequence[float], total: int, *, slack: float
) -> list[int]:
    """Round parts down to whole units; what is left goes to the part with the most room.

    Parts that are in use come first, so that rounding opens no new leg unless it must.

    Args:
        slack: How far below its capacity, relatively, a part stays.

    Returns:
        Parts that add up to ``total``.

    Raises:
        NoRoomError: They cannot.
    """
    limits = [floor(capacity * (1.0 - slack)) for capacity in capacities]
    whole = [min(max(0, floor(fill)), limit) for fill, limit in zip(fills, limits, strict=True)]
    left = total - sum(whole)
    if left < 0:  # floats beyond 2^53 may add up to more
        largest = max(range(len(whole)), key=whole.__getitem__)
        whole[largest] += left
        if whole[largest] < 0:
            raise NoRoomError
        return whole
    if left == 0:
        return whole
    by_room = sorted(range(len(whole)), key=lambda index: (whole[index] == 0, whole[index] - limits[index]))
    for index in by_room:
        added = min(left, limits[index] - whole[index])
        whole[index] += added
        left -= added
        if left == 0:
            return whole
    raise NoRoomError
