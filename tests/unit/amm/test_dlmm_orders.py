"""By hand; every layer's amounts and the state after are compared with the program's own in the vectors."""

from dataclasses import replace

import pytest

from chalicelib.amm.dlmm_fee import DlmmParameters, DlmmVolatility
from chalicelib.amm.dlmm_orders import BinOrders, fill_layers, most_payable
from chalicelib.amm.meteora_dlmm import Bin, DlmmPool, marginal_out_per_in, reserves, swap
from chalicelib.amm.swaps import Exact, Refusal, Swap, SwapRefusedError, TokenIndex

PARAMETERS = DlmmParameters(
    10, 10_000, 30, 600, 5000, 0, 0, 1000
)  # 0.1 % of the input, a tenth the protocol's
BIDS = BinOrders(0, 500, 300, is_ask=False)
POOL = DlmmPool(PARAMETERS, 0, (Bin(0, 1000, 1000), Bin(1, 0, 0)), DlmmVolatility(), orders=(BIDS,))


def exact_in(amount: int, token_in: TokenIndex = 0) -> Swap:
    return Swap(Exact.IN, amount, token_in)


def test_layers_fill_one_after_the_other_at_the_bins_price() -> None:
    result, after = swap(POOL, exact_in(1602))
    assert (result.amount_out, result.trade_fee) == (1600, 2)
    assert after.bins[0] == Bin(0, 2000, 0)
    assert after.orders == (BinOrders(0, 200, 0, is_ask=False),)


def test_orders_that_are_being_filled_give_what_is_taken_and_those_behind_them_nothing() -> None:
    result, after = swap(POOL, exact_in(1302))
    assert result.amount_out == 1300
    assert after.orders == (BinOrders(0, 200, 300, is_ask=False),)


def test_bins_own_liquidity_is_first_and_orders_are_left_alone_if_it_does() -> None:
    result, after = swap(POOL, exact_in(900))
    assert result.amount_out == 899
    assert after.orders == POOL.orders
    assert after.bins[0].amount_y == 101


def test_orders_that_are_filled_whole_are_gone() -> None:
    _, after = swap(replace(POOL, orders=(BIDS, BinOrders(1, 0, 50, is_ask=True))), exact_in(1802))
    assert after.orders == (BinOrders(1, 0, 50, is_ask=True),)
    with pytest.raises(SwapRefusedError):
        swap(after, exact_in(10))


@pytest.mark.parametrize("token_in", [0, 1])
def test_orders_fill_only_against_who_brings_what_they_buy(token_in: TokenIndex) -> None:
    asks = replace(POOL, orders=(BinOrders(0, 500, 300, is_ask=True),))
    pools = (POOL, asks) if token_in == 0 else (asks, POOL)
    assert swap(pools[0], exact_in(1602, token_in))[0].amount_out == 1600
    with pytest.raises(SwapRefusedError) as refused:
        swap(pools[1], exact_in(1602, token_in))
    assert refused.value.refusal is Refusal.INSUFFICIENT_LIQUIDITY


def test_bin_that_holds_nothing_but_orders_is_traded_with() -> None:
    empty = replace(POOL, active_id=1, bins=(Bin(0, 0, 0),))
    assert swap(empty, exact_in(601))[0].amount_out == 600
    assert marginal_out_per_in(empty, 0, 0) == marginal_out_per_in(POOL, 0, 0)
    assert marginal_out_per_in(empty, 1, 0) == (0, 1)
    as_much_of_each = replace(POOL, bins=(Bin(0, 0, 800),))
    assert marginal_out_per_in(as_much_of_each, 0, 0) == marginal_out_per_in(POOL, 0, 0)


def test_half_of_what_orders_earn_is_the_protocols() -> None:
    costly = replace(POOL, parameters=replace(PARAMETERS, base_factor=1_000_000))  # 10 %
    result, _ = swap(costly, exact_in(2000))
    assert result.trade_fee == 200
    own_fee = -(-200 * 1000 // 1800)
    assert result.protocol_fee == own_fee // 10 + (200 - own_fee) - (200 - own_fee) // 2


def test_exact_out_is_refused_where_the_program_rounds_the_input_too_low() -> None:
    # At a price of many Y per X each layer alone needs an X more than all together.
    dear = replace(POOL, active_id=2000, bins=(Bin(2000, 0, 1000),), orders=(BIDS._replace(bin_id=2000),))
    assert swap(dear, Swap(Exact.OUT, 900, 0))[0].amount_out == 900
    with pytest.raises(SwapRefusedError):
        swap(dear, Swap(Exact.OUT, 1790, 0))


def test_reserves_count_what_orders_sell() -> None:
    assert reserves(POOL) == (1000, 1800)
    assert reserves(replace(POOL, orders=(BinOrders(0, 1, 2, is_ask=True),))) == (1003, 1000)


def test_bin_without_liquidity_and_orders_has_no_price() -> None:
    empty_first = replace(POOL, bins=(Bin(-1, 0, 0), Bin(0, 0, 0)), orders=(BIDS._replace(bin_id=-1),))
    alone = replace(empty_first, bins=empty_first.bins[:1])
    assert marginal_out_per_in(empty_first, 0, 0) == marginal_out_per_in(alone, 0, 0)
    assert swap(empty_first, exact_in(100))[0] == swap(alone, exact_in(100))[0]


@pytest.mark.parametrize("is_fee_on_input", [True, False])
@pytest.mark.parametrize("in_per_out", [(1, 7), (3, 22), (7, 1), (22, 3), (1, 1)])
@pytest.mark.parametrize("layers", [(100, 52, 75), (0, 52, 75), (100, 0, 75), (0, 0, 75), (1, 1, 75)])
def test_most_payable_is_the_most_that_is_not_refused(
    layers: tuple[int, int, int], in_per_out: tuple[int, int], is_fee_on_input: bool
) -> None:
    rate, most = 10**6, 0
    for amount in range(1, sum(layers) - 1):
        try:
            fill_layers((amount, False), layers, in_per_out, rate, 1_000, is_fee_on_input=is_fee_on_input)
            most = amount
        except SwapRefusedError:
            pass
        assert most_payable(amount, layers, in_per_out, rate, is_fee_on_input=is_fee_on_input) == most
