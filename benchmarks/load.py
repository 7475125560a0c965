"""Orders per second through the whole local runtime: ``python -m benchmarks.load``.

Market orders over WebSockets, the events of each read to its final status on its own connection;
Postgres durable, every part as ``make run`` starts it. A run in which an order is refused,
lost, or seen with a gap counts for nothing.
"""

import argparse
import asyncio
import statistics
from collections.abc import Sequence
from typing import Final

from benchmarks.environment import environment_lines
from benchmarks.instance import Instance, running_instance
from benchmarks.orders import PAIRS
from benchmarks.processes import peak_mib, runtime_kinds, shared_once_mib
from benchmarks.shapes import Load, Run, Shape, median_of, percentile, run_load, spread

WARM_UP: Final = 200
ORDERS: Final = 2_000
RUNS: Final = 3
AT_REST_ORDERS: Final = 100
AT_REST_REALISTIC: Final = 10
"""Each takes three seconds."""
SHOWN_MS_MIN: Final = 0.01
"""Functions that took less of every order had no part in it."""

# Latencies of venues and chain: none, or about what a quote and a fast confirmation take.
QUIET: Final = {"QUOTE_LATENCY_MS": "0", "SETTLEMENT_LATENCY_MS": "0"}
REALISTIC: Final = {"QUOTE_LATENCY_MS": "200", "SETTLEMENT_LATENCY_MS": "2500"}


def main() -> None:
    options = _parser().parse_args()
    for line in environment_lines():
        print(line)
    print(
        f"{options.orders} market orders a run over {PAIRS}; {options.runs} runs; {WARM_UP} orders to warm up"
    )
    at_rest = AT_REST_REALISTIC if options.realistic else AT_REST_ORDERS
    wanted = loads(
        options.orders, options.connections, at_rest=at_rest, batched=options.batched, keyed=options.keyed
    )
    if options.realistic:
        print(f"with {REALISTIC}")
    with running_instance(REALISTIC if options.realistic else QUIET) as instance:
        report(instance, wanted, runs=options.runs)


def loads(
    orders: int,
    connection_counts: Sequence[int],
    *,
    at_rest: int = AT_REST_ORDERS,
    batched: bool = False,
    keyed: bool = False,
) -> list[Load]:
    """Return one order at a time first, then each number of connections in both shapes."""
    shapes = [(min(orders, at_rest), 1, Shape.CLOSED_LOOP)]
    shapes += [(orders, count, shape) for count in connection_counts for shape in Shape]
    return [Load(*shape, batched=batched, keyed=keyed) for shape in shapes]


def report(instance: Instance, wanted: Sequence[Load], *, runs: int) -> Sequence[Run]:
    """Run each load several times; print and return its median run."""
    asyncio.run(run_load(instance, Load(WARM_UP, 10, Shape.CLOSED_LOOP)))
    print(
        f"\n{'load':<29}{'orders/s':>9}{'spread':>8}"
        f"{'accepted p50':>14}{'p99':>8}{'final p50':>11}{'p99':>8}  ms"
    )
    medians = []
    for load in wanted:
        found = [asyncio.run(run_load(instance, load)) for _ in range(runs)]
        medians.append(median_of(found))
        print(_latency_line(load, found))
    print(f"\n{'processor ms/order':<22}" + "".join(f"{_name(load):>29}" for load in wanted))
    for kind in medians[-1].cpu_s:
        shares = [run.cpu_s.get(kind, 0.0) * 1000 / run.load.orders for run in medians]
        if max(shares) >= SHOWN_MS_MIN:
            print(f"{kind.removeprefix('function '):<22.22}" + "".join(f"{share:>29.2f}" for share in shares))
    print(f"{'application + Postgres':<22}" + "".join(f"{application_ms(run):>29.2f}" for run in medians))
    kinds = runtime_kinds(instance.status)
    for title, sizes in (
        ("peaks, each process by itself", peak_mib(kinds)),
        ("now, shared pages once", shared_once_mib(kinds)),
    ):
        ours = {kind: size for kind, size in sizes.items() if kind != "load"}
        shown = ", ".join(f"{kind} {size:.0f}" for kind, size in ours.items())
        print(f"\nresident memory, MiB, {title}: {sum(ours.values()):.0f} ({shown})")
    return medians


def resident_mib(instance: Instance) -> float:
    """Return what all processes of an instance have in memory, pages that they share counted once."""
    return sum(
        size for kind, size in shared_once_mib(runtime_kinds(instance.status)).items() if kind != "load"
    )


def application_ms(run: Run) -> float:
    """Return processor milliseconds per order of the functions and Postgres,
    without what stands in for AWS.
    """
    ours = (
        seconds for kind, seconds in run.cpu_s.items() if kind == "postgres" or kind.startswith("function")
    )
    return sum(ours) * 1000 / run.load.orders


def _latency_line(load: Load, found: Sequence[Run]) -> str:
    rates = [run.rate for run in found]
    middle = median_of(found)
    shown = (
        percentile(middle.accepted_ms, 0.5),
        percentile(middle.accepted_ms, 0.99),
        percentile(middle.final_ms, 0.5),
        percentile(middle.final_ms, 0.99),
    )
    ends = ", ".join(f"{count} {status}" for status, count in middle.statuses.items())
    return (
        f"{_name(load):<29}{statistics.median(rates):>9.0f}{spread(rates):>7.0%} "
        f"{shown[0]:>14.1f}{shown[1]:>8.1f}{shown[2]:>11.1f}{shown[3]:>8.1f}  {ends}"
    )


def _name(load: Load) -> str:
    return f"C = {load.connections}, {load.shape}{', key' if load.keyed else ''}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=ORDERS)
    parser.add_argument("--connections", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument(
        "--realistic", action="store_true", help="with latencies of venues and chain like the real ones"
    )
    parser.add_argument("--batched", action="store_true", help="connections ask for ?batch=1")
    parser.add_argument("--keyed", action="store_true", help="each order has a clientOrderId")
    return parser


if __name__ == "__main__":
    main()
