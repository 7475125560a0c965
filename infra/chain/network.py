"""The chain with its nodes and its pace: all that one process serves."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from infra.chain.chain import Chain
from infra.chain.faults import Faults, happens
from infra.chain.node import Arrivals, Node


@dataclass(slots=True)
class Network:
    """One chain and the nodes that show it.

    Attributes:
        block_ms: How long a block lasts; 0 makes a block of whatever arrived together; None makes none by
            itself.
        skip_percent: Slots in which no leader makes a block.
        on_seal: Called after every block that ends.
    """

    chain: Chain
    nodes: list[Node]
    arrivals: Arrivals
    block_ms: int | None
    chance: random.Random
    skip_percent: float = 0
    on_seal: list[Callable[[], None]] = field(default_factory=list)

    def seal(self) -> None:
        """End the block, and run what waited for the next one."""
        skipped = 0
        while happens(self.skip_percent, self.chance) and skipped < 16:
            skipped += 1
        self.chain.seal(skipped)
        for tell in self.on_seal:
            tell()
        self.arrivals.run_due()


def network(chain: Chain, *, nodes: int = 1, block_ms: int | None = 400, seed: int = 0) -> Network:
    """Return a network whose nodes begin without faults."""
    arrivals = Arrivals(chain)
    made = [
        Node(chain, arrivals, Faults(), random.Random(f"{seed}/{index}"))  # noqa: S311 - no secret
        for index in range(nodes)
    ]
    return Network(chain, made, arrivals, block_ms, random.Random(seed))  # noqa: S311 - no secret
