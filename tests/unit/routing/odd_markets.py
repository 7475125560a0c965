"""Markets that make no sense, of pools that a chain may hold all the same: dust, giants,
cliffs, empty ones.
"""

from collections.abc import Sequence
from random import Random

from chalicelib.amm.clmm_tick import SQRT_PRICE_MAX, SQRT_PRICE_MIN, sqrt_price_at
from chalicelib.amm.damm_v2_curve import CompoundingCurve, ConcentratedCurve
from chalicelib.amm.damm_v2_fee import (
    BaseFee,
    DammCollectFeeMode,
    DammV2Fees,
    DynamicFee,
    DynamicFeeParameters,
)
from chalicelib.amm.dlmm_fee import DlmmCollectFeeMode, DlmmParameters, DlmmVolatility
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.meteora_dlmm import Bin, DlmmPool
from chalicelib.amm.pools import Pool, reserves
from chalicelib.amm.raydium_clmm import ClmmFees, ClmmPool, Tick
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool, CreatorFeeOn
from chalicelib.amm.swaps import U64_MAX
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.plan import RoutablePool
from chalicelib.routing.swap_order import SwapOrder
from tests.unit.routing.markets import NOW_S

PAIRS = (("A", "B"), ("A", "B"), ("A", "C"), ("C", "B"), ("B", "A"), ("B", "D"), ("D", "A"))


def magnitude(random: Random, bits_max: int, *, zero: float = 0.0) -> int:
    """Return a positive integer, every length in bits equally likely; or zero, so often."""
    if random.random() < zero:
        return 0
    return random.randrange(1 << random.randrange(bits_max), 1 << bits_max) >> random.randrange(bits_max) or 1


def an_odd_market(random: Random) -> list[RoutablePool]:
    """Return a few pools between four tokens."""
    return [
        RoutablePool(f"{index}", f"venue-{index % 2}", random.choice(PAIRS), an_odd_pool(random))
        for index in range(random.randint(1, 6))
    ]


def an_odd_order(random: Random, pools: Sequence[RoutablePool]) -> SwapOrder:
    """Return an order from A to B, of any size that an instruction can carry,
    or of about all that a pool holds.
    """
    amount = magnitude(random, 64)
    if random.random() < 0.3:
        held = random.choice(reserves(random.choice(pools).state))
        amount = held - magnitude(random, 12, zero=0.2)
    return SwapOrder(
        random.choice(list(SwapMode)),
        "A",
        "B",
        min(max(1, amount), U64_MAX),
        magnitude(random, 40, zero=0.3),
    )


def an_odd_pool(random: Random) -> Pool:
    return random.choice((_cpmm, _dlmm, _damm_v2, _clmm))(random)


def _cpmm(random: Random) -> CpmmPool:
    fees = CpmmFees(
        random.choice([0, 1, 2_500, 500_000, 990_000]),
        random.choice([0, 120_000, 600_000]),
        random.choice([0, 40_000, 400_000]),
        random.choice([0, 0, 5_000]),
        random.choice(list(CreatorFeeOn)),
    )
    opens_at = NOW_S + random.choice([-1, 0, 0, 0, 1])
    return CpmmPool(
        magnitude(random, 64, zero=0.1), magnitude(random, 64, zero=0.1), fees, open_time_s=opens_at
    )


def _dlmm(random: Random) -> DlmmPool:
    step = random.choice([1, 10, 100, 400])
    reach = min(400_000 // step, 5_000)
    active_id = random.randint(-reach, reach)
    parameters = DlmmParameters(
        bin_step=step,
        base_factor=random.choice([0, 5_000, 60_000]),
        filter_period=30,
        decay_period=600,
        reduction_factor=5_000,
        variable_fee_control=random.choice([0, 7_500, 2_000_000]),
        max_volatility_accumulator=350_000,
        protocol_share_bps=random.choice([0, 500, 2_500]),
        collect_fee_mode=random.choice(list(DlmmCollectFeeMode)),
    )
    offsets = sorted({0, *(random.randint(-30, 30) for _ in range(random.randint(0, 8)))})
    bins = tuple(
        Bin(
            active_id + offset,
            magnitude(random, 64, zero=0.3) if offset >= 0 else 0,
            magnitude(random, 64, zero=0.3) if offset <= 0 else 0,
        )
        for offset in offsets
    )
    volatility = DlmmVolatility(
        random.randint(0, 350_000),
        random.randint(0, 100_000),
        active_id + random.randint(-12, 12),
        NOW_S - random.randint(0, 700),
    )
    return DlmmPool(parameters, active_id, bins, volatility)


def _damm_v2(random: Random) -> DammV2Pool:
    curve: ConcentratedCurve | CompoundingCurve
    if random.random() < 0.3:
        curve = CompoundingCurve(magnitude(random, 64, zero=0.1), magnitude(random, 64, zero=0.1))
        mode = DammCollectFeeMode.COMPOUNDING
    else:
        curve = _concentrated(random)
        mode = random.choice([DammCollectFeeMode.BOTH, DammCollectFeeMode.ONLY_B])
    fees = DammV2Fees(BaseFee(random.choice([0, 100_000, 2_500_000, 500_000_000, 990_000_000])), mode)
    return DammV2Pool(curve, fees, _dynamic_fee(random), NOW_S + random.choice([-1, 0, 0, 1]))


def _dynamic_fee(random: Random) -> DynamicFee | None:
    if random.random() < 0.5:
        return None
    return DynamicFee(
        DynamicFeeParameters(1, (1 << 64) // 10_000, 956, 14_460_000, 10, 120, 5_000),
        random.randint(0, 14_460_000),
        random.randint(0, 1_000_000),
        min(max(magnitude(random, 96), SQRT_PRICE_MIN), SQRT_PRICE_MAX),
        NOW_S - random.randint(0, 200),
    )


def _concentrated(random: Random) -> ConcentratedCurve:
    price = min(max(magnitude(random, 96), SQRT_PRICE_MIN), SQRT_PRICE_MAX)
    liquidity = magnitude(random, 128, zero=0.2)
    low, high = SQRT_PRICE_MIN, SQRT_PRICE_MAX
    if random.random() < 0.6:
        low = max(low, price - magnitude(random, price.bit_length(), zero=0.3))
        high = min(high, price + magnitude(random, price.bit_length(), zero=0.3))
    return ConcentratedCurve(price, liquidity, low, high)


def _clmm(random: Random) -> ClmmPool:
    center = random.randint(-400_000, 400_000)
    edges = sorted({random.randint(-500, 500) for _ in range(random.randint(2, 8))})
    nets = dict.fromkeys(edges, 0)
    for _ in range(random.randint(0, 4)):
        lower, upper = sorted((random.choice(edges), random.choice(edges)))
        added = magnitude(random, 100)
        nets[lower] += added
        nets[upper] -= added
    current = random.randint(-500, 500)
    return ClmmPool(
        sqrt_price_at(center + current),
        center + current,
        sum(net for edge, net in nets.items() if edge <= current),
        tuple(Tick(center + edge, nets[edge]) for edge in edges),
        ClmmFees(random.choice([0, 100, 10_000, 999_999]), 120_000, 40_000),
        open_time_s=random.choice([0, 0, NOW_S - 1, NOW_S + 1]),
    )
