"""What legs take up of a transaction's addresses; that plans so counted fit is tried on the local chain."""

from dataclasses import replace

import pytest

from chalicelib.adapters.solana.programs import SwapProgram
from chalicelib.adapters.solana.room import SHARED, room_of
from chalicelib.amm.dlmm_orders import BinOrders
from chalicelib.amm.meteora_dlmm import DlmmPool
from tests.unit.adapters.solana.books import a_book, a_book_pool, a_mint

MINTS = (a_mint(0), a_mint(1))


@pytest.mark.parametrize(
    ("program", "least"),
    [(SwapProgram.CPMM, 6), (SwapProgram.CLMM, 8), (SwapProgram.DLMM, 7), (SwapProgram.DAMM_V2, 5)],
)
def test_leg_takes_its_pool_vaults_and_arrays_and_not_what_all_legs_share(
    program: SwapProgram, least: int
) -> None:
    pool = a_book_pool(program, "pool", ("A", "B"), MINTS)
    room = room_of(a_book(pool))
    assert room.most == 64 - SHARED
    assert least <= room.taken("pool") <= 18


def test_room_for_a_delegate_names_the_pools_that_pay_what_can_be_given_on_to_the_unit() -> None:
    pool = a_book_pool(SwapProgram.DLMM, "pool", ("A", "B"), MINTS)
    assert isinstance(pool.state, DlmmPool)
    resting = replace(pool.state, orders=(BinOrders(pool.state.active_id, 0, 5, is_ask=False),))
    assert room_of(a_book(pool)).passes_all_on is None
    passes_all_on = room_of(a_book(pool), is_delegated=True).passes_all_on
    assert passes_all_on is not None
    assert [passes_all_on(state) for state in (pool.state, resting)] == [True, False]


def test_pool_of_another_chain_takes_nothing() -> None:
    assert room_of(a_book()).taken("pool") == 0
