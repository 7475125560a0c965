import pytest

from chalicelib.amm.raydium_cpmm import (
    CpmmFees,
    CpmmPool,
    CreatorFeeOn,
    marginal_out_per_in,
    spot_price,
    swap,
)
from chalicelib.amm.swaps import U64_MAX, Exact, Refusal, Swap, SwapRefusedError, SwapResult, TokenIndex

X, Y = 10**12, 150 * 10**9


def a_pool(
    trade: int = 2500,
    creator: int = 0,
    on: CreatorFeeOn = CreatorFeeOn.BOTH,
    reserves: tuple[int, int] = (X, Y),
    open_time_s: int = 0,
) -> CpmmPool:
    return CpmmPool(*reserves, CpmmFees(trade, 120_000, 40_000, creator, on), open_time_s)


def exact_in(amount: int, token_in: TokenIndex = 0) -> Swap:
    return Swap(Exact.IN, amount, token_in)


def exact_out(amount: int, token_in: TokenIndex = 0) -> Swap:
    return Swap(Exact.OUT, amount, token_in)


def refusal_of(pool: CpmmPool, request: Swap) -> Refusal:
    with pytest.raises(SwapRefusedError) as refused:
        swap(pool, request)
    return refused.value.refusal


@pytest.mark.parametrize(
    ("pool", "request_", "expected"),
    [
        pytest.param(
            a_pool(), exact_in(10**9), (10**9, 149_475_897, 2_500_000, 300_000, 100_000, 0), id="C1 exact in"
        ),
        pytest.param(
            a_pool(10_000),
            exact_in(123_456_789, 1),
            (123_456_789, 814_151_424, 1_234_568, 148_148, 49_382, 0),
            id="C2 other direction",
        ),
        pytest.param(
            a_pool(), exact_out(10**6), (6_683_421, 10**6, 16_709, 2_005, 668, 0), id="C3 exact out"
        ),
        pytest.param(
            a_pool(creator=5000),
            exact_in(1_000_000_007),
            (1_000_000_007, 148_727_388, 2_500_001, 300_000, 100_000, 5_000_000),
            id="C4 creator fee on input",
        ),
        pytest.param(
            a_pool(creator=5000, on=CreatorFeeOn.ONLY_1),
            exact_in(1_000_000_007),
            (1_000_000_007, 148_728_518, 2_500_001, 300_000, 100_000, 747_380),
            id="C5 creator fee on output",
        ),
        pytest.param(
            a_pool(40_000, 5000),
            exact_out(333_333_333, 1),
            (52_373_480, 333_333_333, 2_094_940, 251_392, 83_797, 261_867),
            id="C6 exact out, creator fee on input",
        ),
        pytest.param(a_pool(), exact_in(10), (10, 1, 1, 0, 0, 0), id="C8 least that pays"),
    ],
)
def test_swap_moves_what_the_program_moves(pool: CpmmPool, request_: Swap, expected: tuple[int, ...]) -> None:
    result, _ = swap(pool, request_)
    assert _amounts(result) == expected


def _amounts(result: SwapResult) -> tuple[int, ...]:
    return (
        result.amount_in,
        result.amount_out,
        result.trade_fee,
        result.protocol_fee,
        result.fund_fee,
        result.creator_fee,
    )


def test_lp_fee_stays_in_the_reserves_and_other_fees_leave_them() -> None:
    _, after = swap(a_pool(creator=5000), exact_in(1_000_000_007))
    assert after == a_pool(creator=5000, reserves=(X + 1_000_000_007 - 5_400_000, Y - 148_727_388))


def test_creator_fee_on_output_leaves_the_reserve_of_the_output() -> None:
    pool = a_pool(creator=5000, on=CreatorFeeOn.ONLY_1)
    result, after = swap(pool, exact_in(1_000_000_007))
    assert result.creator_fee_token == 1
    assert (after.reserve_0, after.reserve_1) == (X + 1_000_000_007 - 400_000, Y - 148_728_518 - 747_380)


@pytest.mark.parametrize(
    ("on", "token_in", "expected"),
    [
        (CreatorFeeOn.BOTH, 0, 0),
        (CreatorFeeOn.BOTH, 1, 1),
        (CreatorFeeOn.ONLY_0, 0, 0),
        (CreatorFeeOn.ONLY_0, 1, 0),
        (CreatorFeeOn.ONLY_1, 0, 1),
        (CreatorFeeOn.ONLY_1, 1, 1),
    ],
)
def test_creator_fee_is_taken_in_the_configured_token(
    on: CreatorFeeOn, token_in: TokenIndex, expected: int
) -> None:
    result, _ = swap(a_pool(creator=5000, on=on), exact_in(10**9, token_in))
    assert (result.creator_fee_token, result.creator_fee > 0) == (expected, True)


def test_amount_that_buys_nothing_is_refused() -> None:
    assert refusal_of(a_pool(), exact_in(6)) is Refusal.ZERO_OUTPUT  # C7
    assert refusal_of(a_pool(), exact_in(1)) is Refusal.ZERO_OUTPUT  # the fee takes it all


def test_pool_without_any_fee_rate_is_refused_as_the_program_divides_by_it() -> None:
    assert refusal_of(a_pool(trade=0), exact_in(10**9)) is Refusal.ZERO_OUTPUT
    swap(a_pool(trade=0, on=CreatorFeeOn.ONLY_1), exact_in(10**9))
    swap(a_pool(trade=100, creator=100), exact_in(10**9))


def test_buying_a_whole_reserve_is_refused_and_all_but_one_unit_is_not() -> None:
    pool = a_pool(reserves=(10**6, 10**6))
    assert refusal_of(pool, exact_out(10**6)) is Refusal.INSUFFICIENT_LIQUIDITY
    assert swap(pool, exact_out(10**6 - 1))[1].reserve_1 == 1


def test_vault_beyond_u64_is_refused() -> None:
    pool = a_pool(reserves=(U64_MAX - 10**9, Y))
    swap(pool, exact_in(10**9))
    assert refusal_of(pool, exact_in(10**9 + 1)) is Refusal.INSUFFICIENT_LIQUIDITY
    assert refusal_of(pool, exact_out(Y // 2)) is Refusal.INSUFFICIENT_LIQUIDITY


def test_pool_refuses_until_it_opens() -> None:
    pool = a_pool(open_time_s=1000)
    assert refusal_of(pool, Swap(Exact.IN, 10**9, 0, 999)) is Refusal.NOT_OPEN
    assert swap(pool, Swap(Exact.IN, 10**9, 0, 1000))[1].open_time_s == 1000


@pytest.mark.parametrize("amount", [0, -1, U64_MAX + 1])
def test_amount_that_no_instruction_can_carry_is_an_error(amount: int) -> None:
    with pytest.raises(ValueError, match="amount must be"):
        exact_in(amount)


def test_prices_are_exact_and_after_all_fees() -> None:
    assert spot_price(a_pool()) == (Y, X)
    out, paid = marginal_out_per_in(a_pool(creator=5000), 1, 0)
    assert out * Y * 10_000 == paid * X * 9_925
    out, paid = marginal_out_per_in(a_pool(creator=5000, on=CreatorFeeOn.ONLY_1), 0, 0)
    assert out * X * 400 * 200 == paid * Y * 399 * 199
