"""What each instruction says, byte by byte, and which accounts it may change or needs a signature of.

The system program's and the budget's are compared with another implementation. The token programs' are those
of solana-program/token ``interface/src/instruction.rs`` and solana-program/associated-token-account
``interface/src/instruction.rs``.
"""

import pytest
from solders import compute_budget, system_program
from solders.instruction import AccountMeta as SoldersMeta
from solders.instruction import Instruction as SoldersInstruction
from solders.pubkey import Pubkey as SoldersKey

from chalicelib.adapters.solana.instructions import (
    AccountMeta,
    Instruction,
    approve_checked,
    close_token_account,
    compute_unit_limit,
    compute_unit_price,
    create_token_account,
    heap_frame,
    loaded_accounts_data_size_limit,
    memo,
    readonly,
    revoke,
    signer,
    sync_native,
    transfer_checked,
    transfer_lamports,
    writable,
)
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.pda import associated_token_account
from chalicelib.adapters.solana.programs import ASSOCIATED_TOKEN, MEMO, SYSTEM, TOKEN, TOKEN_2022
from tests.unit.adapters.solana.books import a_key

ONE, OTHER, OWNER, MINT = (a_key(number) for number in range(1, 5))
AMOUNT = 0x0102030405060708
AMOUNT_BYTES = bytes.fromhex("0807060504030201")


def as_solders(one: Instruction) -> SoldersInstruction:
    metas = [SoldersMeta(SoldersKey(meta.key), meta.is_signer, meta.is_writable) for meta in one.accounts]
    return SoldersInstruction(SoldersKey(one.program), one.data, metas)


def test_lamports_and_budgets_are_asked_for_as_another_implementation_does() -> None:
    params = system_program.TransferParams(
        from_pubkey=SoldersKey(ONE), to_pubkey=SoldersKey(OTHER), lamports=AMOUNT
    )
    assert as_solders(transfer_lamports(ONE, OTHER, AMOUNT)) == system_program.transfer(params)
    assert as_solders(compute_unit_limit(1_400_000)) == compute_budget.set_compute_unit_limit(1_400_000)
    assert as_solders(compute_unit_price(AMOUNT)) == compute_budget.set_compute_unit_price(AMOUNT)
    assert as_solders(heap_frame(65_536)) == compute_budget.request_heap_frame(65_536)
    limit = compute_budget.set_loaded_accounts_data_size_limit(65_536)
    assert as_solders(loaded_accounts_data_size_limit(65_536)) == limit


@pytest.mark.parametrize(
    ("made", "program", "accounts", "data"),
    [
        (sync_native(ONE), TOKEN, (writable(ONE),), b"\x11"),
        (
            close_token_account(ONE, OTHER, OWNER),
            TOKEN,
            (writable(ONE), writable(OTHER), signer(OWNER)),
            b"\x09",
        ),
        (
            close_token_account(ONE, OTHER, OWNER, TOKEN_2022),
            TOKEN_2022,
            (writable(ONE), writable(OTHER), signer(OWNER)),
            b"\x09",
        ),
        (
            approve_checked(ONE, MINT, OTHER, OWNER, amount=AMOUNT, decimals=6, token_program=TOKEN_2022),
            TOKEN_2022,
            (writable(ONE), readonly(MINT), readonly(OTHER), signer(OWNER)),
            b"\x0d" + AMOUNT_BYTES + b"\x06",
        ),
        (revoke(ONE, OWNER, TOKEN), TOKEN, (writable(ONE), signer(OWNER)), b"\x05"),
        (
            transfer_checked(ONE, MINT, OTHER, OWNER, amount=AMOUNT, decimals=6),
            TOKEN,
            (writable(ONE), readonly(MINT), writable(OTHER), signer(OWNER)),
            b"\x0c" + AMOUNT_BYTES + b"\x06",
        ),
        (
            create_token_account(ONE, OWNER, MINT, TOKEN_2022),
            ASSOCIATED_TOKEN,
            (
                signer(ONE, is_writable=True),
                writable(associated_token_account(OWNER, MINT, TOKEN_2022)),
                readonly(OWNER),
                readonly(MINT),
                readonly(SYSTEM),
                readonly(TOKEN_2022),
            ),
            b"\x01",
        ),
        (memo("ä", ONE), MEMO, (signer(ONE),), "ä".encode()),
    ],
)
def test_token_accounts_are_asked_for_by_the_programs_own_bytes(
    made: Instruction, program: Pubkey, accounts: tuple[AccountMeta, ...], data: bytes
) -> None:
    assert made == Instruction(program, accounts, data)


def test_account_is_changed_and_signs_only_where_it_says_so() -> None:
    assert signer(ONE) == AccountMeta(ONE, is_signer=True, is_writable=False)
    assert signer(ONE, is_writable=True) == AccountMeta(ONE, is_signer=True, is_writable=True)
    assert writable(ONE) == AccountMeta(ONE, is_signer=False, is_writable=True)
    assert readonly(ONE) == AccountMeta(ONE, is_signer=False, is_writable=False)
