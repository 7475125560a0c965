"""Hypothesis strategies: pools of every kind, from dust to the widest integers."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

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
from chalicelib.amm.pools import ProgramPool
from chalicelib.amm.raydium_clmm import ClmmFees, ClmmPool, Tick
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool, CreatorFeeOn
from chalicelib.amm.swaps import Exact, Swap, TokenIndex

NOW_S = 1_700_000_000
Q = 1 << 64


def magnitudes(bits_max: int) -> SearchStrategy[int]:
    """Positive integers, every length in bits equally likely."""
    return st.integers(1, bits_max).flatmap(lambda bits: st.integers(1 << (bits - 1), (1 << bits) - 1))


def token_indexes() -> SearchStrategy[TokenIndex]:
    return st.sampled_from((0, 1))


def requests(bits_max: int = 64) -> SearchStrategy[Swap]:
    return st.builds(Swap, st.sampled_from(Exact), magnitudes(bits_max), token_indexes(), st.just(NOW_S))


@st.composite
def cpmm_pools(draw: st.DrawFn, bits_max: int = 64) -> CpmmPool:
    fees = CpmmFees(
        draw(st.sampled_from([1, 100, 2500, 10_000, 40_000])),
        draw(st.sampled_from([0, 120_000, 600_000])),
        draw(st.sampled_from([0, 40_000, 400_000])),
        draw(st.sampled_from([0, 1, 5000])),
        draw(st.sampled_from(CreatorFeeOn)),
    )
    return CpmmPool(draw(magnitudes(bits_max)), draw(magnitudes(bits_max)), fees)


@st.composite
def dlmm_pools(draw: st.DrawFn, bits_max: int = 64) -> DlmmPool:
    active_id = draw(st.integers(-1500, 1500))
    parameters = DlmmParameters(
        bin_step=draw(st.sampled_from([1, 10, 25, 100])),
        base_factor=draw(st.sampled_from([0, 5000, 10_000])),
        filter_period=30,
        decay_period=600,
        reduction_factor=5000,
        variable_fee_control=draw(st.sampled_from([0, 7500, 40_000])),
        max_volatility_accumulator=350_000,
        protocol_share_bps=draw(st.sampled_from([0, 500, 2000])),
        collect_fee_mode=draw(st.sampled_from(DlmmCollectFeeMode)),
    )
    amounts = st.one_of(st.just(0), magnitudes(bits_max))
    offsets = draw(st.lists(st.integers(-12, 12), unique=True, min_size=1, max_size=8))
    bins = [
        Bin(active_id + offset, draw(amounts) if offset >= 0 else 0, draw(amounts) if offset <= 0 else 0)
        for offset in sorted(offsets)
    ]
    volatility = DlmmVolatility(
        draw(st.integers(0, 350_000)),
        draw(st.integers(0, 100_000)),
        active_id + draw(st.integers(-12, 12)),
        NOW_S - draw(st.integers(0, 700)),
    )
    return DlmmPool(parameters, active_id, tuple(bins), volatility)


@st.composite
def concentrated_curves(draw: st.DrawFn) -> ConcentratedCurve:
    sqrt_price = draw(magnitudes(40)) << 44
    liquidity = draw(magnitudes(50)) << 64
    if draw(st.booleans()):
        return ConcentratedCurve(sqrt_price, liquidity, SQRT_PRICE_MIN, SQRT_PRICE_MAX)
    below, above = draw(st.integers(0, 1 << 16)), draw(st.integers(0, 1 << 16))
    width = 1 << 17
    return ConcentratedCurve(
        sqrt_price,
        liquidity,
        sqrt_price - sqrt_price * below // width,
        sqrt_price + sqrt_price * above // width,
    )


@st.composite
def damm_v2_pools(draw: st.DrawFn, bits_max: int = 64) -> DammV2Pool:
    is_compounding = draw(st.booleans())
    curve: ConcentratedCurve | CompoundingCurve
    if is_compounding:
        curve = CompoundingCurve(draw(magnitudes(bits_max)), draw(magnitudes(bits_max)))
        mode = DammCollectFeeMode.COMPOUNDING
    else:
        curve = draw(concentrated_curves())
        mode = draw(st.sampled_from([DammCollectFeeMode.BOTH, DammCollectFeeMode.ONLY_B]))
    fees = DammV2Fees(
        BaseFee(draw(st.sampled_from([100_000, 2_500_000, 500_000_000]))),
        mode,
        compounding_fee_bps=draw(st.sampled_from([0, 5000, 10_000])) if is_compounding else 0,
    )
    dynamic_fee = DynamicFee(
        DynamicFeeParameters(1, Q // 10_000, 956, 14_460_000, 10, 120, 5000),
        draw(st.integers(0, 14_460_000)),
        draw(st.integers(0, 1_000_000)),
        curve.sqrt_price,
        NOW_S - draw(st.integers(0, 200)),
    )
    return DammV2Pool(curve, fees, draw(st.sampled_from([None, dynamic_fee])))


@st.composite
def clmm_pools(draw: st.DrawFn, bits_max: int = 64) -> ClmmPool:
    center = draw(st.integers(-200_000, 200_000))
    edges = sorted(draw(st.lists(st.integers(-500, 500), unique=True, min_size=2, max_size=8)))
    nets: dict[int, int] = dict.fromkeys(edges, 0)
    spans = st.tuples(st.sampled_from(edges), st.sampled_from(edges), magnitudes(bits_max))
    for lower, upper, liquidity in draw(st.lists(spans, min_size=1, max_size=5)):
        if lower < upper:
            nets[lower] += liquidity
            nets[upper] -= liquidity
    current = draw(st.integers(-500, 500))
    liquidity = sum(net for edge, net in nets.items() if edge <= current)
    rates = st.sampled_from([0, 120_000, 400_000])
    return ClmmPool(
        sqrt_price_at(center + current) + draw(st.integers(0, 1000)),
        center + current,
        liquidity,
        tuple(Tick(center + edge, nets[edge]) for edge in edges),
        ClmmFees(draw(st.sampled_from([100, 2500, 10_000])), draw(rates), draw(rates)),
    )


def pools_of_any_kind(bits_max: int = 64) -> SearchStrategy[ProgramPool]:
    return st.one_of(
        cpmm_pools(bits_max), dlmm_pools(bits_max), damm_v2_pools(bits_max), clmm_pools(bits_max)
    )
