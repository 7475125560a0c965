"""Exact outputs that would end among the limit orders of a DLMM pool."""

from dataclasses import replace

import pytest

from chalicelib.amm.dlmm_fee import DlmmCollectFeeMode, DlmmParameters, DlmmVolatility
from chalicelib.amm.dlmm_orders import BinOrders
from chalicelib.amm.meteora_dlmm import Bin, DlmmPool
from chalicelib.amm.pools import Pool, TransferFeePool, reserves, swap
from chalicelib.amm.swaps import U64_MAX, Exact, Swap, SwapRefusedError, TokenIndex
from chalicelib.amm.transfer_fee import NO_FEE, TransferFee
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.short_of_orders import short_of_orders
from tests.unit.routing.markets import NOW_S, a_cpmm, a_routable
from tests.unit.routing.test_router import plan_for

PARAMETERS = DlmmParameters(10, 10_000, 30, 600, 5_000, 0, 0, 1_000)  # a fee of 0.1 %
# At a price of seven Y per X, where each layer alone needs an X more than all together.
BIDS = DlmmPool(
    PARAMETERS,
    2_000,
    (Bin(1_999, 0, 4_000), Bin(2_000, 0, 1_000)),
    DlmmVolatility(),
    orders=(BinOrders(1_999, 0, 600, is_ask=False), BinOrders(2_000, 500, 300, is_ask=False)),
)
ASKS = DlmmPool(
    PARAMETERS,
    -2_000,
    (Bin(-2_000, 1_000, 0), Bin(-1_999, 4_000, 0)),
    DlmmVolatility(),
    orders=(BinOrders(-2_000, 500, 300, is_ask=True), BinOrders(-1_999, 0, 600, is_ask=True)),
)


@pytest.mark.parametrize(("pool", "token_in"), [(BIDS, 0), (ASKS, 1)])
@pytest.mark.parametrize(
    ("amount", "held"),
    [
        (1_000, None),
        (1_001, 1_000),
        (1_799, 1_000),
        (1_800, None),
        (5_800, None),
        (5_801, 5_800),
        (6_401, None),
    ],
)
def test_pool_ends_before_the_orders_that_an_output_would_end_among(
    pool: DlmmPool, token_in: TokenIndex, amount: int, held: int | None
) -> None:
    shorter = short_of_orders(pool, token_in, amount, NOW_S)
    assert (None if shorter is None else reserves(shorter)[1 - token_in]) == held


def test_fee_on_the_output_is_off_what_a_bin_pays() -> None:
    on_output = replace(BIDS, parameters=replace(PARAMETERS, collect_fee_mode=DlmmCollectFeeMode.ONLY_Y))
    assert short_of_orders(on_output, 0, 999, NOW_S) is None
    assert short_of_orders(on_output, 0, 1_000, NOW_S) is not None


def test_transfer_fee_is_on_top_of_what_arrives() -> None:
    pool = TransferFeePool(BIDS, (NO_FEE, TransferFee(1_000)))
    assert short_of_orders(pool, 0, 900, NOW_S) is None
    shorter = short_of_orders(pool, 0, 901, NOW_S)
    assert shorter == TransferFeePool(replace(BIDS, bins=BIDS.bins[1:], orders=()), pool.fees)
    assert short_of_orders(pool, 0, U64_MAX, NOW_S) is None


@pytest.mark.parametrize("pool", [a_cpmm(10**4, 10**4), replace(BIDS, orders=())])
def test_pool_without_orders_is_never_cut(pool: Pool) -> None:
    assert short_of_orders(pool, 0, 1_001, NOW_S) is None


def test_plan_takes_what_comes_before_the_orders_and_the_rest_elsewhere() -> None:
    cheap = DlmmPool(
        PARAMETERS,
        2_000,
        (Bin(2_000, 0, 10**9),),
        DlmmVolatility(),
        orders=(BinOrders(2_000, 5 * 10**8 + 5, 3 * 10**8 + 5, is_ask=False),),
    )
    amount = 1_700_000_006
    with pytest.raises(SwapRefusedError):
        swap(cheap, Swap(Exact.OUT, amount, 0, NOW_S))
    dear = a_cpmm(10**9, 6 * 10**9)
    plan = plan_for([a_routable("cheap", cheap), a_routable("dear", dear)], amount, mode=SwapMode.EXACT_OUT)
    taken = {leg.pool_id: leg.amount_out for leg in plan.legs}
    assert taken["cheap"] >= 10**9 - 1
    alone, _ = swap(dear, Swap(Exact.OUT, amount, 0, NOW_S))
    assert plan.bound <= plan.amount_in < alone.amount_in * 9 // 10
