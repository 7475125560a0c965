"""Exact outputs among the limit orders of a DLMM pool: which can be had, and who pays the others."""

from dataclasses import replace

import pytest

from chalicelib.amm.dlmm_fee import DlmmCollectFeeMode, DlmmParameters, DlmmVolatility
from chalicelib.amm.dlmm_orders import BinOrders
from chalicelib.amm.meteora_dlmm import Bin, DlmmPool
from chalicelib.amm.pools import Pool, TransferFeePool, reserves, swap
from chalicelib.amm.swaps import U64_MAX, Exact, Swap, SwapRefusedError, TokenIndex
from chalicelib.amm.transfer_fee import NO_FEE, TransferFee
from chalicelib.routing.among_orders import has_orders, payable, settled
from tests.unit.routing.markets import NOW_S, a_cpmm

PARAMETERS = DlmmParameters(10, 10_000, 30, 600, 5_000, 0, 0, 1_000)  # a fee of 0.1 %
# At a price of seven units out per unit in, and of one out per seven in.
BIDS = DlmmPool(
    PARAMETERS,
    2_000,
    (Bin(1_999, 0, 400), Bin(2_000, 0, 100)),
    DlmmVolatility(),
    orders=(BinOrders(1_999, 0, 61, is_ask=False), BinOrders(2_000, 52, 75, is_ask=False)),
)
CHEAP_BIDS = replace(
    BIDS,
    active_id=-2_000,
    bins=(Bin(-2_000, 0, 100),),
    orders=(BinOrders(-2_000, 52, 75, is_ask=False),),
)
ASKS = DlmmPool(
    PARAMETERS,
    -2_000,
    (Bin(-2_000, 100, 0), Bin(-1_999, 400, 0)),
    DlmmVolatility(),
    orders=(BinOrders(-2_000, 52, 75, is_ask=True), BinOrders(-1_999, 0, 61, is_ask=True)),
)
ON_OUTPUT = replace(BIDS, parameters=replace(PARAMETERS, collect_fee_mode=DlmmCollectFeeMode.ONLY_Y))
TAXED = TransferFeePool(BIDS, (NO_FEE, TransferFee(100)))


def is_paid(pool: Pool, token_in: TokenIndex, amount: int) -> bool:
    try:
        swap(pool, Swap(Exact.OUT, amount, token_in, NOW_S))
    except SwapRefusedError:
        return False
    return True


@pytest.mark.parametrize(
    ("pool", "token_in"), [(BIDS, 0), (CHEAP_BIDS, 0), (ASKS, 1), (ON_OUTPUT, 0), (TAXED, 0)]
)
def test_payable_is_the_most_that_the_program_does_not_refuse(pool: Pool, token_in: TokenIndex) -> None:
    refused = 0
    most = 0
    for amount in range(1, reserves(pool)[1 - token_in] * 98 // 100):
        if is_paid(pool, token_in, amount):
            most = amount
        else:
            refused += 1
        assert payable(pool, token_in, amount, NOW_S) == most
    assert refused > 5


@pytest.mark.parametrize("pool", [BIDS, TAXED])
def test_what_a_pool_does_not_hold_is_no_matter_of_its_orders(pool: Pool) -> None:
    assert payable(pool, 0, 10**6, NOW_S) == 10**6
    assert payable(pool, 1, 100, NOW_S) == 100
    assert payable(pool, 0, U64_MAX, NOW_S) == U64_MAX


@pytest.mark.parametrize("pool", [a_cpmm(10**4, 10**4), replace(BIDS, orders=())])
def test_pool_without_orders_refuses_nothing_for_them(pool: Pool) -> None:
    assert not has_orders(pool)
    assert payable(pool, 0, 150, NOW_S) == 150


def test_pool_behind_a_transfer_fee_has_its_orders() -> None:
    assert has_orders(BIDS)
    assert has_orders(TAXED)


class Most:
    """Parts of which each pays multiples of a step, 1 unless given."""

    def __init__(self, steps: dict[int, int], other: int = 1) -> None:
        self.steps = steps
        self.other = other

    def __call__(self, place: int, amount: int) -> int:
        step = self.steps.get(place, self.other)
        return amount // step * step


@pytest.mark.parametrize(
    ("parts", "most", "found"),
    [
        ([30, 40], Most({}, 10), [30, 40]),
        ([33, 40], Most({0: 10}), [30, 43]),
        ([33, 40, 0], Most({0: 10, 1: 2}), [30, 42, 1]),
        ([33, 40], Most({0: 3, 1: 10}), [33, 40]),
        ([33, 41], Most({0: 3, 1: 10}), [24, 50]),  # 30 and 44, 27 and 47, 24 and 50
        ([33, 41], Most({}, 10), [33, 41]),
    ],
)
def test_what_one_part_cannot_pay_others_do(parts: list[int], most: Most, found: list[int]) -> None:
    assert settled(parts, [100.0] * len(parts), most, len(parts)) == found


def test_part_pays_no_more_than_its_limit() -> None:
    assert settled([33, 40, 0], [100.0, 41.0, 100.0], Most({0: 10}), 3) == [30, 41, 2]
    assert settled([33, 40], [39.0, 41.0], Most({0: 10}), 2) == [33, 40]


def test_part_that_is_in_use_pays_before_one_that_is_not() -> None:
    assert settled([33, 40, 0], [100.0, 50.0, 100.0], Most({0: 10}), 3) == [30, 43, 0]


def test_two_hop_paths_exchange_nothing() -> None:
    assert settled([33, 41], [100.0] * 2, Most({0: 3, 1: 10}), 1) == [33, 41]
