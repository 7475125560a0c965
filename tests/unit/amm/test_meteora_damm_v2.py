from dataclasses import replace

import pytest

from chalicelib.amm.activation import ActivationType
from chalicelib.amm.damm_v2_base_fee import RateLimiterFee
from chalicelib.amm.damm_v2_curve import CompoundingCurve, ConcentratedCurve
from chalicelib.amm.damm_v2_fee import (
    MAX_FEE_NUMERATOR_V0,
    BaseFee,
    DammCollectFeeMode,
    DammV2Fees,
    DynamicFee,
    DynamicFeeParameters,
    SchedulerMode,
)
from chalicelib.amm.meteora_damm_v2 import DammV2Pool, marginal_out_per_in, reserves, spot_price, swap
from chalicelib.amm.swaps import U64_MAX, Exact, Refusal, Swap, SwapRefusedError, TokenIndex

Q = 1 << 64
FULL_RANGE = ConcentratedCurve(Q, 10**12 * Q, 4_295_048_016, 79_226_673_521_066_979_257_578_248_091)
BOTH = DammV2Fees(BaseFee(2_500_000), DammCollectFeeMode.BOTH)
ONLY_B = replace(BOTH, collect_fee_mode=DammCollectFeeMode.ONLY_B)
COMPOUNDING = DammV2Fees(BaseFee(2_500_000), DammCollectFeeMode.COMPOUNDING, compounding_fee_bps=5000)
POOL = DammV2Pool(FULL_RANGE, BOTH)


def exact_in(amount: int, token_in: TokenIndex = 0, timestamp_s: int = 0) -> Swap:
    return Swap(Exact.IN, amount, token_in, timestamp_s)


def exact_out(amount: int, token_in: TokenIndex = 0) -> Swap:
    return Swap(Exact.OUT, amount, token_in)


def refusal_of(pool: DammV2Pool, request: Swap) -> Refusal:
    with pytest.raises(SwapRefusedError) as refused:
        swap(pool, request)
    return refused.value.refusal


def test_exact_in_with_fee_on_output() -> None:  # D1
    result, after = swap(POOL, exact_in(10**9))
    assert (result.amount_out, result.trade_fee, result.protocol_fee) == (996_503_496, 2_497_503, 499_500)
    assert (result.fee_token, result.lp_fee_outside) == (1, 1_998_003)
    assert after.curve.sqrt_price == 18428315757951600016


def test_exact_in_with_fee_on_input() -> None:  # D2
    result, after = swap(replace(POOL, fees=ONLY_B), exact_in(10**9, token_in=1))
    assert (result.amount_out, result.trade_fee, result.fee_token) == (996_505_985, 2_500_000, 1)
    assert after.curve.sqrt_price == 18465144700923076893


def test_exact_out_takes_the_least_input_that_pays_for_it() -> None:  # D3
    result, after = swap(POOL, exact_out(10**6))
    assert (result.amount_in, result.amount_out, result.trade_fee) == (1_002_509, 10**6, 2_507)
    assert after.curve.sqrt_price == 18446725580719490513


@pytest.mark.parametrize(
    ("mode", "token_in", "fee_token"),
    [
        (DammCollectFeeMode.BOTH, 0, 1),
        (DammCollectFeeMode.BOTH, 1, 0),
        (DammCollectFeeMode.ONLY_B, 0, 1),
        (DammCollectFeeMode.ONLY_B, 1, 1),
        (DammCollectFeeMode.COMPOUNDING, 0, 1),
        (DammCollectFeeMode.COMPOUNDING, 1, 1),
    ],
)
def test_fee_is_taken_in_the_configured_token(
    mode: DammCollectFeeMode, token_in: TokenIndex, fee_token: int
) -> None:
    pool = replace(POOL, fees=replace(BOTH, collect_fee_mode=mode))
    assert swap(pool, exact_in(10**9, token_in))[0].fee_token == fee_token


def a_dynamic_fee(**state: int) -> DynamicFee:
    parameters = DynamicFeeParameters(1, 1_844_674_407_370_955, 956, 14_460_000, 10, 120, 5000)
    remembered = {
        "volatility_accumulator": 0,
        "volatility_reference": 0,
        "sqrt_price_reference": Q,
        "last_update_timestamp": 0,
    }
    return DynamicFee(parameters, **(remembered | state))


def test_dynamic_fee_follows_the_move_of_the_swap_before() -> None:  # D4
    moved, after = swap(replace(POOL, dynamic_fee=a_dynamic_fee()), exact_in(2 * 10**10, timestamp_s=1))
    assert (moved.amount_out, moved.trade_fee) == (19_558_823_529, 49_019_608)
    assert after.dynamic_fee is not None
    assert after.dynamic_fee.volatility_accumulator == 4_000_000
    assert after.fees.numerator_at(1, 0, after.dynamic_fee) == 2_652_960

    dearer, last = swap(after, exact_in(10**9, timestamp_s=2))
    assert (dearer.amount_out, dearer.trade_fee) == (957_679_936, 2_547_445)
    assert last.fees.numerator_at(2, 0, last.dynamic_fee) == 2_668_639


