from dataclasses import replace

import pytest

from chalicelib.amm.activation import ActivationType
from chalicelib.amm.dlmm_fee import DlmmCollectFeeMode, DlmmParameters, DlmmVolatility, fee_rate, fee_within
from chalicelib.amm.dlmm_price import bin_price
from chalicelib.amm.meteora_dlmm import Bin, DlmmPool, marginal_out_per_in, reserves, spot_price, swap
from chalicelib.amm.swaps import U64_MAX, Exact, Refusal, Swap, SwapRefusedError, TokenIndex

PARAMETERS = DlmmParameters(
    bin_step=25,
    base_factor=10_000,
    filter_period=30,
    decay_period=600,
    reduction_factor=5000,
    variable_fee_control=7500,
    max_volatility_accumulator=350_000,
    protocol_share_bps=500,
)
POOL = DlmmPool(
    PARAMETERS,
    100,
    (
        Bin(98, 0, 400_000_000),
        Bin(99, 0, 500_000_000),
        Bin(100, 2_000_000_000, 300_000_000),
        Bin(101, 1_500_000_000, 0),
        Bin(102, 1_000_000_000, 0),
    ),
    DlmmVolatility(index_reference=100, last_update_timestamp=1000),
)
ONLY_Y = replace(POOL, parameters=replace(PARAMETERS, collect_fee_mode=DlmmCollectFeeMode.ONLY_Y))


def exact_in(amount: int, token_in: TokenIndex = 0, timestamp_s: int = 1000) -> Swap:
    return Swap(Exact.IN, amount, token_in, timestamp_s)


def exact_out(amount: int, token_in: TokenIndex = 0, timestamp_s: int = 1000) -> Swap:
    return Swap(Exact.OUT, amount, token_in, timestamp_s)


def refusal_of(pool: DlmmPool, request: Swap) -> Refusal:
    with pytest.raises(SwapRefusedError) as refused:
        swap(pool, request)
    return refused.value.refusal


def test_swap_within_a_bin_keeps_fees_out_of_it() -> None:  # M1
    result, after = swap(POOL, exact_in(10**8))
    assert (result.amount_out, result.trade_fee, result.protocol_fee) == (128_041_582, 250_000, 12_500)
    assert (result.fee_token, result.lp_fee_outside) == (0, 237_500)
    assert after.bins[2] == Bin(100, 2_099_750_000, 171_958_418)
    assert after.active_id == 100


def test_swap_across_bins_raises_volatility_and_moves_the_active_bin() -> None:  # M2
    result, after = swap(POOL, exact_in(7 * 10**8))
    assert (result.amount_out, result.trade_fee, result.protocol_fee) == (894_563_524, 1_753_228, 87_660)
    assert after.active_id == 98
    assert after.volatility == DlmmVolatility(20_000, 0, 100, 1000)
    assert after.bins[:3] == (
        Bin(98, 74_037_933, 305_436_476),
        Bin(99, 390_495_701, 0),
        Bin(100, 2_233_713_138, 0),
    )


def test_past_volatility_decays_to_a_reference_and_raises_the_fee() -> None:  # M3
    pool = replace(POOL, volatility=DlmmVolatility(200_000, 0, 100, 900))
    result, after = swap(pool, exact_in(5 * 10**7, token_in=1))
    assert after.volatility.volatility_reference == 100_000
    assert fee_rate(PARAMETERS, after.volatility.volatility_accumulator) == 2_968_750
    assert (result.amount_out, result.trade_fee, result.protocol_fee) == (38_836_549, 148_438, 7_421)


def test_exact_out_adds_the_fee_to_the_input() -> None:  # M4
    result, after = swap(POOL, exact_out(6 * 10**8))
    assert (result.amount_in, result.trade_fee, result.protocol_fee) == (469_184_623, 1_174_064, 58_702)
    assert (after.active_id, after.volatility.volatility_accumulator) == (99, 10_000)


