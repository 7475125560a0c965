from dataclasses import replace

import pytest

from chalicelib.amm.clmm_tick import (
    TICK_MAX,
    sqrt_price_at,
    tick_at,
)
from chalicelib.amm.raydium_clmm import (
    ClmmFees,
    ClmmPool,
    Tick,
    marginal_out_per_in,
    reserves,
    spot_price,
    swap,
)
from chalicelib.amm.swaps import U64_MAX, Exact, Refusal, Swap, SwapRefusedError, TokenIndex

# The scenario of the program's own `zero_for_one_base_input_test`.
START = 3651942632306380802
TICKS = (
    Tick(-32640, -1492054447712),
    Tick(-32580, 128451145459),
    Tick(-32520, 790917615645),
    Tick(-32460, 536061033698),
    Tick(-32400, -277065331032),
)
POOL = ClmmPool(START, tick_at(START), 5124165121219, TICKS, ClmmFees(2500, 120_000, 40_000))
# One range around price 1, and a second one further up with a gap between.
GAPPED = ClmmPool(
    1 << 64,
    0,
    10**12,
    (Tick(-100, 10**12), Tick(100, -(10**12)), Tick(200, 10**12), Tick(300, -(10**12))),
    ClmmFees(2500, 120_000, 40_000),
)


def exact_in(amount: int, token_in: TokenIndex = 0) -> Swap:
    return Swap(Exact.IN, amount, token_in)


def exact_out(amount: int, token_in: TokenIndex = 0) -> Swap:
    return Swap(Exact.OUT, amount, token_in)


def refusal_of(pool: ClmmPool, request: Swap) -> Refusal:
    with pytest.raises(SwapRefusedError) as refused:
        swap(pool, request)
    return refused.value.refusal


def test_exact_in_crosses_ticks_as_the_program_does() -> None:  # L1 to L3, one after the other
    pool, seen = POOL, []
    for amount in (12_188_240_002, 121_882_400_020, 60_941_200_010):
        result, pool = swap(pool, exact_in(amount))
        assert pool.tick_current == tick_at(pool.sqrt_price)
        fees = (result.lp_fee_outside, result.protocol_fee, result.fund_fee)
        seen.append((result.amount_in, result.amount_out, fees, pool.sqrt_price, pool.liquidity))
    assert seen[0] == (
        12_188_240_002,
        476_277_347,
        (25_595_307, 3_656_471, 1_218_823),
        3650261619901422225,
        5401230452251,
    )
    assert seen[1] == (
        121_882_400_020,
        4_739_192_212,
        (255_953_042, 36_564_720, 12_188_239),
        3633429068250343123,
        4865169418553,
    )
    assert (seen[2][1], seen[2][3], seen[2][4]) == (2_352_322_011, 3623629910596704718, 4074251802908)


def test_exact_out_adds_the_fee_to_the_input() -> None:  # L4
    result, after = swap(POOL, exact_out(10**6))
    assert (result.amount_in, result.amount_out) == (25_578_736, 10**6)
    assert (result.lp_fee_outside, result.protocol_fee, result.fund_fee) == (53_717, 7_673, 2_557)
    assert after.sqrt_price == 3651939032355240015


def test_falling_onto_a_tick_leaves_the_current_tick_below_it() -> None:
    _, after = swap(GAPPED, exact_out(reserves(GAPPED)[1]))
    assert after.sqrt_price == sqrt_price_at(-100)
    assert (after.tick_current, after.liquidity) == (-101, 0)


def test_price_jumps_over_a_gap_without_liquidity() -> None:
    up, after = swap(GAPPED, exact_in(6 * 10**9, token_in=1))
    assert 200 <= after.tick_current < 300
    assert after.liquidity == 10**12
    assert up.amount_out > 0


def test_crossing_back_restores_the_liquidity() -> None:
    up, above = swap(GAPPED, exact_in(6 * 10**9, token_in=1))
    _, back = swap(above, exact_in(up.amount_out))
    assert (back.liquidity, back.ticks) == (GAPPED.liquidity, GAPPED.ticks)


def test_running_out_of_ticks_is_refused() -> None:
    payable = reserves(GAPPED)
    directions: tuple[tuple[TokenIndex, int], ...] = ((0, payable[1]), (1, payable[0]))
    for token_in, payable_out in directions:
        assert refusal_of(GAPPED, exact_in(10**11, token_in)) is Refusal.INSUFFICIENT_LIQUIDITY
        assert refusal_of(GAPPED, exact_out(payable_out + 1, token_in)) is Refusal.INSUFFICIENT_LIQUIDITY
        assert swap(GAPPED, exact_out(payable_out, token_in))[0].amount_out == payable_out


def test_price_never_passes_the_ends_of_the_scale() -> None:
    whole = replace(GAPPED, ticks=(Tick(-TICK_MAX, 10**12), Tick(TICK_MAX, -(10**12))), liquidity=10)
    for token_in in (0, 1):
        assert refusal_of(whole, exact_in(U64_MAX, token_in)) is Refusal.INSUFFICIENT_LIQUIDITY


def test_amount_that_buys_nothing_is_refused() -> None:
    assert refusal_of(GAPPED, exact_in(2)) is Refusal.ZERO_OUTPUT
    assert swap(GAPPED, exact_in(3))[0].amount_out == 1


def test_liquidity_that_would_turn_negative_is_refused() -> None:
    broken = replace(GAPPED, ticks=(Tick(-200, 0), Tick(-100, 10**12 + 1)))
    assert refusal_of(broken, exact_in(10**10)) is Refusal.INSUFFICIENT_LIQUIDITY


def test_pool_opens_after_its_opening_second() -> None:
    pool = replace(GAPPED, open_time_s=1000)
    assert refusal_of(pool, Swap(Exact.IN, 10**6, 0, 1000)) is Refusal.NOT_OPEN
    assert swap(pool, Swap(Exact.IN, 10**6, 0, 1001))[1].open_time_s == 1000


def test_prices_are_exact_and_after_fees() -> None:
    assert spot_price(GAPPED) == (2**128, 2**128)
    assert marginal_out_per_in(GAPPED, 0, 0) == (2**128 * 997_500, 2**128 * 10**6)
    in_the_gap = replace(GAPPED, sqrt_price=sqrt_price_at(150), tick_current=150, liquidity=0)
    squared = sqrt_price_at(200) ** 2
    assert marginal_out_per_in(in_the_gap, 1, 0) == (2**128 * 997_500, squared * 10**6)
    squared = sqrt_price_at(100) ** 2
    assert marginal_out_per_in(in_the_gap, 0, 0) == (squared * 997_500, 2**128 * 10**6)
    before_the_gap = replace(GAPPED, sqrt_price=sqrt_price_at(100), tick_current=99)
    squared = sqrt_price_at(200) ** 2
    assert marginal_out_per_in(before_the_gap, 1, 0) == (2**128 * 997_500, squared * 10**6)
    above_the_gap = replace(GAPPED, sqrt_price=sqrt_price_at(200), tick_current=200)
    squared = sqrt_price_at(100) ** 2
    assert marginal_out_per_in(above_the_gap, 0, 0) == (squared * 997_500, 2**128 * 10**6)
    assert marginal_out_per_in(replace(GAPPED, ticks=()), 0, 0) == (0, 1)
