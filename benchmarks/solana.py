"""One consumer on the local chain against the same one on the simulated market.

``python -m benchmarks.solana``.

Blocks end as fast as transactions come. The orders, the batches of ten and the Postgres are those of
``benchmarks.consumer``; the chain runs in a process of its own. Counted besides: calls to the node by method,
and for each kind of route the bytes of its transactions and the compute units that they took.
"""

import argparse
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Final, NamedTuple

from sqlalchemy import text

from benchmarks.consumer import (
    BATCH,
    DRIVER,
    ConsumerServices,
    consume,
    environment_for,
    prepared_batches,
)
from benchmarks.environment import environment_lines
from benchmarks.instance import running_instance
from benchmarks.processes import cpu_seconds
from chalicelib.adapters.solana.message_reader import read_transaction
from chalicelib.adapters.solana.programs import PROGRAM_IDS, Cluster
from chalicelib.adapters.solana.rpc_calls import RpcCall, get_transaction
from chalicelib.adapters.solana.rpc_nodes import RpcNode
from chalicelib.bootstrap.solana_market import SolanaMarket
from chalicelib.config import ChainName, Settings
from chalicelib.logs import logger

BATCHES: Final = 30
WARM_UP_BATCHES: Final = 5
_POLL_MS: Final = 60
"""A block of the chain that holds something lasts 20 ms or so here, and so does the one that confirms it."""