def test_only_y_mode_takes_the_fee_of_a_sale_from_the_output() -> None:  # M5
    result, after = swap(ONLY_Y, exact_in(10**8))
    assert (result.amount_out, result.trade_fee, result.protocol_fee) == (128_041_581, 320_907, 16_045)
    assert result.fee_token == 1
    assert after.bins[2] == Bin(100, 2_100_000_000, 300_000_000 - 128_041_581 - 320_907)


def test_only_y_mode_takes_the_fee_of_a_purchase_from_the_input() -> None:
    assert swap(ONLY_Y, exact_in(10**8, token_in=1))[0] == swap(POOL, exact_in(10**8, token_in=1))[0]


@pytest.mark.parametrize(
    ("timestamp_s", "reference", "index_reference"),
    [(929, 77, 90), (930, 100_000, 100), (1499, 100_000, 100), (1500, 0, 100), (800, 77, 90)],
)
def test_references_follow_the_time_since_the_last_move(
    timestamp_s: int, reference: int, index_reference: int
) -> None:
    pool = replace(POOL, volatility=DlmmVolatility(200_000, 77, 90, 900))
    _, after = swap(pool, exact_in(1000, timestamp_s=timestamp_s))
    assert after.volatility.volatility_reference == reference
    assert after.volatility.index_reference == index_reference


def test_last_update_moves_only_with_the_active_bin() -> None:
    assert swap(POOL, exact_in(10**8, timestamp_s=1010))[1].volatility.last_update_timestamp == 1000
    assert swap(POOL, exact_in(7 * 10**8, timestamp_s=1010))[1].volatility.last_update_timestamp == 1010


def test_fee_rate_is_capped_at_ten_per_cent() -> None:
    assert fee_rate(replace(PARAMETERS, variable_fee_control=10**6), 350_000) == 10**8
    assert fee_rate(replace(PARAMETERS, base_fee_power_factor=1), 0) == 25_000_000


@pytest.mark.parametrize("pool", [POOL, ONLY_Y])
@pytest.mark.parametrize("token_in", [0, 1])
def test_untouched_bins_are_the_same_objects(pool: DlmmPool, token_in: TokenIndex) -> None:
    _, after = swap(pool, exact_in(10**6, token_in))
    changed = [held.bin_id for held, old in zip(after.bins, pool.bins, strict=True) if held is not old]
    assert changed == [100]


def test_absent_and_empty_bins_are_skipped() -> None:
    sparse = replace(POOL, bins=(Bin(90, 0, 10**9), Bin(95, 10**6, 0), Bin(150, 10**9, 0)))
    sold, after = swap(sparse, exact_in(10**6))
    assert (after.active_id, after.bins[1:]) == (90, sparse.bins[1:])
    assert sold.amount_out > 0
    assert swap(sparse, exact_in(10**6, token_in=1))[1].active_id == 150


def test_dust_of_an_exact_out_swap_leaves_the_bin_but_no_fee_has_it() -> None:
    # One X is worth many Y here, so the last unit of X in overpays by up to that many.
    pool = replace(POOL, active_id=2000, bins=(Bin(2000, 0, 10**12),))
    result, after = swap(pool, exact_out(1000))
    assert (result.amount_out, result.protocol_fee) == (1000, 0)
    assert after.bins[0].amount_y == 10**12 - 1000 - result.dust_out
    assert result.dust_out == bin_price(2000, 25) * (result.amount_in - result.trade_fee) // 2**64 - 1000 > 0


def test_dust_of_an_exact_out_swap_with_fees_on_output_pays_the_fee_too() -> None:
    # The program takes the fee from all that the input moves, and only the rest is the protocol's.
    parameters = replace(
        ONLY_Y.parameters, bin_step=400, base_factor=5000, protocol_share_bps=2000, variable_fee_control=0
    )
    pool = replace(
        POOL, parameters=parameters, active_id=107, bins=(Bin(107, 16_299_502_751, 34_590_749_252),)
    )
    result, after = swap(pool, exact_out(11_024_704_964))
    assert (result.amount_in, result.trade_fee) == (169_267_507, 224_993_981)
    assert result.protocol_fee + result.dust_out == 44_998_860
    assert after.bins[0].amount_y == 34_590_749_252 - 11_024_704_964 - result.trade_fee - result.dust_out
    assert result.trade_fee == fee_within(11_024_704_964 + result.trade_fee + result.dust_out, 20_000_000)


