import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.amm.pools import ProgramPool, TransferFeePool, marginal_out_per_in, reserves, spot_price, swap
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.amm.swaps import U64_MAX, Exact, Refusal, Swap, SwapRefusedError, TokenIndex
from chalicelib.amm.transfer_fee import NO_FEE, TransferFee
from tests.unit.amm.pool_strategies import NOW_S, magnitudes, pools_of_any_kind, requests

INNER = CpmmPool(10**12, 10**12, CpmmFees(2500, 120_000, 40_000))
TAXED = TransferFeePool(INNER, (TransferFee(100), TransferFee(50, 1_000_000)))
FEES = st.builds(TransferFee, st.integers(0, 10_000), st.one_of(st.just(U64_MAX), magnitudes(40)))


def exact_in(amount: int, token_in: TokenIndex = 0) -> Swap:
    return Swap(Exact.IN, amount, token_in)


def test_fee_is_rounded_up_and_capped() -> None:
    fee = TransferFee(50, 1_000_000)
    assert [fee.of(amount) for amount in (0, 1, 200, 201, 10**12)] == [0, 1, 1, 2, 1_000_000]
    assert NO_FEE.of(10**12) == 0


@settings(deadline=None, database=None)
@given(st.integers(0, 2**49), FEES)
def test_least_amount_that_delivers_is_found(amount: int, fee: TransferFee) -> None:
    try:
        sent = fee.to_deliver(amount)
    except SwapRefusedError:
        assert fee == TransferFee(10_000), "nothing arrives, however much is sent"
        return
    assert sent - fee.of(sent) == amount
    if sent:
        assert sent - 1 - fee.of(sent - 1) < amount or fee.basis_points in {0, 10_000}


def test_amount_to_send_beyond_u64_is_refused() -> None:
    with pytest.raises(SwapRefusedError):
        TransferFee(5000).to_deliver(U64_MAX - 10)


def test_exact_in_trades_what_arrives_and_pays_what_is_left() -> None:
    result, after = swap(TAXED, exact_in(10**9))
    plain, plain_after = swap(INNER, exact_in(990_000_000))
    assert (result.amount_in, result.transfer_fee_in) == (10**9, 10**7)
    assert result.transfer_fee_out == 1_000_000
    assert result.amount_out == plain.amount_out - 1_000_000
    assert after == TransferFeePool(plain_after, TAXED.fees)  # type: ignore[arg-type]  # a program's pool


def test_exact_out_delivers_the_amount_wanted_to_the_unit() -> None:
    result, _ = swap(TAXED, Swap(Exact.OUT, 10**8, 1))
    assert result.amount_out == 10**8
    assert result.transfer_fee_out == -(-(10**8 + result.transfer_fee_out) * 100 // 10_000)
    assert result.transfer_fee_in == TAXED.fees[1].of(result.amount_in)


def test_swap_whose_input_or_output_is_all_fee_is_refused() -> None:
    for pool in (
        TransferFeePool(INNER, (TransferFee(10_000), NO_FEE)),
        TransferFeePool(INNER, (NO_FEE, TransferFee(10_000))),
    ):
        with pytest.raises(SwapRefusedError) as refused:
            swap(pool, exact_in(10**6))
        assert refused.value.refusal is Refusal.ZERO_OUTPUT


def test_prices_and_reserves_are_the_inner_pools_and_the_marginal_price_is_after_fees() -> None:
    assert (reserves(TAXED), spot_price(TAXED)) == (reserves(INNER), spot_price(INNER))
    out, paid = marginal_out_per_in(TAXED, 0, 0)
    inner_out, inner_paid = marginal_out_per_in(INNER, 0, 0)
    assert out * inner_paid * 10_000**2 == inner_out * paid * 9_900 * 9_950


@settings(max_examples=150, deadline=None, database=None)
@given(pools_of_any_kind(44), requests(44), FEES, FEES)
def test_vaults_move_by_the_results_of_any_taxed_pool(
    pool: ProgramPool, wanted: Swap, first: TransferFee, second: TransferFee
) -> None:
    taxed = TransferFeePool(pool, (first, second))
    try:
        result, after = swap(taxed, wanted)
    except SwapRefusedError:
        return
    arrived = result.amount_in - result.transfer_fee_in
    sent = result.amount_out + result.transfer_fee_out
    if wanted.mode is Exact.IN:
        plain, plain_after = swap(pool, Swap(Exact.IN, arrived, wanted.token_in, NOW_S))
        assert (plain.amount_in, plain.amount_out) == (arrived, sent)
    else:
        plain, plain_after = swap(pool, Swap(Exact.OUT, sent, wanted.token_in, NOW_S))
        assert (plain.amount_in, result.amount_out) == (arrived, wanted.amount)
    assert after == TransferFeePool(plain_after, taxed.fees)  # type: ignore[arg-type]  # a program's pool
