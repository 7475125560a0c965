"""What the watcher sees of the market."""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.routing.few_legs import Room
from chalicelib.routing.plan import RoutablePool


@dataclass(frozen=True, slots=True)
class Prices:
    """All pools at one moment.

    Attributes:
        now_s: Unix time of the chain.
        slot: The chain's slot, 0 if it has none.
        height: The block in which the pools were like this.
        room: What one transaction carries of the pools; None if it carries any number of legs.
    """

    pools: Sequence[RoutablePool]
    now_s: int
    slot: int
    height: int
    room: Room | None = None
