"""Purchases under a rate limiter: no exact swap does better than the curve, and little worse."""

from itertools import pairwise
from math import inf

import pytest

from chalicelib.amm.damm_v2_base_fee import RateLimiterFee
from chalicelib.amm.damm_v2_curve import CompoundingCurve, ConcentratedCurve
from chalicelib.amm.damm_v2_fee import DammCollectFeeMode, DammV2Fees, DynamicFee, DynamicFeeParameters
from chalicelib.amm.meteora_damm_v2 import DammV2Pool, swap
from chalicelib.amm.q64 import ONE
from chalicelib.amm.swaps import Exact, Swap
from chalicelib.routing.ranges import in_for_out, out_for_in, total_in, total_out
from chalicelib.routing.rate_limited import rate_limited
from tests.unit.routing.markets import NOW_S

MODEL_ERROR = 1e-11
AMOUNTS = [10**8, 10**9, 3 * 10**9, 10**10, 10**11, 10**12]
LIMITER = RateLimiterFee(10_000_000, 100, 3600, 5000, 10**9)


def a_pool(control: int, max_fee_numerator: int = 990_000_000) -> DammV2Pool:
    """Return a pool whose dynamic fee grows with its control: 0.015 % for 956, 1.6 % for 100,000."""
    parameters = DynamicFeeParameters(1, ONE // 10_000, control, 14_460_000, 10, 120, 5_000)
    return DammV2Pool(
        ConcentratedCurve(ONE, 10**14 * ONE, 4_295_048_016, 79_226_673_521_066_979_257_578_248_091),
        DammV2Fees(LIMITER, DammCollectFeeMode.ONLY_B, max_fee_numerator=max_fee_numerator),
        DynamicFee(parameters, 4_000_000, 0, ONE, NOW_S),
        activation_point=NOW_S - 10,
    )


@pytest.mark.parametrize("amount", AMOUNTS)
@pytest.mark.parametrize("control", [0, 956, 7_500, 100_000])
def test_curve_bounds_an_exact_input(control: int, amount: int) -> None:
    pool = a_pool(control)
    promised = out_for_in(rate_limited(pool, LIMITER, float(amount), inf), float(amount))
    assert promised is not None
    paid = swap(pool, Swap(Exact.IN, amount, 1, NOW_S))[0].amount_out
    assert paid <= promised * (1 + MODEL_ERROR)
    assert paid == pytest.approx(promised, rel=1e-7)


@pytest.mark.parametrize("amount", AMOUNTS)
@pytest.mark.parametrize("control", [0, 956, 7_500, 100_000])
def test_curve_bounds_an_exact_output_whose_rate_is_that_of_less(control: int, amount: int) -> None:
    pool = a_pool(control)
    demanded = in_for_out(rate_limited(pool, LIMITER, inf, float(amount)), float(amount))
    assert demanded is not None
    taken = swap(pool, Swap(Exact.OUT, amount, 1, NOW_S))[0].amount_in
    assert taken >= demanded * (1 - MODEL_ERROR)
    assert taken == pytest.approx(demanded, rel=1e-3)


@pytest.mark.parametrize("amount", AMOUNTS)
@pytest.mark.parametrize("cap", [100_000_000, 300_000_000, 500_000_000])
def test_curve_bounds_an_exact_output_beyond_the_cap(cap: int, amount: int) -> None:
    pool = a_pool(100_000, cap)
    demanded = in_for_out(rate_limited(pool, LIMITER, inf, float(amount)), float(amount))
    assert demanded is not None
    taken = swap(pool, Swap(Exact.OUT, amount, 1, NOW_S))[0].amount_in
    assert taken >= demanded * (1 - MODEL_ERROR)


def test_rates_that_reach_everything_together_end_no_curve() -> None:
    pool = a_pool(4_000_000)
    assert total_out(rate_limited(pool, LIMITER, inf, 1e12)) >= 1e12


@pytest.mark.parametrize("control", [0, 7_500])
def test_no_more_is_read_than_asked_for(control: int) -> None:
    pool = a_pool(control)
    whole = rate_limited(pool, LIMITER, inf, inf)
    some = rate_limited(pool, LIMITER, inf, 1e10)
    assert 1e10 <= total_out(some) < total_out(whole)
    assert some == whole[: len(some)]
    assert total_in(rate_limited(pool, LIMITER, 1e10, inf)) >= 1e10


@pytest.mark.parametrize("control", [0, 7_500, 100_000])
def test_every_range_is_dearer_than_the_one_before(control: int) -> None:
    ranges = rate_limited(a_pool(control), LIMITER, inf, inf)
    assert all(part.start > part.end for part in ranges)
    for one, other in pairwise(ranges):
        assert one.end >= other.start * (1 - MODEL_ERROR)


def test_pool_without_liquidity_offers_nothing() -> None:
    pool = a_pool(0)
    for curve in (ConcentratedCurve(ONE, 0, 1, 2 * ONE), CompoundingCurve(1, 1)):
        assert not rate_limited(DammV2Pool(curve, pool.fees), LIMITER, inf, inf)
