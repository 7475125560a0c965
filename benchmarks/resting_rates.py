"""Rates beside a million resting orders: of market orders, against none, and of orders put to rest."""

import asyncio
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from benchmarks.instance import Instance
from benchmarks.processes import paused
from benchmarks.shapes import Load, Run, Shape, run_load

PAIRS: Final = 8
ORDERS: Final = 800
CONNECTIONS: Final = 10
BESIDE: Final = "market orders' rate while orders rest, of that with none"
TAKEN_IN: Final = "orders put to rest, of market orders' rate"
_MARKET: Final = Load(ORDERS, CONNECTIONS, Shape.CLOSED_LOOP)
_RESTING: Final = Load(ORDERS, CONNECTIONS, Shape.CLOSED_LOOP, resting=True)


def beside(full: Instance, empty: Instance, *, pairs: int = PAIRS) -> Mapping[str, float]:
    """Let two instances take market orders in turns, one with orders at rest and one without.

    While one works, the other is stopped whole: its looks by the clock would take from the first.
    """

    def alone(worked: Instance, stopped: Instance) -> Run:
        with paused(stopped.status):
            return asyncio.run(run_load(worked, _MARKET))

    ratios, rates = _ratios(lambda: alone(full, empty), lambda: alone(empty, full), pairs)
    return {
        "market orders/s while orders rest": rates[0],
        "market orders/s while none does": rates[1],
        BESIDE: statistics.median(ratios),
        "the same in the worst pair": min(ratios),
        "the same in the best pair": max(ratios),
    }


def taken_in(full: Instance, *, pairs: int = PAIRS) -> Mapping[str, float]:
    """Put orders to rest and execute market orders in turns."""
    ratios, rates = _ratios(
        lambda: asyncio.run(run_load(full, _RESTING)), lambda: asyncio.run(run_load(full, _MARKET)), pairs
    )
    return {
        "orders put to rest/s": rates[0],
        TAKEN_IN: statistics.median(ratios),
    }


def _ratios(
    one: Callable[[], Run], other: Callable[[], Run], pairs: int
) -> tuple[Sequence[float], Sequence[float]]:
    """Run both in turns, each first in every other pair; return the pairs' ratios and the median rates."""
    found = []
    for number in range(pairs + 1):
        if number % 2:
            second = other()
            first = one()
        else:
            first, second = one(), other()
        if number:  # the first pair warms up
            found.append((first.rate, second.rate))
    rates = [statistics.median(each) for each in zip(*found, strict=True)]
    return [first / second for first, second in found], rates