@pytest.mark.parametrize(
    ("timestamp_s", "volatility_reference", "sqrt_price_reference"),
    [(109, 7, Q + 5), (110, 500, Q), (219, 500, Q), (220, 0, Q), (50, 7, Q + 5)],
)
def test_dynamic_fee_forgets_with_time(
    timestamp_s: int, volatility_reference: int, sqrt_price_reference: int
) -> None:
    dynamic_fee = a_dynamic_fee(
        volatility_accumulator=1000,
        volatility_reference=7,
        sqrt_price_reference=Q + 5,
        last_update_timestamp=100,
    )
    _, after = swap(replace(POOL, dynamic_fee=dynamic_fee), exact_in(1000, timestamp_s=timestamp_s))
    assert after.dynamic_fee == replace(
        dynamic_fee,
        volatility_accumulator=volatility_reference,
        volatility_reference=volatility_reference,
        sqrt_price_reference=sqrt_price_reference,
    )


def test_compounding_share_joins_the_reserve_of_b() -> None:  # D5
    pool = DammV2Pool(CompoundingCurve(10**12, 150 * 10**9), COMPOUNDING)
    sold, after = swap(pool, exact_in(10**9))
    assert (sold.amount_out, sold.trade_fee, sold.protocol_fee) == (149_475_523, 374_626, 74_925)
    assert sold.trade_fee - sold.protocol_fee - sold.lp_fee_outside == 149_850
    assert reserves(after) == (10**12 + 10**9, 149_850_299_701)

    bought, _ = swap(pool, exact_in(10**9, token_in=1))
    assert (bought.amount_out, bought.trade_fee) == (6_606_069_636, 2_500_000)


@pytest.mark.parametrize(
    ("base", "passed_s", "numerator"),
    [
        (BaseFee(500_000_000, 120, 1, 4_000_000), 0, 500_000_000),
        (BaseFee(500_000_000, 120, 1, 4_000_000), 60, 260_000_000),
        (BaseFee(500_000_000, 120, 1, 4_000_000), 120, 20_000_000),
        (BaseFee(500_000_000, 120, 1, 4_000_000), 10**6, 20_000_000),
        (BaseFee(500_000_000, 120, 1, 4_000_000), -1, 20_000_000),
        (BaseFee(500_000_000, 120, 60, 4_000_000), 3659, 260_000_000),
        (BaseFee(500_000_000, 120, 1, 400, SchedulerMode.EXPONENTIAL), 1, 480_000_000),
        (BaseFee(500_000_000, 120, 1, 400, SchedulerMode.EXPONENTIAL), 60, 43_176_157),
        (BaseFee(500_000_000, 120, 1, 400, SchedulerMode.EXPONENTIAL), 120, 3_728_361),
        (BaseFee(2_500_000), 10**6, 2_500_000),
    ],
)
def test_base_fee_falls_with_time_since_activation(
    base: BaseFee, passed_s: int, numerator: int
) -> None:  # D6
    assert base.numerator_at(1_700_000_000 + passed_s, 1_700_000_000) == numerator


def test_total_fee_is_capped() -> None:
    fees = replace(BOTH, base=BaseFee(600_000_000), max_fee_numerator=MAX_FEE_NUMERATOR_V0)
    assert swap(replace(POOL, fees=fees), exact_out(1000))[0].trade_fee == 1000


