"""What the resting orders' services need of the world outside."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, Protocol

from chalicelib.domain.launches import SeenOpenings
from chalicelib.domain.triggers import Direction
from chalicelib.domain.watches import (
    BY_LAUNCH,
    BY_MARGINAL_RATE,
    DirectedPair,
    Fired,
    MarkRange,
    SeenPrice,
)

if TYPE_CHECKING:
    from chalicelib.services.resting.prices import Prices


class PriceReader(Protocol):
    """Where the watcher sees the market."""

    def read(self) -> "Prices":
        """Return all pools as they are now; a venue that does not answer has none.

        Raises ``RetryableError`` if nothing answers.
        """
        ...


class ArmedSize(NamedTuple):
    """A class of sizes of which stops are armed, and the key of the one that is met first."""

    look: int
    highest: Decimal


class ArmedLook(NamedTuple):
    """What some armed watches of a pair are compared with, and the key of the one that is met first."""

    direction: Direction
    look: int
    nearest: Decimal

    def may_be_met(self, key: Decimal) -> bool:
        """Return whether a price with this key meets the nearest watch, and so any of them."""
        return self.nearest <= key if self.direction is Direction.AT_LEAST else self.nearest >= key


class ArmedPair(NamedTuple):
    """A pair that something armed waits for, and what it looks at: each direction and look once."""

    pair: DirectedPair
    looks: tuple[ArmedLook, ...]

    @property
    def by_rate(self) -> bool:
        return any(each.look == BY_MARGINAL_RATE for each in self.looks)

    @property
    def by_mark(self) -> bool:
        return any(BY_MARGINAL_RATE < each.look < BY_LAUNCH for each in self.looks)

    @property
    def by_launch(self) -> bool:
        return any(each.look == BY_LAUNCH for each in self.looks)

    @property
    def sizes(self) -> tuple[ArmedSize, ...]:
        return tuple(ArmedSize(each.look, each.nearest) for each in self.looks if each.look > BY_LAUNCH)


class Openings(Protocol):
    """Where it is seen that pools have opened."""

    def seen(self, pairs: Collection[DirectedPair]) -> SeenOpenings:
        """Return the pools of some pairs, in either direction, that opened after the market did, or will.

        Raises ``RetryableError`` if nothing answers.
        """
        ...


class Watches(Protocol):
    """What resting orders wait for. Every method is one transaction.

    Raises ``RetryableError`` if unreachable.

    A watch is armed, then fired, then gone: what moves its order on disarms it. Nothing fires twice,
    however many ask at once; what fired and was not taken up is handed out again by ``resend``.
    """

    def armed(self) -> Sequence[ArmedPair]:
        """Return the pairs for which something is armed, each look with what is met first of it."""
        ...

    def fire(self, seen: Sequence[SeenPrice], *, limit: int) -> Sequence[Fired]:
        """Commit as fired what the prices meet, at most ``limit`` for each.

        Best rate first, then the oldest.
        """
        ...

    def wake(self, *, limit: int) -> Sequence[Fired]:
        """Commit as fired what is armed and whose time has come, the longest overdue first."""
        ...

    def resend(self, *, unclaimed_for_ms: int, limit: int) -> Sequence[Fired]:
        """Return what was fired or handed out so long ago and is still there; it counts as handed out now."""
        ...

    def put_off(self, sent: Sequence[Fired]) -> None:
        """Have what was sent again handed out later by as long as it has been fired, an hour at most."""
        ...

    def forget_wake_rates(self, pairs: Sequence[DirectedPair]) -> int:
        """Have watches of these pairs found at their own rates again; return how many were not."""
        ...

    def observe(
        self, height: int, marks: Mapping[DirectedPair, Decimal], *, keep: int
    ) -> Mapping[DirectedPair, Sequence[MarkRange]]:
        """Note marks seen in a block; return each pair's last ``keep`` blocks up to it, heights ascending."""
        ...
