"""Every figure that has a goal, in one table: ``python -m
benchmarks`` (``make bench``), ``--quick`` in a minute.

The machine should do nothing else meanwhile: the rates are those of all its cores.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from benchmarks import consumer, cost, depth, goals, load, resting, round_trips, solana
from benchmarks.environment import environment_lines
from benchmarks.goals import GOALS, Goal
from benchmarks.instance import running_instance
from benchmarks.shapes import Load, Run, Shape, percentile


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is run for the figures.

    Attributes:
        depths: Orders on record; none to leave that comparison out.
        resting: How many orders rest; 0 likewise.
    """

    orders: int
    runs: int
    shapes: tuple[Shape, ...]
    consumer_batches: int
    solana_batches: int
    depths: tuple[int, ...]
    resting: int


FULL: Final = Effort(
    load.ORDERS, load.RUNS, tuple(Shape), consumer.BATCHES, solana.BATCHES, depth.DEPTHS, resting.ORDERS
)
QUICK: Final = Effort(400, 1, (Shape.CLOSED_LOOP,), 40, 10, (), 0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer orders, one run, and no depths")
    effort = QUICK if parser.parse_args().quick else FULL
    started = time.monotonic()
    for line in environment_lines():
        print(line)
    figures = {**end_to_end(effort), **by_parts(effort)}
    print(f"\n{'what':<58}{'goal':>18}{'measured':>12}")
    for goal in GOALS:
        print(goal.line(figures.get(goal)))
    print(f"\n{time.monotonic() - started:.0f} s")


def end_to_end(effort: Effort) -> Mapping[Goal, float]:
    """Return the figures of whole orders through the whole runtime."""
    wanted = [Load(load.AT_REST_ORDERS, 1, Shape.CLOSED_LOOP)]
    wanted += [Load(effort.orders, count, shape) for count in (10, 50) for shape in effort.shapes]
    wanted += [replace(each, keyed=True) for each in wanted if each.shape is Shape.CLOSED_LOOP]
    print(f"\n{effort.orders} market orders a run, {effort.runs} runs; {load.WARM_UP} orders to warm up")
    with running_instance(load.QUIET) as instance:
        medians: Mapping[Load, Run] = {
            run.load: run for run in load.report(instance, wanted, runs=effort.runs)
        }
        memory_mib = load.resident_mib(instance)
    _, ten, fifty, at_rest, keyed_ten, keyed_fifty = (
        medians[each] for each in wanted if each.shape is Shape.CLOSED_LOOP
    )
    return {
        goals.RATE_10: ten.rate,
        goals.RATE_50: fifty.rate,
        goals.RATE_10_KEYED: keyed_ten.rate,
        goals.RATE_50_KEYED: keyed_fifty.rate,
        goals.CPU: load.application_ms(keyed_fifty),
        goals.MEMORY: memory_mib,
        goals.ACCEPTED: percentile(at_rest.accepted_ms, 0.5),
        goals.CONFIRMED: percentile(at_rest.final_ms, 0.5),
    }


def by_parts(effort: Effort) -> Mapping[Goal, float]:
    """Return the figures of single parts."""
    print("\none consumer alone")
    found = {goals.CONSUMER: consumer.measure(batches=effort.consumer_batches, runs=effort.runs).rate}
    wire = round_trips.measure()
    found |= {goals.ROUND_TRIPS: wire.round_trips["record"], goals.COMMITS: wire.commits["record"]}
    print()
    found |= dict(zip((goals.COST, goals.COST_BATCHED, goals.COST_TOGETHER), cost.report(), strict=True))
    print()
    _, on_chain = solana.measure(batches=effort.solana_batches)
    found[goals.REQUESTS] = on_chain.requests_beside_sends
    found[goals.CALLS] = on_chain.calls_beside_sends
    if effort.depths:
        print()
        found[goals.DEPTH] = depth.measure(effort.depths, depth.TURNS)[max(effort.depths)]
    if effort.resting:
        print()
        beside = resting.measure(effort.resting)
        found |= {goal: beside[name] for goal, name in resting.GOALS.items()}
    return found


if __name__ == "__main__":
    main()
