"""The pools as last seen, so that a read fetches only what changed since, and the block they came with."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from chalicelib.adapters.simulated_market.foreseen import ForeseenSwaps
from chalicelib.adapters.simulated_market.pool_rows import MarketPool, pool_of
from chalicelib.values import value


@value
class Snapshot:
    """All pools at one moment. Never changed, only replaced."""

    epoch: int = -1
    pools: Mapping[str, MarketPool] = field(default_factory=dict)

    @property
    def versions_json(self) -> str:
        """The versions held, as ``market.changed_pools`` takes them."""
        return json.dumps({pool.pool_id: pool.version for pool in self.pools.values()})

    def updated(self, changed: Iterable[Mapping[str, Any]]) -> "Snapshot":
        """Return the snapshot that rows of ``market.changed_pools``, asked with this one, lead to."""
        rows = list(changed)
        if not rows:
            return self
        epoch: int = rows[0]["epoch"]
        pools = dict(self.pools) if epoch == self.epoch else {}
        for row in rows:
            pools[row["pool_id"]] = _market_pool(row, pools.get(row["pool_id"]))
        return Snapshot(epoch, pools)


@value
class RecentBlock:
    """A block that the chain had reached: what a transaction is signed with.

    Attributes:
        moment_ms: The chain's own time then, in Unix milliseconds.
        asked_at: When the node was asked for it, at the earliest, on the clock ``time.monotonic``.
    """

    genesis: str
    height: int
    moment_ms: int
    asked_at: float


class PoolCache:
    """The newest snapshot and block that any reader of this process has seen, and what plans make of them.

    It is safe to share between threads.

    Two readers may overwrite what the other has seen. Both are true, so the older snapshot only costs a
    longer read next time, and the older block some milliseconds of a transaction's validity.
    """

    def __init__(self) -> None:
        self.snapshot = Snapshot()
        self.block: RecentBlock | None = None
        self.foreseen = ForeseenSwaps()


def _market_pool(row: Mapping[str, Any], before: MarketPool | None) -> MarketPool:
    state = pool_of(
        row["kind"], row["state"], row["bins"] or (), row["ticks"] or (), before.state if before else None
    )
    return MarketPool(row["pool_id"], row["venue"], (row["token_0"], row["token_1"]), state, row["version"])
