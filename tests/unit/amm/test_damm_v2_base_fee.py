from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.amm.damm_v2_base_fee import MarketCapFee, RateLimiterFee, Trade
from chalicelib.amm.damm_v2_curve import ConcentratedCurve
from chalicelib.amm.damm_v2_fee import DammCollectFeeMode, DammV2Fees, SchedulerMode
from chalicelib.amm.meteora_damm_v2 import DammV2Pool, swap
from chalicelib.amm.swaps import Exact, Swap

Q = 1 << 64
OPENED = 1000
LIMITER = RateLimiterFee(
    10_000_000, increment_bps=100, duration=3600, max_fee_bps=5000, reference_amount=10**9
)
SCHEDULE = MarketCapFee(500_000_000, 10, 100, 3600, 40_000_000, SchedulerMode.LINEAR, Q)
CURVE = ConcentratedCurve(Q, 10**12 * Q, 4_295_048_016, 79_226_673_521_066_979_257_578_248_091)


def a_purchase(amount: int, *, is_net: bool = False) -> Trade:
    return Trade(1, amount, is_net=is_net, sqrt_price=0)


@pytest.mark.parametrize(
    ("amount", "fee"),
    [
        (10**9, 10_000_000),  # 1 %
        (2 * 10**9, 30_000_000),  # 1 % of the first, 2 % of the second
        (25 * 10**8, 45_000_000),  # half of the third at 3 %
        (60 * 10**9, 10_000_000 * (50 * 51 // 2) + 10 * 500_000_000),  # 1 to 50 %, the rest at 50 %
    ],
)
def test_each_reference_amount_is_dearer_than_the_one_before(amount: int, fee: int) -> None:
    rate = LIMITER.numerator_at(OPENED, OPENED, a_purchase(amount))
    assert -(-amount * rate // 10**9) == pytest.approx(fee, abs=60)
    assert -(-amount * rate // 10**9) >= fee


@pytest.mark.parametrize(
    ("point", "token_in", "is_limited"),
    [(999, 1, False), (1000, 1, True), (4600, 1, True), (4601, 1, False), (1000, 0, False)],
)
def test_limiter_is_for_purchases_of_a_while_it_lasts(point: int, token_in: int, *, is_limited: bool) -> None:
    assert LIMITER.applies(point, OPENED, token_in) == is_limited  # type: ignore[arg-type]  # 0 or 1
    trade = Trade(token_in, 5 * 10**9, is_net=False, sqrt_price=0)  # type: ignore[arg-type]  # 0 or 1
    assert (LIMITER.numerator_at(point, OPENED, trade) > LIMITER.cliff_fee_numerator) == is_limited


def test_limiter_of_all_zeros_never_applies() -> None:
    assert not RateLimiterFee(10_000_000, 0, 0, 0, 0).applies(OPENED, OPENED, 1)


@settings(deadline=None, database=None)
@given(st.integers(1, 10**12))
def test_net_and_gross_amounts_find_the_same_fee(gross: int) -> None:
    rate = LIMITER.numerator_at(OPENED, OPENED, a_purchase(gross))
    net = gross - -(-gross * rate // 10**9)
    if net <= 0:
        return
    back = LIMITER.numerator_at(OPENED, OPENED, a_purchase(net, is_net=True))
    # Both averages are rounded up to parts per 10^9, which the amounts make units of.
    assert abs(back - rate) <= 2 + 2 * 10**9 // gross + 1


@pytest.mark.parametrize(
    ("sqrt_price", "point", "numerator"),
    [
        (Q // 2, OPENED, 500_000_000),
        (Q, OPENED, 500_000_000),
        (Q * 101 // 100 - 1, OPENED, 500_000_000),
        (Q * 101 // 100 + 1, OPENED, 460_000_000),
        (Q * 2, OPENED, 100_000_000),
        (Q, OPENED + 3600, 500_000_000),
        (Q, OPENED + 3601, 100_000_000),
        (Q, OPENED - 1, 100_000_000),
    ],
)
def test_market_cap_fee_falls_as_the_price_rises(sqrt_price: int, point: int, numerator: int) -> None:
    trade = Trade(0, 1, is_net=False, sqrt_price=sqrt_price)
    assert SCHEDULE.numerator_at(point, OPENED, trade) == numerator


def test_market_cap_fee_may_fall_by_shares() -> None:
    falling = replace(SCHEDULE, reduction_factor=1000, mode=SchedulerMode.EXPONENTIAL)
    trade = Trade(0, 1, is_net=False, sqrt_price=Q * 103 // 100)
    assert falling.numerator_at(OPENED, OPENED, trade) in {364_499_999, 405_000_000}


def test_pool_charges_a_large_purchase_more_than_two_small_ones() -> None:
    fees = DammV2Fees(LIMITER, DammCollectFeeMode.ONLY_B)
    pool = DammV2Pool(CURVE, fees, activation_point=OPENED)
    small, after = swap(pool, Swap(Exact.IN, 10**9, 1, OPENED))
    again, _ = swap(after, Swap(Exact.IN, 10**9, 1, OPENED))
    large, _ = swap(pool, Swap(Exact.IN, 2 * 10**9, 1, OPENED))
    assert (small.trade_fee, again.trade_fee, large.trade_fee) == (10_000_000, 10_000_000, 30_000_000)
    sold, _ = swap(pool, Swap(Exact.IN, 2 * 10**9, 0, OPENED))
    assert sold.trade_fee == -(-(sold.amount_out + sold.trade_fee) // 100)


def test_exact_out_under_the_limiter_costs_what_exact_in_of_it_buys() -> None:
    pool = DammV2Pool(CURVE, DammV2Fees(LIMITER, DammCollectFeeMode.ONLY_B), activation_point=OPENED)
    bought, _ = swap(pool, Swap(Exact.OUT, 5 * 10**9, 1, OPENED))
    back, _ = swap(pool, Swap(Exact.IN, bought.amount_in, 1, OPENED))
    assert back.amount_out == pytest.approx(5 * 10**9, abs=20)
