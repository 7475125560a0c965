"""What a resting order is found by.

A rate on one side of which it is looked at, and when it is at the latest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from chalicelib.domain.rates import Rate
from chalicelib.domain.triggers import CONFIRMATIONS_MAX, Direction

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

BY_MARGINAL_RATE: Final = 0
"""The ``look`` of a watch that the best marginal rate wakes.

1 to 10 are marks that held for so many blocks.
"""

BY_LAUNCH: Final = CONFIRMATIONS_MAX + 1
"""The ``look`` of a watch that the opening of a pool wakes. Its rate is a moment (``moment_rate``)."""


class DirectedPair(NamedTuple):
    """Two tokens in the direction of a trade.

    Of two pairs of the same tokens, each has watches of its own.
    """

    input_token: str
    output_token: str

    def reversed(self) -> "DirectedPair":
        return DirectedPair(self.output_token, self.input_token)


@dataclass(frozen=True, slots=True)
class Watch:
    """A resting order, as the matcher sees it.

    Attributes:
        look: ``BY_MARGINAL_RATE``, how many confirmations of the mark it wants, ``BY_LAUNCH``, or the class
            of its order's size (``order_sizes``).
        rate: Where it is met, output per input.
        accepted_at: Of orders at one rate, the older one comes first.
        wake_at: When to look at it whatever the price is: its expiry, or something sooner.
        within: So long after it is armed at the latest, by the record's clock: the one that ``wake_at`` was
            reckoned by may be ahead, and would have it left alone for as much longer.
        since_height: Blocks before this one do not count as confirmations.
        wake_rate: If its size did not fit at ``rate``, or was refused there too often: the better one that is
            waited for, until the pools' liquidity changes.
    """

    order_id: UUID
    pair: DirectedPair
    direction: Direction
    look: int
    rate: Rate
    accepted_at: datetime
    wake_at: datetime | None = None
    since_height: int = 0
    wake_rate: Rate | None = None
    within: timedelta | None = None

    @property
    def own_key(self) -> Decimal:
        """The key of its rate, rounded so that no rate that meets it is missed."""
        return _key(self.rate, self.direction)

    @property
    def wake_key(self) -> Decimal:
        """The key under which it is found now."""
        return self.own_key if self.wake_rate is None else _key(self.wake_rate, self.direction)


def _key(rate: Rate, direction: Direction) -> Decimal:
    return rate.key_down() if direction is Direction.AT_LEAST else rate.key_up()


def moment_rate(moment: datetime) -> Rate:
    """Return a moment as what watches are found by: microseconds of Unix time, per one.

    So a pool that opens meets, by the same index as a price, the watches of orders accepted before it.
    """
    return Rate((moment - _EPOCH) // timedelta(microseconds=1), 1)


@dataclass(frozen=True, slots=True)
class SeenPrice:
    """A price that was seen, and which watches it may meet.

    Attributes:
        rate: Output per input.
        height: The block in which it was seen.
        from_height: Only watches that counted by this block: the first one of those that had to hold.
    """

    pair: DirectedPair
    direction: Direction
    look: int
    rate: Rate
    height: int
    from_height: int

    @property
    def key(self) -> Decimal:
        """The bound of the keys to search, rounded so that no watch that is met is missed."""
        return self.rate.key_up() if self.direction is Direction.AT_LEAST else self.rate.key_down()


class FiredBy(StrEnum):
    RATE = "rate"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Fired:
    """A watch that is committed as fired: from now on the order is looked at, and nothing else fires it.

    Attributes:
        firing: How often it has fired by now; a message that names another number is out of date.
        seen: The rate that met it, and ``height`` where; None if its time had come.
    """

    order_id: UUID
    account_id: str
    firing: int
    fired_by: FiredBy
    look: int
    fired_at: datetime
    seen: Rate | None = None
    height: int | None = None


class MarkRange(NamedTuple):
    """The lowest and highest mark that were seen in a block, in the pair's canonical direction."""

    height: int
    low: Decimal
    high: Decimal


class Held(NamedTuple):
    """Between which marks a pair stayed for some blocks, and the first of them."""

    low: Decimal
    high: Decimal
    from_height: int


def held(ranges: Sequence[MarkRange], present: Decimal, *, gap_max: int) -> Mapping[int, Held]:
    """Return by number of blocks where the mark stayed for so long, as far as that was seen without a gap.

    For one block the present mark counts alone. For more, each look of each block does: what returned before
    a block's end did not hold for that block. Between two looks that are no further apart than ``gap_max``
    blocks the mark is taken to have stayed; a longer gap ends the past, and what comes after it counts from
    one again.

    Args:
        ranges: Of the blocks that were looked at, the present one last, heights ascending.
    """
    height = ranges[-1].height
    found = {1: Held(present, present, height)}
    low, high = ranges[-1].low, ranges[-1].high
    wanted, seen_at = 2, height
    for earlier in reversed(ranges[:-1]):
        if seen_at - earlier.height > gap_max:
            break
        low, high = min(low, earlier.low), max(high, earlier.high)
        seen_at = earlier.height
        while wanted <= CONFIRMATIONS_MAX and seen_at <= height - wanted + 1:
            found[wanted] = Held(low, high, height - wanted + 1)
            wanted += 1
    return found
