"""Random markets of all pool kinds, and pools that name only what matters."""

from math import isqrt, log
from random import Random

from chalicelib.amm.clmm_tick import sqrt_price_at, tick_at
from chalicelib.amm.damm_v2_curve import ConcentratedCurve
from chalicelib.amm.damm_v2_fee import BaseFee, DammCollectFeeMode, DammV2Fees
from chalicelib.amm.dlmm_fee import DlmmParameters, DlmmVolatility
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.meteora_dlmm import Bin, DlmmPool
from chalicelib.amm.pools import Pool
from chalicelib.amm.q64 import ONE
from chalicelib.amm.raydium_clmm import ClmmFees, ClmmPool, Tick
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.amm.swaps import TokenIndex
from chalicelib.routing.plan import RoutablePool

NOW_S = 1_700_000_000


def a_cpmm(reserve_0: int, reserve_1: int, *, fee_rate: int = 2_500) -> CpmmPool:
    return CpmmPool(reserve_0, reserve_1, CpmmFees(fee_rate, 120_000, 40_000))


def a_routable(pool_id: str, state: Pool, tokens: tuple[str, str] = ("A", "B")) -> RoutablePool:
    return RoutablePool(pool_id, f"venue-{pool_id[0]}", tokens, state)


def a_pool_that_is_calmest_ahead(token_in: TokenIndex) -> DlmmPool:
    """Return a pair whose first bin is dear and small, whose next one pays most, and the last one less."""

    def held(bin_id: int, units: int) -> Bin:
        return Bin(bin_id, 0, units) if token_in == 0 else Bin(bin_id, units, 0)

    calmest = -20 if token_in == 0 else 20
    parameters = DlmmParameters(10, 5_000, 30, 600, 5_000, 2_000_000, 2_000_000, 500)
    bins = sorted([held(0, 10), held(calmest // 2, 0), held(calmest, 10**12), held(2 * calmest, 10**12)])
    return DlmmPool(parameters, 0, tuple(bins), DlmmVolatility(0, 0, calmest, NOW_S - 2))


def random_pool(random: Random, kind: str, price: float, depth: int) -> Pool:
    """Return a pool at about ``price`` token 1 per token 0, with about ``depth`` of token 0."""
    price *= 1 + random.uniform(-0.002, 0.002)
    depth = int(depth * 10 ** random.uniform(-0.75, 0.75))
    match kind:
        case "cpmm":
            rate = random.choice([100, 2_500, 10_000])
            fees = CpmmFees(rate, 120_000, 40_000, random.choice([0, 0, 500]))
            return CpmmPool(depth, int(depth * price), fees)
        case "dlmm":
            return _random_dlmm(random, price, depth)
        case "damm":
            return _random_damm(random, price, depth)
        case _:
            return _random_clmm(random, price, depth)


def _random_dlmm(random: Random, price: float, depth: int) -> DlmmPool:
    step = random.choice([1, 5, 10, 25, 80])
    parameters = DlmmParameters(
        bin_step=step,
        base_factor=random.choice([8_000, 10_000]),
        filter_period=30,
        decay_period=600,
        reduction_factor=5_000,
        variable_fee_control=random.choice([0, 7_500, 40_000]),
        max_volatility_accumulator=350_000,
        protocol_share_bps=500,
    )
    active = _bin_near(price, step)
    width = random.randint(5, 60)
    bins = []
    for bin_id in range(active - width, active + width + 1):
        size = int(depth / width * random.uniform(0.2, 2))
        amount_x = size if bin_id >= active else 0
        amount_y = int(size * price) if bin_id <= active else 0
        bins.append(Bin(bin_id, amount_x, amount_y))
    accumulator = random.choice([0, 0, 100_000])
    volatility = DlmmVolatility(
        accumulator, accumulator // 2, active + random.choice([0, 0, -6, 6]), NOW_S - random.choice([5, 100])
    )
    return DlmmPool(parameters, active, tuple(bins), volatility)


def _bin_near(price: float, step: int) -> int:
    return round(log(price) / log(1 + step / 10_000))


def _random_damm(random: Random, price: float, depth: int) -> DammV2Pool:
    root = isqrt(int(price * 2**128))
    width = random.choice([0.02, 0.2, 1.0])
    low, high = int(root / (1 + width)), int(root * (1 + width))
    liquidity = depth * root * high // (high - root)
    fees = DammV2Fees(
        BaseFee(random.choice([400_000, 2_500_000])), random.choice(list(DammCollectFeeMode)[:2])
    )
    return DammV2Pool(ConcentratedCurve(root, liquidity, low, high), fees)


def _random_clmm(random: Random, price: float, depth: int) -> ClmmPool:
    root = isqrt(int(price * 2**128))
    current = tick_at(root)
    spacing = random.choice([10, 60])
    nets: dict[int, int] = {}
    liquidity = 0
    for _ in range(random.randint(1, 6)):
        low = (current // spacing - random.randint(0, 20)) * spacing
        high = (current // spacing + random.randint(1, 20)) * spacing
        top = sqrt_price_at(high)
        added = depth * root * top // (top - root) // ONE
        nets[low] = nets.get(low, 0) + added
        nets[high] = nets.get(high, 0) - added
        liquidity += added
    ticks = tuple(Tick(tick, net) for tick, net in sorted(nets.items()))
    fees = ClmmFees(random.choice([100, 500, 2_500]), 120_000, 40_000)
    return ClmmPool(root, current, liquidity, ticks, fees)


KINDS = ("cpmm", "dlmm", "damm", "clmm")


def random_market(
    random: Random,
    count: int,
    *,
    tokens: tuple[str, str] = ("A", "B"),
    price: float = 0.15,
    depth: int = 10**13,
    prefix: str = "",
) -> list[RoutablePool]:
    """Return pools of random kinds around one price, depths within one and a half decades."""
    pools = []
    for index in range(count):
        kind = random.choice(KINDS)
        state = random_pool(random, kind, price, depth)
        pools.append(RoutablePool(f"{prefix}{kind}-{index}", kind, tokens, state))
    return pools
