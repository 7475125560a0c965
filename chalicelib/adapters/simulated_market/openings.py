"""A pool's opening state, from its description: decimals in, integers out, the same each time."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from itertools import accumulate
from typing import Final

from chalicelib.adapters.simulated_market.definition import PoolDefinition
from chalicelib.amm.clmm_tick import sqrt_price_at, tick_at
from chalicelib.amm.damm_v2_curve import ConcentratedCurve
from chalicelib.amm.damm_v2_fee import (
    BaseFee,
    DammCollectFeeMode,
    DammV2Fees,
    DynamicFee,
    DynamicFeeParameters,
)
from chalicelib.amm.dlmm_fee import DlmmParameters, DlmmVolatility
from chalicelib.amm.dlmm_price import bin_price
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.meteora_dlmm import Bin, DlmmPool
from chalicelib.amm.pools import Pool
from chalicelib.amm.raydium_clmm import ClmmFees, ClmmPool, Tick
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.domain.amounts import BPS_PER_UNIT

_PRECISION: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
_ONE: Final = 1 << 64

_PPM_PER_BPS: Final = 100
_PPB_PER_BPS: Final = 100_000
# Of the trade fee, as in Raydium's default config (raydium-docs-v1@127e3ac, products/cpmm/fees.mdx).
_RAYDIUM_PROTOCOL_PPM: Final = 120_000
_RAYDIUM_FUND_PPM: Final = 40_000

# The widest range of a DAMM v2 pool (MeteoraAg/damm-v2@a3d3827, programs/cp-amm/src/constants.rs).
_SQRT_PRICE_MIN: Final = 4_295_048_016
_SQRT_PRICE_MAX: Final = 79_226_673_521_066_979_257_578_248_091


def opening_state(pool: PoolDefinition) -> Pool:
    """Return the state that a pool opens with; every amount is rounded down.

    Raises:
        ValueError: There is no such kind.
        KeyError: A parameter that the kind needs is missing.
    """
    with localcontext(_PRECISION):
        match pool.kind:
            case "cpmm":
                return _cpmm(pool)
            case "clmm":
                return _clmm(pool)
            case "dlmm":
                return _dlmm(pool)
            case "damm_v2":
                return _damm_v2(pool)
            case _:
                raise ValueError(f"{pool.pool_id}: there is no kind {pool.kind!r}")


def _cpmm(pool: PoolDefinition) -> CpmmPool:
    fees = CpmmFees(int(pool.fee_bps * _PPM_PER_BPS), _RAYDIUM_PROTOCOL_PPM, _RAYDIUM_FUND_PPM)
    base, quote = _base_units(pool, pool.depth / pool.price), _quote_units(pool, pool.depth)
    return CpmmPool(base, quote, fees, pool.opens_at_s)


def _clmm(pool: PoolDefinition) -> ClmmPool:
    """Two ranges around the price, one a quarter as wide as the other, with half of the depth each."""
    price = _sqrt_price(pool)
    spacing, width_bps = pool.parameters["tick_spacing"], pool.parameters["width_bps"]
    net: dict[int, int] = {}
    for width in (Decimal(width_bps), Decimal(width_bps) / 4):
        low, high = _range(price, width)
        lower, upper = tick_at(low) // spacing * spacing, -(-tick_at(high) // spacing) * spacing
        liquidity = (_quote_units(pool, pool.depth / 2) << 64) // (price - sqrt_price_at(lower))
        net[lower] = net.get(lower, 0) + liquidity
        net[upper] = net.get(upper, 0) - liquidity
    ticks = tuple(Tick(tick, net[tick]) for tick in sorted(net))
    current = tick_at(price)
    crossed = sum(1 for tick in ticks if tick.tick <= current)
    *_, liquidity = accumulate(tick.liquidity_net for tick in ticks[:crossed])
    fees = ClmmFees(int(pool.fee_bps * _PPM_PER_BPS), _RAYDIUM_PROTOCOL_PPM, _RAYDIUM_FUND_PPM)
    # The program opens such a pool after its open time, the others at theirs.
    return ClmmPool(price, current, liquidity, ticks, fees, max(0, pool.opens_at_s - 1))


def _dlmm(pool: PoolDefinition) -> DlmmPool:
    """The same worth in every bin: quote from the active one down, base from it up."""
    step, count = pool.parameters["bin_step"], pool.parameters["bins"]
    ratio = 1 + Decimal(step) / BPS_PER_UNIT
    active_id = int((_unit_price(pool).ln() / ratio.ln()).to_integral_value())
    worth = _quote_units(pool, pool.depth / (count + 1))
    bins = tuple(
        Bin(
            bin_id,
            worth * _ONE // bin_price(bin_id, step) if bin_id >= active_id else 0,
            worth if bin_id <= active_id else 0,
        )
        for bin_id in range(active_id - count, active_id + count + 1)
    )
    parameters = DlmmParameters(
        bin_step=step,
        # The base fee is base_factor * bin_step * 10 parts per 10^9.
        base_factor=int(pool.fee_bps * _PPB_PER_BPS / (10 * step)),
        filter_period=30,
        decay_period=600,
        reduction_factor=5_000,
        variable_fee_control=20_000,
        max_volatility_accumulator=350_000,
        protocol_share_bps=1_000,
    )
    volatility = DlmmVolatility(index_reference=active_id)
    return DlmmPool(parameters, active_id, bins, volatility, activation_point=pool.opens_at_s)


def _damm_v2(pool: PoolDefinition) -> DammV2Pool:
    price = _sqrt_price(pool)
    low, high = _SQRT_PRICE_MIN, _SQRT_PRICE_MAX
    if "width_bps" in pool.parameters:
        low, high = _range(price, Decimal(pool.parameters["width_bps"]))
    liquidity = (_quote_units(pool, pool.depth) << 128) // (price - low)
    base_fee = pool.base_fee or BaseFee(int(pool.fee_bps * _PPB_PER_BPS))
    fees = DammV2Fees(base_fee, DammCollectFeeMode.BOTH)
    dynamic = None
    if pool.parameters.get("has_dynamic_fee"):
        parameters = DynamicFeeParameters(
            bin_step=1,
            bin_step_q64=_ONE // BPS_PER_UNIT,
            variable_fee_control=956,
            max_volatility_accumulator=14_460_000,
            filter_period=10,
            decay_period=120,
            reduction_factor=5_000,
        )
        dynamic = DynamicFee(parameters, 0, 0, sqrt_price_reference=price, last_update_timestamp=0)
    curve = ConcentratedCurve(price, liquidity, low, high)
    return DammV2Pool(curve, fees, dynamic, activation_point=pool.opens_at_s)


def _base_units(pool: PoolDefinition, amount: Decimal) -> int:
    return int(amount.scaleb(pool.base.scale))


def _quote_units(pool: PoolDefinition, amount: Decimal) -> int:
    return int(amount.scaleb(pool.quote.scale))


def _unit_price(pool: PoolDefinition) -> Decimal:
    """Return base units of the quote per base unit of the base."""
    return pool.price.scaleb(pool.quote.scale - pool.base.scale)


def _sqrt_price(pool: PoolDefinition) -> int:
    return int(_unit_price(pool).sqrt() * _ONE)


def _range(sqrt_price: int, width_bps: Decimal) -> tuple[int, int]:
    """Return the square roots of the prices so far below and above, in ratio."""
    reach = (1 + width_bps / BPS_PER_UNIT).sqrt()
    return int(sqrt_price / reach), int(sqrt_price * reach)
