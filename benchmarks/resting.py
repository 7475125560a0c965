"""What price changes cost while orders rest, and they cost others: ``python -m benchmarks.resting``.

Limit orders and stops over all pairs of the simulated market, none of them met, in the database of a
running instance. Then prices change, by trades like a client's: by so little that nothing fires, and by so
much that a hundred orders do, which clients had put to rest through the front door. From the moment at which
the trade was committed their owner waits for the ``routing`` event of each. At last the rates of orders that
are put to rest and of market orders are compared, the latter with an instance in which nothing rests.
"""

import argparse
import asyncio
from collections.abc import Callable, Collection, Mapping
from time import perf_counter
from typing import Final

from benchmarks import goals
from benchmarks.environment import environment_lines
from benchmarks.goals import Goal
from benchmarks.instance import running_instance
from benchmarks.load import QUIET
from benchmarks.resting_fill import fill, market_rates, sizes
from benchmarks.resting_firing import (
    ROUNDS,
    TO_ROUTING_P50,
    TO_ROUTING_P99,
    Market,
    firing_changes,
    quiet_changes,
)
from benchmarks.resting_rates import BESIDE, PAIRS, TAKEN_IN, beside, taken_in
from chalicelib.logs import logger

ORDERS: Final = 1_000_000
GOALS: Final[Mapping[Goal, str]] = {
    goals.RESTING_P50: TO_ROUTING_P50,
    goals.RESTING_P99: TO_ROUTING_P99,
    goals.RESTING_TAKEN_IN: TAKEN_IN,
    goals.RESTING_BESIDE: BESIDE,
}
"""Which figure of ``measure`` a goal is for."""

_LIMITS: Final = {"RESTING_ORDERS_MAX": "1000000"}


PARTS: Final = ("sizes", "beside", "quiet", "firing", "taken-in")
"""What can be measured by itself, in this order: the two instances that ``beside`` compares have executed as
little as each other only before the one of them is put to the other tests.
"""


def measure(
    orders: int = ORDERS, *, rounds: int = ROUNDS, pairs: int = PAIRS, parts: Collection[str] = PARTS
) -> Mapping[str, float]:
    """Fill a database and print what all of it costs; return the figures by name.

    Args:
        parts: Of ``PARTS``, those to measure: the fill is the same for all.
    """
    logger.setLevel("ERROR")
    with running_instance(QUIET | _LIMITS) as full, running_instance(QUIET | _LIMITS) as empty:
        market, figures = Market(full), dict[str, float]()
        rates = market_rates(market.prices())
        began = perf_counter()
        fill(full.status["database_url"], orders, rates)
        print(
            f"{orders:,} orders rest over {len(rates) // 2} pairs, {perf_counter() - began:.0f} s", flush=True
        )
        measured: Mapping[str, Callable[[], Mapping[str, float]]] = {
            "sizes": lambda: sizes(market.engine, orders),
            "quiet": lambda: quiet_changes(market),
            "firing": lambda: asyncio.run(firing_changes(full, market, rounds)),
            "taken-in": lambda: taken_in(full, pairs=pairs),
            "beside": lambda: beside(full, empty, pairs=pairs),
        }
        for part in PARTS:
            if part in parts:
                figures |= measured[part]()
        market.engine.dispose()
    for name, figure in figures.items():
        print(f"{name:<68}{figure:>10,.2f}")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=ORDERS, help="that rest")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="changes that fire a hundred")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of runs whose rates are compared")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="of what is measured")
    options = parser.parse_args()
    for line in environment_lines():
        print(line)
    measure(options.orders, rounds=options.rounds, pairs=options.pairs, parts=options.parts)


if __name__ == "__main__":
    main()
