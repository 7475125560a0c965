"""Percentages that add up."""

from collections.abc import Sequence
from typing import Final

BPS_PER_UNIT: Final = 10_000


def shares_of(parts: Sequence[int], total: int) -> list[int]:
    """Divide ``total`` in proportion to the parts, exactly, by the largest remainder.

    Each share is its quota rounded down or up; among equal remainders the earlier part gets the
    unit.
    """
    if len(parts) == 1:
        return [total]
    whole = sum(parts)
    shares = [part * total // whole for part in parts]
    by_remainder = sorted(range(len(parts)), key=lambda index: -(parts[index] * total % whole))
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return shares
