"""What holds for every pool kind, whatever its state and the swap."""

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from chalicelib.amm import raydium_cpmm
from chalicelib.amm.damm_v2_curve import CompoundingCurve
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.amm.pools import Pool, marginal_out_per_in, reserves, swap
from chalicelib.amm.raydium_clmm import ClmmPool
from chalicelib.amm.raydium_cpmm import CpmmPool
from chalicelib.amm.swaps import (
    U64_MAX,
    U128_MAX,
    Exact,
    Swap,
    SwapRefusedError,
    SwapResult,
    TokenIndex,
)
from tests.unit.amm.pool_strategies import (
    NOW_S,
    clmm_pools,
    cpmm_pools,
    magnitudes,
    pools_of_any_kind,
    requests,
    token_indexes,
)

EXAMPLES = settings(
    max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.filter_too_much]
)
MODERATE_BITS = 44  # so that most swaps fit the pools they meet


def outcome(pool: Pool, request: Swap) -> tuple[SwapResult, Pool] | None:
    try:
        return swap(pool, request)
    except SwapRefusedError:
        return None


def other(token: TokenIndex) -> TokenIndex:
    return 1 if token == 0 else 0


def fees_outside(result: SwapResult, token: TokenIndex) -> int:
    """What the program keeps apart from the tradable reserves, in one token."""
    outside = result.creator_fee if result.creator_fee_token == token else 0
    if result.fee_token == token:
        outside += result.protocol_fee + result.fund_fee + result.lp_fee_outside
    return outside


def moved(reserves_before: tuple[int, int], request: Swap, result: SwapResult) -> tuple[int, int]:
    """The reserves after a swap, from its result alone."""
    token_in, token_out = request.token_in, other(request.token_in)
    after = list(reserves_before)
    after[token_in] += result.amount_in - fees_outside(result, token_in)
    after[token_out] -= result.amount_out + fees_outside(result, token_out) + result.dust_out
    return after[0], after[1]


@EXAMPLES
@given(cpmm_pools(), requests())
def test_product_of_cpmm_reserves_never_falls(pool: CpmmPool, request: Swap) -> None:
    try:
        _, after = raydium_cpmm.swap(pool, request)
    except SwapRefusedError:
        return
    assert after.reserve_0 * after.reserve_1 >= pool.reserve_0 * pool.reserve_1


@EXAMPLES
@given(pools_of_any_kind(MODERATE_BITS), requests(MODERATE_BITS))
def test_swapping_there_and_back_never_profits(pool: Pool, request: Swap) -> None:
    there = outcome(pool, request)
    assume(there is not None)
    assert there is not None
    result, after = there
    back = outcome(after, Swap(Exact.IN, result.amount_out, other(request.token_in), NOW_S))
    assert back is None or back[0].amount_out <= result.amount_in


@EXAMPLES
@given(pools_of_any_kind(MODERATE_BITS), magnitudes(MODERATE_BITS), token_indexes())
def test_buying_back_what_was_sold_never_profits(pool: Pool, amount: int, token_in: TokenIndex) -> None:
    sold = outcome(pool, Swap(Exact.IN, amount, token_in, NOW_S))
    assume(sold is not None)
    assert sold is not None
    bought = outcome(sold[1], Swap(Exact.OUT, amount, other(token_in), NOW_S))
    assert bought is None or bought[0].amount_in >= sold[0].amount_out


@EXAMPLES
@given(
    pools_of_any_kind(MODERATE_BITS), magnitudes(MODERATE_BITS), magnitudes(MODERATE_BITS), token_indexes()
)
def test_more_in_never_buys_less(pool: Pool, amount: int, more: int, token_in: TokenIndex) -> None:
    small = outcome(pool, Swap(Exact.IN, amount, token_in, NOW_S))
    large = outcome(pool, Swap(Exact.IN, amount + more, token_in, NOW_S))
    if small is not None and large is not None:
        assert small[0].amount_out <= large[0].amount_out


@EXAMPLES
@given(
    pools_of_any_kind(MODERATE_BITS), magnitudes(MODERATE_BITS), magnitudes(MODERATE_BITS), token_indexes()
)
def test_more_out_never_costs_less(pool: Pool, amount: int, more: int, token_in: TokenIndex) -> None:
    small = outcome(pool, Swap(Exact.OUT, amount, token_in, NOW_S))
    large = outcome(pool, Swap(Exact.OUT, amount + more, token_in, NOW_S))
    if large is not None:
        assert small is not None
        assert small[0].amount_in <= large[0].amount_in


@EXAMPLES
@given(pools_of_any_kind(), requests())
def test_accepted_swap_fits_the_programs_integers(pool: Pool, request: Swap) -> None:
    done = outcome(pool, request)
    if done is None:
        return
    result, after = done
    given_amount = result.amount_in if request.mode is Exact.IN else result.amount_out
    assert given_amount == request.amount
    assert 0 < result.amount_in <= U64_MAX
    assert 0 < result.amount_out <= U64_MAX
    assert 0 <= result.protocol_fee + result.fund_fee + result.lp_fee_outside <= result.trade_fee <= U64_MAX
    assert min(result.creator_fee, result.protocol_fee, result.lp_fee_outside, result.dust_out) >= 0
    match after:
        case CpmmPool():
            widths = [after.reserve_0, after.reserve_1]
        case DlmmPool():
            widths = [amount for held in after.bins for amount in (held.amount_x, held.amount_y)]
        case DammV2Pool():
            # A concentrated curve's reserves are virtual: what it could pay at most, of any size.
            widths = list(after.curve.reserves()) if isinstance(after.curve, CompoundingCurve) else []
            assert 0 <= after.curve.sqrt_price <= U128_MAX
        case ClmmPool():
            widths = []
            assert 0 <= after.liquidity <= U128_MAX
            assert 0 < after.sqrt_price <= U128_MAX
    assert all(0 <= amount <= U64_MAX for amount in widths)


@EXAMPLES
@given(pools_of_any_kind(MODERATE_BITS), st.lists(requests(MODERATE_BITS), min_size=1, max_size=6))
def test_vaults_kept_from_results_alone_always_cover_the_reserves(pool: Pool, swaps: list[Swap]) -> None:
    vaults = _opening_vaults(pool)
    for request in swaps:
        done = outcome(pool, request)
        if done is None:
            continue
        result, pool = done
        vaults = moved(vaults, request, result)
        held = reserves(pool)
        if isinstance(pool, CpmmPool | DlmmPool):
            assert vaults == held
        assert vaults[0] >= held[0]
        assert vaults[1] >= held[1]


def _opening_vaults(pool: Pool) -> tuple[int, int]:
    """Just what the pool can pay; each CLMM range may owe one unit more than it rounds down to."""
    held = reserves(pool)
    slack = len(pool.ticks) + 1 if isinstance(pool, ClmmPool) else 0
    return held[0] + slack, held[1] + slack


@EXAMPLES
@given(
    st.one_of(cpmm_pools(MODERATE_BITS), clmm_pools(MODERATE_BITS)),
    magnitudes(MODERATE_BITS),
    token_indexes(),
)
def test_no_swap_beats_the_marginal_price_of_a_static_fee(
    pool: CpmmPool | ClmmPool, amount: int, token_in: TokenIndex
) -> None:
    # DLMM fees may fall while a swap crosses bins; the other kinds' static fees cannot.
    done = outcome(pool, Swap(Exact.IN, amount, token_in, NOW_S))
    if done is not None:
        out, paid = marginal_out_per_in(pool, token_in, NOW_S)
        assert done[0].amount_out * paid <= amount * out