_SENDS: Final = "sendTransaction"
_LANDED: Final = text("SELECT signature, payload FROM attempts WHERE outcome = 'landed' ORDER BY signed_at")
_OUTCOMES: Final = text("SELECT status, count(*) FROM orders GROUP BY status ORDER BY status")


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run took.

    Attributes:
        cpu_ms: Per order, by kind of process.
        calls: To the node per batch, by method; none on the simulated market.
        requests: HTTP requests that carried them, per batch.
    """

    rate: float
    cpu_ms: Mapping[str, float]
    calls: Mapping[str, float]
    requests: Mapping[str, float]

    @property
    def calls_beside_sends(self) -> float:
        return _beside_sends(self.calls)

    @property
    def requests_beside_sends(self) -> float:
        return _beside_sends(self.requests)


class Counts(NamedTuple):
    """Calls by their method, requests by the methods that they carry."""

    calls: Counter[str]
    requests: Counter[str]


def _beside_sends(counts: Mapping[str, float]) -> float:
    return sum(count for method, count in counts.items() if method != _SENDS)


class _CountedNode(RpcNode):
    """Counts calls, and the requests that carry them: all of them do where the node takes batches."""

    def __init__(self, inner: RpcNode, counts: Counts) -> None:
        self.name, self._inner, self._counts = inner.name, inner, counts

    def call(self, call: RpcCall, *, time_limit_s: float) -> Any:
        self._counts.calls[call.method] += 1
        self._counts.requests[call.method] += 1
        return self._inner.call(call, time_limit_s=time_limit_s)

    def call_all(self, calls: Sequence[RpcCall], *, time_limit_s: float) -> list[Any]:
        self._counts.calls.update(call.method for call in calls)
        self._counts.requests[" + ".join(dict.fromkeys(call.method for call in calls))] += 1
        return self._inner.call_all(calls, time_limit_s=time_limit_s)

    def close(self) -> None:
        self._inner.close()


def measure(*, batches: int = BATCHES) -> tuple[Figures, Figures]:
    """Run both markets; print and return the simulated one's figures, then the local chain's."""
    with _consumer(ChainName.SIMULATED) as (use, kinds, counts):
        simulated = _run(use, kinds, counts, batches)
    _print("simulated market", simulated)
    with _consumer(ChainName.SOLANA) as (use, kinds, counts):
        solana = _run(use, kinds, counts, batches)
        _print("local chain", solana)
        _print_kinds(use)
    return simulated, solana


@contextmanager
def _consumer(
    chain: ChainName,
) -> Iterator[tuple[ConsumerServices, dict[str, Sequence[int]], Counts]]:
    started = {"CHAIN": chain.value, "SOLANA_RPC_URLS": "", "SOLANA_LOCAL_BLOCK_MS": "0"}
    with running_instance(started) as instance:
        status = instance.status
        address = status["functions_database_url"].replace("postgresql://", f"{DRIVER}://", 1)
        environment = environment_for(address, dict(os.environ))
        environment |= {"CHAIN": chain.value, **status["given"], "SOLANA_POLL_MS": str(_POLL_MS)}
        use = ConsumerServices(Settings.from_env(environment))
        logger.setLevel("WARNING")
        counts = Counts(Counter(), Counter())
        nodes = _nodes(use)
        nodes[:] = [_CountedNode(node, counts) for node in nodes]
        kinds = {"consumer": [os.getpid()], "postgres": status["pids"]["postgres"]}
        if "chain" in status["pids"]:
            kinds["chain"] = status["pids"]["chain"]
        try:
            yield use, kinds, counts
        finally:
            use.engine.dispose()
            for node in nodes:
                node.close()


def _nodes(use: ConsumerServices) -> list[RpcNode]:
    """Return the list of nodes that the engine asks, to count what it does; none on the simulated market."""
    market = use.market._market  # noqa: SLF001 - nothing but a counter needs to reach so far in
    return market.nodes._nodes if isinstance(market, SolanaMarket) else []  # noqa: SLF001 - as above


def _run(use: ConsumerServices, kinds: Mapping[str, Sequence[int]], counts: Counts, batches: int) -> Figures:
    # What comes back is handed out again at once: the chain is as fast as that.
    consume(use, prepared_batches(use, WARM_UP_BATCHES), pause_s=0)
    bodies, orders = prepared_batches(use, batches), batches * BATCH
    before = cpu_seconds(kinds)
    counts.calls.clear()
    counts.requests.clear()
    rate = orders / consume(use, bodies, pause_s=0)
    calls, requests = ({method: count / batches for method, count in each.most_common()} for each in counts)
    after = cpu_seconds(kinds)
    return Figures(
        rate, {kind: (after[kind] - before[kind]) * 1000 / orders for kind in kinds}, calls, requests
    )


def _print(name: str, figures: Figures) -> None:
    cost = ", ".join(f"{kind} {ms:.2f}" for kind, ms in figures.cpu_ms.items())
    print(f"{name}: {figures.rate:,.0f} orders/s in batches of {BATCH}; processor ms/order: {cost}")
    if figures.calls:
        for what, counts in ("requests", figures.requests), ("calls", figures.calls):
            listed = ", ".join(f"{method} {count:.1f}" for method, count in counts.items())
            print(f"  {what} per batch, {_beside_sends(counts):.1f} beside sends: {listed}")


def _print_kinds(use: ConsumerServices) -> None:
    """Print what transactions of each kind of route are like."""
    with use.engine.connect() as connection:
        rows = connection.execute(_LANDED).all()
        outcomes = ", ".join(f"{count} {status}" for status, count in connection.execute(_OUTCOMES))
    (node,) = _nodes(use)
    sizes: dict[str, list[int]] = defaultdict(list)
    units: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        kind = _kind(bytes(row.payload))
        sizes[kind].append(len(row.payload))
        shown = node.call(get_transaction(row.signature), time_limit_s=5)
        units[kind].append(int(shown["meta"]["computeUnitsConsumed"]))
    print(f"  {outcomes}")
    print(f"  {'swaps':<44}{'landed':>7}{'bytes':>8}{'most':>7}{'units':>10}{'most':>10}")
    for kind in sorted(sizes, key=lambda each: -len(sizes[each])):
        found, used = sizes[kind], units[kind]
        print(
            f"  {kind:<44}{len(found):>7}{median(found):>8,.0f}{max(found):>7,}"
            f"{median(used):>10,.0f}{max(used):>10,}"
        )


def _kind(wire: bytes) -> str:
    ids = PROGRAM_IDS[Cluster.LOCAL]
    programs = [ids.program_of(one.program) for one in read_transaction(wire).message.instructions or ()]
    return " + ".join(program.value for program in programs if program is not None)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, default=BATCHES)
    options = parser.parse_args()
    for line in environment_lines():
        print(line)
    measure(batches=options.batches)


if __name__ == "__main__":
    main()
