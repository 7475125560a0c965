"""Quotes per second of each pool kind: ``python -m benchmarks.amm``.

One quote is one ``pools.swap`` with its result and the state after, the way the router
calls it. Amounts vary between 0.01 % and 10 % of the reserve; each figure is the best of
several rounds on one core, so that other work on the machine disturbs it least.
"""

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Final

from benchmarks.environment import take_no_options
from chalicelib.amm.clmm_tick import TICK_MAX, sqrt_price_at
from chalicelib.amm.damm_v2_curve import CompoundingCurve, ConcentratedCurve
from chalicelib.amm.damm_v2_fee import (
    BaseFee,
    DammCollectFeeMode,
    DammV2Fees,
    DynamicFee,
    DynamicFeeParameters,
)
from chalicelib.amm.dlmm_fee import DlmmParameters, DlmmVolatility
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.meteora_dlmm import Bin, DlmmPool
from chalicelib.amm.pools import Pool, swap
from chalicelib.amm.raydium_clmm import ClmmFees, ClmmPool, Tick
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.amm.swaps import Exact, Swap

ROUNDS: Final = 7
QUOTES_PER_ROUND: Final = 2000
RESERVE: Final = 10**12
ONE: Final = 1 << 64

BINS: Final = tuple(
    Bin(bin_id, RESERVE // 35 if bin_id >= 0 else 0, RESERVE // 35 if bin_id <= 0 else 0)
    for bin_id in range(-35, 36)
)
DLMM_PARAMETERS: Final = DlmmParameters(10, 10_000, 30, 600, 5000, 40_000, 350_000, 500)
DYNAMIC_FEE: Final = DynamicFee(
    DynamicFeeParameters(1, ONE // 10_000, 956, 14_460_000, 10, 120, 5000), 20_000, 10_000, ONE, 0
)
DAMM_FEES: Final = DammV2Fees(BaseFee(2_500_000), DammCollectFeeMode.BOTH)
FULL_RANGE: Final = ConcentratedCurve(ONE, RESERVE * ONE, sqrt_price_at(-TICK_MAX), sqrt_price_at(TICK_MAX))
TICKS: Final = tuple(Tick(tick, RESERVE * 5 if tick < 0 else -RESERVE * 5) for tick in range(-450, 451, 60))

POOLS: Final[dict[str, Pool]] = {
    "raydium_cpmm": CpmmPool(RESERVE, RESERVE, CpmmFees(2500, 120_000, 40_000)),
    "meteora_dlmm, 71 bins": DlmmPool(DLMM_PARAMETERS, 0, BINS, DlmmVolatility()),
    "meteora_damm_v2": DammV2Pool(FULL_RANGE, DAMM_FEES),
    "meteora_damm_v2, dynamic fee": DammV2Pool(FULL_RANGE, DAMM_FEES, DYNAMIC_FEE),
    "meteora_damm_v2, compounding": DammV2Pool(CompoundingCurve(RESERVE, RESERVE), DAMM_FEES),
    "raydium_clmm, 16 ticks": ClmmPool(ONE, 0, RESERVE * 40, TICKS, ClmmFees(2500, 120_000, 40_000)),
}


def main() -> None:
    take_no_options(__doc__)
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}, "
        f"{_processor()}"
    )
    print(f"{os.cpu_count()} cores, one used; load average {load} when started")
    print(
        f"best of {ROUNDS} rounds of {QUOTES_PER_ROUND} quotes, 0.01 % to 10 % of the reserve, "
        "both directions\n"
    )
    print(f"{'pool':<30}{'exact in':>14}{'exact out':>14}   quotes/s")
    for name, pool in POOLS.items():
        rates = (_quotes_per_second(pool, _requests(mode)) for mode in Exact)
        print(f"{name:<30}" + "".join(f"{rate:>14,.0f}" for rate in rates))


def _requests(mode: Exact) -> list[Swap]:
    least, most = RESERVE // 10_000, RESERVE // 10
    return [
        Swap(mode, least + (most - least) * i // QUOTES_PER_ROUND, 0 if i % 2 else 1, 1)
        for i in range(QUOTES_PER_ROUND)
    ]


def _quotes_per_second(pool: Pool, requests: Sequence[Swap]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        started = perf_counter()
        for request in requests:
            swap(pool, request)
        best = min(best, perf_counter() - started)
    return len(requests) / best


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


if __name__ == "__main__":
    main()
