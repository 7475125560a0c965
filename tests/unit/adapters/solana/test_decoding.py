"""What a pool's bytes become where no recorded swap says it: they are put there one by one."""

import pytest

from chalicelib.adapters.solana.accounts import Unsupported
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.programs import SwapProgram
from chalicelib.adapters.solana.raydium_cpmm import CpmmAccounts
from chalicelib.adapters.solana.tokens import token_account_of
from chalicelib.amm.raydium_cpmm import CreatorFeeOn
from tests.unit.adapters.solana.examples import a_case, a_pool, refusal_of, with_bytes
from tests.vectors.onchain import Case

CREATOR_FEE_RATE, CONFIG_RATES = 108, 12
"""Where an ``AmmConfig`` has them; the trade fee's is first, then the protocol's and the fund's of that."""
PROTOCOL_FEES = 341
CREATOR_FEE_ON = 389


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def cpmm(case: Case) -> CpmmAccounts:
    pool = a_pool(case)
    assert isinstance(pool, CpmmAccounts)
    return pool


def with_rates(*, trade: int, protocol: int = 0, fund: int = 0, creator: int = 0) -> Case:
    case = a_case(SwapProgram.CPMM)
    config = cpmm(case).config
    case = with_bytes(case, config, CONFIG_RATES, u64(trade) + u64(protocol) + u64(fund))
    return with_bytes(case, config, CREATOR_FEE_RATE, u64(creator))


@pytest.mark.parametrize(
    ("on", "taken"), [(0, CreatorFeeOn.BOTH), (1, CreatorFeeOn.ONLY_0), (2, CreatorFeeOn.ONLY_1)]
)
def test_cpmm_pool_takes_its_creators_fee_from_the_token_that_its_bytes_name(
    on: int, taken: CreatorFeeOn
) -> None:
    case = with_rates(trade=2_500, creator=700)
    case = with_bytes(case, case.pool, CREATOR_FEE_ON, bytes([on, 1]))
    assert (cpmm(case).state.fees.creator_fee_rate, cpmm(case).state.fees.creator_fee_on) == (700, taken)


def test_cpmm_pool_that_does_not_turn_the_creators_fee_on_takes_none() -> None:
    case = with_rates(trade=2_500, creator=700)
    assert cpmm(with_bytes(case, case.pool, CREATOR_FEE_ON, bytes([0, 0]))).state.fees.creator_fee_rate == 0


def test_cpmm_rates_that_leave_something_are_believed_and_no_others() -> None:
    fees = cpmm(with_rates(trade=999_998, protocol=400_000, fund=600_000, creator=1)).state.fees
    assert (fees.trade_fee_rate, fees.protocol_fee_rate, fees.fund_fee_rate) == (999_998, 400_000, 600_000)
    for case in (
        with_rates(trade=999_999, creator=1),
        with_rates(trade=1_000_000),
        with_rates(trade=2_500, protocol=400_001, fund=600_000),
    ):
        assert refusal_of(case) is Unsupported.IMPLAUSIBLE


@pytest.mark.parametrize("token", [0, 1])
def test_cpmm_reserve_is_what_the_vault_holds_beyond_all_that_it_owes(token: int) -> None:
    case = a_case(SwapProgram.CPMM)
    held = token_account_of(case.accounts[cpmm(case).vaults[token]]).amount

    def reserve(protocol: int, fund: int, creator: int) -> int:
        changed = with_bytes(case, case.pool, PROTOCOL_FEES + 8 * token, u64(protocol))
        changed = with_bytes(changed, case.pool, PROTOCOL_FEES + 16 + 8 * token, u64(fund))
        changed = with_bytes(changed, case.pool, 397 + 8 * token, u64(creator))
        state = cpmm(changed).state
        return (state.reserve_0, state.reserve_1)[token]

    assert reserve(1, 20, 300) == held - 321
    assert reserve(held - 321, 20, 301) == 0


@pytest.mark.parametrize("token", [0, 1])
def test_cpmm_vault_of_another_token_or_that_is_frozen_is_refused(token: int) -> None:
    case = a_case(SwapProgram.CPMM)
    pool = cpmm(case)
    other = with_bytes(case, pool.vaults[token], 0, Pubkey(pool.mints[1 - token].key))
    assert refusal_of(other) is Unsupported.WRONG_POOL
    assert refusal_of(with_bytes(case, pool.vaults[token], 108, b"\x02")) is Unsupported.FROZEN_VAULT
