import pytest

from chalicelib.adapters.solana.accounts import Account, Unsupported, UnsupportedPoolError
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.pool_reading import arrays_around, keys_beside, pool_at, tradable
from chalicelib.adapters.solana.programs import PROGRAM_IDS, TOKEN, Cluster, SwapProgram
from chalicelib.adapters.solana.raydium_clmm import ARRAYS_PER_DIRECTION
from chalicelib.amm.pools import TransferFeePool
from tests.unit.adapters.solana.examples import a_case, a_pool, all_cases
from tests.vectors.onchain import EPOCH

IDS = PROGRAM_IDS[Cluster.MAINNET]
ARRAYS = {10_240, 10_136}


@pytest.mark.parametrize("program", list(SwapProgram))
def test_pool_is_complete_with_what_is_read_in_rounds(program: SwapProgram) -> None:
    cases = [case for case in all_cases(program)[:25] if case.kind != "swap_disabled"]
    for case in cases:
        read: dict[Pubkey, Account | None] = {case.pool: case.accounts[case.pool]}
        for key in keys_beside(IDS, case.pool, read):
            read[key] = case.accounts.get(key)
        # The files hold the arrays of one direction only, and nothing of the other's.
        around = [key for key in arrays_around(IDS, case.pool, read) if key in case.accounts]
        read |= {key: case.accounts[key] for key in around}
        arrays = {key for key, account in case.accounts.items() if len(account.data) in ARRAYS}
        if arrays <= set(around):
            assert pool_at(IDS, case.pool, read, case.clock) == a_pool(case)
        else:
            assert len(around) == ARRAYS_PER_DIRECTION


def test_account_of_no_swap_program_is_refused_in_every_round() -> None:
    key = Pubkey(bytes(31) + b"\x01")
    case = a_case(SwapProgram.CPMM)
    read = {key: case.accounts[case.pool]._replace(owner=TOKEN)}
    for step in (
        lambda: keys_beside(IDS, key, read),
        lambda: arrays_around(IDS, key, read),
        lambda: pool_at(IDS, key, read, case.clock),
    ):
        with pytest.raises(UnsupportedPoolError) as refused:
            step()
        assert refused.value.reason is Unsupported.WRONG_OWNER


def test_pool_is_traded_with_its_tokens_fees() -> None:
    assert tradable(a_pool(a_case(SwapProgram.CPMM)), EPOCH) == a_pool(a_case(SwapProgram.CPMM)).state
    taxed = a_pool(a_case(SwapProgram.CPMM, "token2022_transfer_fee"))
    assert isinstance(tradable(taxed, EPOCH), TransferFeePool)
