"""The shapes of a load, and what one run of one is like."""

import asyncio
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from secrets import token_hex
from typing import Final, Self
from urllib.parse import urlsplit

from benchmarks.connection import FINAL, Connection, Ledger
from benchmarks.instance import Instance
from benchmarks.orders import market_orders, resting_orders
from benchmarks.processes import cpu_seconds, runtime_kinds

RUN_LIMIT_S: Final = 120.0
"""A run that has lost an order must end as well."""


class Shape(StrEnum):
    CLOSED_LOOP = "one in flight"  # a connection sends its next order when the last one is final
    ALL_AT_ONCE = "all at once"  # a connection sends everything, then listens


@dataclass(frozen=True, slots=True)
class Load:
    """How many orders, over how many connections, and when each is sent.

    Attributes:
        batched: The connections ask for events in batches.
        keyed: Each order has a ``clientOrderId``, as a careful client's has.
        resting: Orders are limits beyond the market, and done once they rest.
    """

    orders: int
    connections: int
    shape: Shape
    batched: bool = False
    keyed: bool = False
    resting: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """What one run was like.

    Attributes:
        wall_s: From the first send to the last final status.
        accepted_ms, final_ms: One latency per order, sorted.
        cpu_s: Processor seconds by process kind.
        statuses: Final statuses, counted, and events that came twice.
        frames: Sent to the clients; a batch is one.
    """

    load: Load
    wall_s: float
    accepted_ms: Sequence[float]
    final_ms: Sequence[float]
    cpu_s: Mapping[str, float]
    statuses: Mapping[str, int]
    frames: int

    @property
    def rate(self) -> float:
        return self.load.orders / self.wall_s


class IncompleteRunError(RuntimeError):
    """An order was refused, was lost, or its stream had a gap: no figure of such a run counts."""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of sorted values lies."""
    return values[min(len(values) - 1, int(len(values) * share))]


def median_of(runs: Sequence[Run]) -> Run:
    """Return the run whose rate is in the middle."""
    return sorted(runs, key=lambda run: run.rate)[len(runs) // 2]


def spread(values: Sequence[float]) -> float:
    """Return half the distance between the extremes, as a share of the median."""
    return (max(values) - min(values)) / 2 / statistics.median(values)


async def run_load(instance: Instance, load: Load) -> Run:
    """Send the orders, read each one's events to its final status, and account for all of them.

    Raises:
        IncompleteRunError: The run counts for nothing.
    """
    url = f"{instance.url}?batch=1" if load.batched else instance.url
    crowd = await _Crowd.gathered(url, load)
    before = cpu_seconds(runtime_kinds(instance.status))
    crowd.begin()
    try:
        await asyncio.wait_for(crowd.done.wait(), RUN_LIMIT_S)
    except TimeoutError:
        raise IncompleteRunError(f"{crowd.missing()} in {RUN_LIMIT_S:.0f} s") from None
    after = cpu_seconds(runtime_kinds(instance.status))
    crowd.close()
    cpu_s = {kind: after[kind] - before.get(kind, 0.0) for kind in after}
    return _accounted(load, [connection.ledger for connection in crowd.connections], cpu_s)


class _Crowd:
    """The connections of one run, each with its share of the orders."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._answers = 0
        self.connections: list[Connection] = []
        self.done = asyncio.Event()

    @classmethod
    async def gathered(cls, url: str, load: Load) -> Self:
        crowd = cls(load)
        address, ends = urlsplit(url), FINAL | {"open"} if load.resting else FINAL
        for _ in range(load.connections):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(url, crowd._answered, ends), address.hostname or "", address.port or 0
            )
            await connection.opened
            crowd.connections.append(connection)
        return crowd

    def begin(self) -> None:
        # Another prefix for each run: the same key again would be the same order.
        key_prefix = f"{token_hex(6)}-" if self._load.keyed else None
        source = resting_orders() if self._load.resting else market_orders(key_prefix)
        shares = list(_shares(self._load))
        for connection, share in zip(self.connections, shares, strict=True):
            connection.left = [next(source) for _ in range(share)][::-1]
            for _ in range(share if self._load.shape is Shape.ALL_AT_ONCE else min(share, 1)):
                connection.submit(connection.left.pop())

    def missing(self) -> str:
        return f"{2 * self._load.orders - self._answers} of {2 * self._load.orders} answers missing"

    def close(self) -> None:
        for connection in self.connections:
            connection.close()

    def _answered(self, connection: Connection, *, is_final: bool) -> None:
        """Count acknowledgements and ends, either of which may come first;
        a closed loop goes on after an end.
        """
        self._answers += 1
        if self._answers == 2 * self._load.orders:
            self.done.set()
        elif is_final and connection.left:
            connection.submit(connection.left.pop())


def _shares(load: Load) -> Iterator[int]:
    for number in range(load.connections):
        yield load.orders // load.connections + (number < load.orders % load.connections)


def _accounted(load: Load, ledgers: Sequence[Ledger], cpu_s: Mapping[str, float]) -> Run:
    problems = [refusal for ledger in ledgers for refusal in ledger.refusals]
    accepted_ms, final_ms, statuses = [], [], Counter[str]()
    first, last = min(sent.sent_at for each in ledgers for sent in each.sent.values()), 0.0
    for ledger in ledgers:
        for sent in ledger.sent.values():
            assert sent.order_id is not None
            assert sent.accepted_at is not None
            seen = ledger.seen.get(sent.order_id)
            if seen is None or seen.final_at is None or not seen.is_gapless:
                problems.append(f"order {sent.order_id}: {seen}")
                continue
            accepted_ms.append((sent.accepted_at - sent.sent_at) * 1000)
            final_ms.append((seen.final_at - sent.sent_at) * 1000)
            statuses[seen.status] += 1
            last = max(last, seen.final_at)
    if problems:
        raise IncompleteRunError(f"{len(problems)} problems, the first: {problems[0]}")
    if repeats := sum(ledger.repeats for ledger in ledgers):
        statuses["events published again"] = repeats
    frames = sum(ledger.frames for ledger in ledgers)
    return Run(load, last - first, sorted(accepted_ms), sorted(final_ms), cpu_s, statuses, frames)