def test_running_out_of_bins_is_refused() -> None:
    assert refusal_of(POOL, exact_in(10**10)) is Refusal.INSUFFICIENT_LIQUIDITY
    assert refusal_of(POOL, exact_out(1_200_000_001)) is Refusal.INSUFFICIENT_LIQUIDITY
    assert swap(POOL, exact_out(1_200_000_000))[1].active_id == 98


def test_amount_that_buys_nothing_is_refused() -> None:
    assert refusal_of(POOL, exact_in(1)) is Refusal.ZERO_OUTPUT


def test_bin_beyond_u64_is_refused() -> None:
    full = replace(POOL, bins=(Bin(100, U64_MAX - 997_500, 10**9),))
    assert swap(full, exact_in(10**6))[1].bins[0].amount_x == U64_MAX
    assert refusal_of(full, exact_in(10**6 + 2)) is Refusal.INSUFFICIENT_LIQUIDITY


@pytest.mark.parametrize(
    ("activation_type", "timestamp_s", "slot", "is_open"),
    [
        (ActivationType.TIMESTAMP, 1999, 5000, False),
        (ActivationType.TIMESTAMP, 2000, 0, True),
        (ActivationType.SLOT, 5000, 1999, False),
        (ActivationType.SLOT, 0, 2000, True),
        (ActivationType.SLOT, 5000, 0, False),  # no slot known
    ],
)
def test_pair_refuses_until_its_activation_point(
    activation_type: ActivationType, timestamp_s: int, slot: int, *, is_open: bool
) -> None:
    pool = replace(POOL, activation_point=2000, activation_type=activation_type)
    request = Swap(Exact.IN, 10**6, 0, timestamp_s, slot)
    if is_open:
        assert swap(pool, request)[1].activation_point == 2000
    else:
        assert refusal_of(pool, request) is Refusal.NOT_OPEN


def test_pair_closed_by_its_status_refuses_whatever_the_time() -> None:
    closed = replace(POOL, is_enabled=False)
    assert refusal_of(closed, exact_in(10**6)) is Refusal.NOT_OPEN
    assert refusal_of(closed, exact_out(10**6, token_in=1)) is Refusal.NOT_OPEN


def test_reserves_are_the_sums_over_bins_and_the_price_is_the_active_bins() -> None:
    assert reserves(POOL) == (4_500_000_000, 1_200_000_000)
    assert spot_price(POOL) == (23678699809202413098, 1 << 64)


def test_marginal_price_is_that_of_the_first_bin_with_liquidity() -> None:
    price = bin_price(100, 25)
    assert marginal_out_per_in(POOL, 0, 1000) == (price * 997_500_000, 2**64 * 10**9)
    assert marginal_out_per_in(POOL, 1, 1000) == (2**64 * 997_500_000, price * 10**9)
    assert marginal_out_per_in(replace(POOL, bins=POOL.bins[:2]), 1, 1000) == (0, 1)

    # The active bin holds nothing here, and a bin away volatility has already raised the fee.
    apart = replace(POOL, bins=(Bin(99, 0, 1), Bin(100, 0, 0), Bin(101, 1, 0)))
    kept = 10**9 - fee_rate(PARAMETERS, 10_000)
    assert marginal_out_per_in(apart, 0, 1000) == (bin_price(99, 25) * kept, 2**64 * 10**9)
    assert marginal_out_per_in(apart, 1, 1000) == (2**64 * kept, bin_price(101, 25) * 10**9)
