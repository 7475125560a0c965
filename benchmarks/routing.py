"""How fast orders are routed: ``python -m benchmarks.routing``.

Markets are random mixes of all pool kinds (seeded), orders random in size and direction. One
process, one core. A route is timed the second time, when the best price of each pool is known, as it is
of pools that have not moved since the last batch; the rest of their curves is read anew.
"""

import platform
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from time import perf_counter

from benchmarks.environment import take_no_options
from chalicelib.amm.pools import swap
from chalicelib.amm.swaps import Exact, Swap, SwapRefusedError
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.errors import InsufficientLiquidityError
from chalicelib.routing.market import Market
from chalicelib.routing.plan import Plan, RoutablePool
from chalicelib.routing.router import best_plan
from chalicelib.routing.swap_order import SwapOrder
from tests.unit.routing.markets import NOW_S, random_market

MARKETS = 200
GAP_MARKETS = 1_000
POOL_COUNTS = (2, 8, 30)
BASE, QUOTE = "A", "B"
SIZES = {"small": (8.0, 9.0), "large": (11.5, 13.0)}
"""Decimal exponents of the amount in; pools hold about 10^13 each, within 1.5 decades."""


def a_market(random: Random, count: int, *, is_two_hop: bool) -> list[RoutablePool]:
    """Return direct pools only, or a third each of direct, first and second hops."""
    if not is_two_hop:
        return random_market(random, count)
    part = count // 3
    return [
        *random_market(random, count - 2 * part),
        *random_market(random, part, tokens=("A", "M"), price=3.0, prefix="first-"),
        *random_market(random, part, tokens=("M", "B"), price=0.05, prefix="second-"),
    ]


def route(pools: Sequence[RoutablePool], amount: int, mode: SwapMode = SwapMode.EXACT_IN) -> Plan | None:
    try:
        return best_plan(Market(pools, NOW_S), SwapOrder(mode, BASE, QUOTE, amount, leg_cost=0))
    except InsufficientLiquidityError:
        return None


def milliseconds(action: Callable[[], object]) -> float:
    started = perf_counter()
    action()
    return (perf_counter() - started) * 1_000


def report_routes() -> None:
    print("\npools   shape  orders  median ms   p99 ms   max ms  routes/s  legs")
    for count in POOL_COUNTS:
        for is_two_hop in (False, True) if count > 2 else (False,):
            for size, exponents in SIZES.items():
                random = Random(count)
                times: list[float] = []
                legs: list[int] = []
                for _ in range(MARKETS):
                    pools = a_market(random, count, is_two_hop=is_two_hop)
                    amount = int(10 ** random.uniform(*exponents))
                    plan = route(pools, amount)
                    if plan is not None:
                        times.append(milliseconds(partial(route, pools, amount)))
                        legs.append(len(plan.legs))
                times.sort()
                shape = "two-hop" if is_two_hop else "direct"
                print(
                    f"{count:>5} {shape:>8} {size:>7} {statistics.median(times):>10.3f} "
                    f"{times[int(len(times) * 0.99)]:>8.3f} {times[-1]:>8.3f} "
                    f"{1_000 / statistics.mean(times):>9.0f} {statistics.mean(legs):>5.1f}"
                )


def report_quotes() -> None:
    """One quote is one exact swap of the whole amount on one pool."""
    print(f"\n{'pools':>5} {'orders':>7} {'quotes/s':>9}")
    for count in POOL_COUNTS:
        for size, exponents in SIZES.items():
            random = Random(count)
            done, spent = 0, 0.0
            for _ in range(MARKETS):
                pools = random_market(random, count)
                request = Swap(Exact.IN, int(10 ** random.uniform(*exponents)), 0, NOW_S)
                spent += milliseconds(partial(quote_all, pools, request))
                done += count
            print(f"{count:>5} {size:>7} {done / spent * 1_000:>9.0f}")


def quote_all(pools: Sequence[RoutablePool], request: Swap) -> None:
    for pool in pools:
        try:
            swap(pool.state, request)
        except SwapRefusedError:
            continue


def report_gaps() -> None:
    print(f"\n{'shape':>8} {'mode':>10} {'markets':>8} {'median gap':>11} {'p99':>9} {'max':>9}  bps")
    for is_two_hop in (False, True):
        for mode in SwapMode:
            random = Random(0)
            gaps: list[float] = []
            for _ in range(GAP_MARKETS):
                pools = a_market(random, random.randint(3, 12), is_two_hop=is_two_hop)
                amount = int(10 ** random.uniform(9, 13) * (1.0 if mode is SwapMode.EXACT_IN else 0.1))
                plan = route(pools, amount, mode)
                if plan is not None:
                    gaps.append(float(plan.gap_bps))
            gaps.sort()
            shape = "two-hop" if is_two_hop else "direct"
            print(
                f"{shape:>8} {mode.value:>10} {len(gaps):>8} {statistics.median(gaps):>11.6f} "
                f"{gaps[int(len(gaps) * 0.99)]:>9.6f} {gaps[-1]:>9.6f}"
            )


def main() -> None:
    take_no_options(__doc__)
    print(
        f"Python {platform.python_version()} on {platform.machine()}, {platform.system()}; "
        "one process, one core"
    )
    print(f"{MARKETS} random markets per line of CPMM, DLMM, DAMM v2 and CLMM pools; leg cost 0; exact-in")
    report_routes()
    report_quotes()
    report_gaps()


if __name__ == "__main__":
    main()
