"""Every pool kind behind one set of functions: each answers as its own module does."""

from dataclasses import replace
from types import ModuleType
from typing import Final

import pytest
from hypothesis import given, settings

from chalicelib.amm import meteora_damm_v2, meteora_dlmm, pools, raydium_clmm, raydium_cpmm
from chalicelib.amm.activation import ActivationType
from chalicelib.amm.damm_v2_fee import MAX_FEE_NUMERATOR_V1, BaseFee
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.amm.pools import Pool, ProgramPool, TransferFeePool
from chalicelib.amm.raydium_clmm import ClmmPool
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.amm.swaps import Exact, Swap, SwapRefusedError, TokenIndex
from chalicelib.amm.transfer_fee import NO_FEE, TransferFee
from tests.unit.amm.pool_strategies import NOW_S, pools_of_any_kind, requests, token_indexes

MODULES: Final[dict[type, ModuleType]] = {
    CpmmPool: raydium_cpmm,
    DlmmPool: meteora_dlmm,
    DammV2Pool: meteora_damm_v2,
    ClmmPool: raydium_clmm,
}
DEEP = CpmmPool(10**12, 10**12, CpmmFees(2_500, 120_000, 40_000))


def outcome(module: ModuleType, pool: Pool, request: Swap) -> object:
    try:
        return module.swap(pool, request)
    except SwapRefusedError as refused:
        return refused.refusal


@given(pools_of_any_kind(40), requests(40))
def test_pool_is_answered_for_by_its_own_module(pool: ProgramPool, request: Swap) -> None:
    own = MODULES[type(pool)]
    assert outcome(pools, pool, request) == outcome(own, pool, request)
    assert pools.reserves(pool) == own.reserves(pool)
    assert pools.spot_price(pool) == own.spot_price(pool)


@settings(max_examples=30)
@given(pools_of_any_kind(40), token_indexes())
def test_first_unit_is_priced_by_the_pools_own_module_whatever_its_tokens_withhold(
    pool: ProgramPool, token_in: TokenIndex
) -> None:
    own = MODULES[type(pool)]
    later = (5,) if own is meteora_damm_v2 else ()
    if isinstance(pool, DammV2Pool):
        base = BaseFee(400_000_000, 100, 1, 3_000_000)
        fees = replace(pool.fees, base=base, max_fee_numerator=MAX_FEE_NUMERATOR_V1)
        pool = replace(pool, fees=fees, activation_type=ActivationType.SLOT, activation_point=2)
    out, paid = own.marginal_out_per_in(pool, token_in, NOW_S, *later)
    assert pools.marginal_out_per_in(pool, token_in, NOW_S, 5) == (out, paid)
    taxed = TransferFeePool(pool, (TransferFee(100), TransferFee(2_000)))
    seen_out, seen_paid = pools.marginal_out_per_in(taxed, token_in, NOW_S, 5)
    assert seen_out * paid * 100 * 100 == out * seen_paid * 99 * 80


@given(pools_of_any_kind(40), requests(40))
def test_tokens_that_take_no_fee_change_nothing(pool: ProgramPool, request: Swap) -> None:
    taxed = TransferFeePool(pool, (NO_FEE, NO_FEE))
    untaxed, same = outcome(pools, pool, request), outcome(pools, taxed, request)
    if isinstance(untaxed, tuple):
        result, after = untaxed
        assert same == (result, TransferFeePool(after, taxed.fees))
    else:
        assert same == untaxed


@pytest.mark.parametrize(("token_in", "fees"), [(0, (100, 200)), (1, (200, 100))])
def test_each_tokens_fee_is_taken_of_its_own_transfer(token_in: int, fees: tuple[int, int]) -> None:
    taxed = TransferFeePool(DEEP, (TransferFee(fees[0]), TransferFee(fees[1])))
    request = Swap(Exact.IN, 1_000_000, 0 if token_in == 0 else 1)
    result, _ = pools.swap(taxed, request)
    inner, _ = pools.swap(DEEP, replace(request, amount=990_000))
    assert (result.transfer_fee_in, result.amount_in) == (10_000, 1_000_000)
    assert result.transfer_fee_out == -(-inner.amount_out * 200 // 10_000)
    assert result.amount_out + result.transfer_fee_out == inner.amount_out
