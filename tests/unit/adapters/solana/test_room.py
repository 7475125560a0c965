"""What legs take up of a transaction's addresses; that plans so counted fit is tried on the local chain."""

import pytest

from chalicelib.adapters.solana.programs import SwapProgram
from chalicelib.adapters.solana.room import SHARED, room_of
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


def test_pool_of_another_chain_takes_nothing() -> None:
    assert room_of(a_book()).taken("pool") == 0