def test_price_leaving_the_range_is_refused() -> None:
    narrow = replace(POOL, curve=ConcentratedCurve(Q, 10**12 * Q, Q - Q // 1000, Q + Q // 1000))
    payable_a, payable_b = reserves(narrow)
    assert (payable_a, payable_b) == (999_000_999, 999_999_999)
    for token_in in (0, 1):
        assert refusal_of(narrow, exact_in(2 * 10**9, token_in)) is Refusal.INSUFFICIENT_LIQUIDITY
        assert refusal_of(narrow, exact_out(10**9, token_in)) is Refusal.INSUFFICIENT_LIQUIDITY
        assert refusal_of(narrow, exact_out(10**13, token_in)) is Refusal.INSUFFICIENT_LIQUIDITY


def test_amount_beyond_u64_is_refused() -> None:
    dear = replace(POOL, curve=replace(FULL_RANGE, sqrt_price=2**95, liquidity=2**110))
    assert refusal_of(dear, exact_in(U64_MAX)) is Refusal.INSUFFICIENT_LIQUIDITY
    assert refusal_of(POOL, exact_out(U64_MAX)) is Refusal.INSUFFICIENT_LIQUIDITY
    full = DammV2Pool(CompoundingCurve(U64_MAX - 10, 10**9), COMPOUNDING)
    assert refusal_of(full, exact_in(11)) is Refusal.INSUFFICIENT_LIQUIDITY
    assert refusal_of(full, exact_out(10**9, token_in=0)) is Refusal.INSUFFICIENT_LIQUIDITY


def test_amount_that_buys_nothing_is_refused() -> None:
    assert refusal_of(POOL, exact_in(1)) is Refusal.ZERO_OUTPUT


def test_pool_refuses_until_it_is_activated() -> None:
    pool = replace(POOL, activation_point=1000)
    assert refusal_of(pool, exact_in(10**9, timestamp_s=999)) is Refusal.NOT_OPEN
    assert swap(pool, exact_in(10**9, timestamp_s=1000))[1].activation_point == 1000


def test_pool_that_opens_at_a_slot_looks_at_no_clock() -> None:
    pool = replace(POOL, activation_point=430_000_000, activation_type=ActivationType.SLOT)
    late = 1_790_000_000  # as a time this is long past any such slot
    assert refusal_of(pool, exact_in(10**9, timestamp_s=late)) is Refusal.NOT_OPEN
    early = Swap(Exact.IN, 10**9, 0, late, slot=429_999_999)
    assert refusal_of(pool, early) is Refusal.NOT_OPEN
    opened = Swap(Exact.IN, 10**9, 0, 0, slot=430_000_000)
    assert swap(pool, opened)[1].activation_type is ActivationType.SLOT


def test_fee_schedule_of_a_pool_that_opens_at_a_slot_counts_slots() -> None:
    falling = BaseFee(500_000_000, number_of_period=10, period_frequency=100, reduction_factor=40_000_000)
    pool = replace(
        POOL,
        fees=replace(BOTH, base=falling),
        activation_point=1000,
        activation_type=ActivationType.SLOT,
    )
    for slot, rate in [(1000, 500_000_000), (1099, 500_000_000), (1300, 380_000_000), (9999, 100_000_000)]:
        assert pool.fee_numerator_at(1_790_000_000, slot, 0) == rate
        result, _ = swap(pool, Swap(Exact.IN, 10**9, 0, 1_790_000_000, slot))
        assert result.trade_fee == -(-(result.amount_out + result.trade_fee) * rate // 10**9)
        out, paid = marginal_out_per_in(pool, 0, 1_790_000_000, slot)
        assert out * 10**9 == paid * (10**9 - rate)
        wanted, _ = swap(pool, Swap(Exact.OUT, result.amount_out, 0, 1_790_000_000, slot))
        assert abs(wanted.trade_fee - result.trade_fee) <= 1


@pytest.mark.parametrize("mode", Exact)
@pytest.mark.parametrize("counted", ActivationType)
def test_pool_opens_at_the_point_that_its_type_counts(mode: Exact, counted: ActivationType) -> None:
    at = {ActivationType.SLOT: 700, ActivationType.TIMESTAMP: 1_790_000_000}[counted]
    for later, is_open in ((-1, True), (0, True), (1, False)):
        pool = replace(POOL, activation_point=at + later, activation_type=counted)
        request = Swap(mode, 10**6, 0, 1_790_000_000, 700)
        assert pool.is_open_at(1_790_000_000, 700) == is_open
        if is_open:
            assert swap(pool, request)[1].activation_point == at + later
        else:
            assert refusal_of(pool, request) is Refusal.NOT_OPEN


@pytest.mark.parametrize("mode", list(DammCollectFeeMode)[:2])
def test_fee_that_grows_with_the_amount_is_of_the_whole_swap_in_both_modes(mode: DammCollectFeeMode) -> None:
    pool = replace(POOL, fees=DammV2Fees(RateLimiterFee(10_000_000, 100, 3_600, 5_000, 10**6), mode))
    shares = []
    for amount in (10**6, 10**7, 10**8):
        given, _ = swap(pool, exact_in(amount, token_in=1))
        wanted, _ = swap(pool, exact_out(given.amount_out, token_in=1))
        assert abs(wanted.amount_in - amount) <= amount // 10**4 + 3  # of what goes in, or of what comes out
        whole = given.amount_in if mode is DammCollectFeeMode.ONLY_B else given.amount_out + given.trade_fee
        shares.append(given.trade_fee * 100 // whole)
    assert shares == sorted(set(shares)), "the more is bought, the greater the fee's part"


def test_prices_are_exact_and_after_fees() -> None:
    assert spot_price(POOL) == (Q * Q, Q * Q)
    assert spot_price(DammV2Pool(CompoundingCurve(3, 7), COMPOUNDING)) == (7, 3)
    out, paid = marginal_out_per_in(POOL, 0, 0)
    assert out * 400 == paid * 399
    drained = DammV2Pool(CompoundingCurve(3, 0), COMPOUNDING)
    assert marginal_out_per_in(drained, 0, 0) == (0, 1)
    at_the_bottom = replace(POOL, curve=replace(FULL_RANGE, sqrt_min_price=Q))
    assert marginal_out_per_in(at_the_bottom, 0, 0) == (0, 1)
    assert marginal_out_per_in(at_the_bottom, 1, 0) == (Q * Q * 997_500_000, Q * Q * 10**9)
