"""Instructions: what a transaction asks a program to do, and those that surround a swap."""

from typing import Final, NamedTuple

from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.pda import associated_token_account
from chalicelib.adapters.solana.programs import ASSOCIATED_TOKEN, COMPUTE_BUDGET, MEMO, SYSTEM, TOKEN


class AccountMeta(NamedTuple):
    """An account that an instruction names."""

    key: Pubkey
    is_signer: bool = False
    is_writable: bool = False


class Instruction(NamedTuple):
    """One call of a program."""

    program: Pubkey
    accounts: tuple[AccountMeta, ...]
    data: bytes


def signer(key: Pubkey, *, is_writable: bool = False) -> AccountMeta:
    return AccountMeta(key, is_signer=True, is_writable=is_writable)


def writable(key: Pubkey) -> AccountMeta:
    return AccountMeta(key, is_writable=True)


def readonly(key: Pubkey) -> AccountMeta:
    return AccountMeta(key)


def u8(number: int) -> bytes:
    return number.to_bytes(1, "little")


def u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


_TRANSFER: Final = 2
_SYNC_NATIVE, _CLOSE_ACCOUNT, _TRANSFER_CHECKED = 17, 9, 12
_APPROVE_CHECKED, _REVOKE = 13, 5
_CREATE_IDEMPOTENT: Final = 1
_HEAP_FRAME, _UNIT_LIMIT, _UNIT_PRICE, _LOADED_DATA_LIMIT = 1, 2, 3, 4


def compute_unit_limit(units: int) -> Instruction:
    """Let a transaction use at most so many compute units: all of them are paid for."""
    return Instruction(COMPUTE_BUDGET, (), u8(_UNIT_LIMIT) + u32(units))


def compute_unit_price(micro_lamports: int) -> Instruction:
    """Pay so much per compute unit of the limit, beside the fee per signature."""
    return Instruction(COMPUTE_BUDGET, (), u8(_UNIT_PRICE) + u64(micro_lamports))


def loaded_accounts_data_size_limit(size_bytes: int) -> Instruction:
    """Let a transaction load at most so many bytes of accounts, programs included."""
    return Instruction(COMPUTE_BUDGET, (), u8(_LOADED_DATA_LIMIT) + u32(size_bytes))


def heap_frame(size_bytes: int) -> Instruction:
    """Give each program a heap of so many bytes: no swap of ours needs more, and the vectors have one."""
    return Instruction(COMPUTE_BUDGET, (), u8(_HEAP_FRAME) + u32(size_bytes))


def transfer_lamports(source: Pubkey, to: Pubkey, lamports: int) -> Instruction:
    """Move lamports; ``source`` signs."""
    accounts = (signer(source, is_writable=True), writable(to))
    return Instruction(SYSTEM, accounts, u32(_TRANSFER) + u64(lamports))


def create_token_account(payer: Pubkey, owner: Pubkey, mint: Pubkey, token_program: Pubkey) -> Instruction:
    """Create an owner's associated token account; one that exists already is left as it is."""
    account = associated_token_account(owner, mint, token_program)
    accounts = (
        signer(payer, is_writable=True),
        writable(account),
        readonly(owner),
        readonly(mint),
        readonly(SYSTEM),
        readonly(token_program),
    )
    return Instruction(ASSOCIATED_TOKEN, accounts, u8(_CREATE_IDEMPOTENT))


def sync_native(account: Pubkey) -> Instruction:
    """Count lamports that were moved to a wrapped-SOL account as its balance."""
    return Instruction(TOKEN, (writable(account),), u8(_SYNC_NATIVE))


def close_token_account(
    account: Pubkey, destination: Pubkey, owner: Pubkey, token_program: Pubkey = TOKEN
) -> Instruction:
    """Close an account and send all its lamports, wrapped SOL included, to ``destination``."""
    accounts = (writable(account), writable(destination), signer(owner))
    return Instruction(token_program, accounts, u8(_CLOSE_ACCOUNT))


def approve_checked(
    source: Pubkey,
    mint: Pubkey,
    delegate: Pubkey,
    owner: Pubkey,
    *,
    amount: int,
    decimals: int,
    token_program: Pubkey,
) -> Instruction:
    """Let a delegate move so much of a token account, instead of whatever another one might.

    Its owner signs.
    """
    accounts = (writable(source), readonly(mint), readonly(delegate), signer(owner))
    return Instruction(token_program, accounts, u8(_APPROVE_CHECKED) + u64(amount) + u8(decimals))


def revoke(source: Pubkey, owner: Pubkey, token_program: Pubkey) -> Instruction:
    """Leave a token account to its owner alone, who signs."""
    return Instruction(token_program, (writable(source), signer(owner)), u8(_REVOKE))


def transfer_checked(
    source: Pubkey,
    mint: Pubkey,
    destination: Pubkey,
    authority: Pubkey,
    *,
    amount: int,
    decimals: int,
    token_program: Pubkey = TOKEN,
) -> Instruction:
    """Move tokens; ``authority`` is the source's owner or delegate, and signs."""
    accounts = (writable(source), readonly(mint), writable(destination), signer(authority))
    return Instruction(token_program, accounts, u8(_TRANSFER_CHECKED) + u64(amount) + u8(decimals))


def memo(text: str, author: Pubkey) -> Instruction:
    """Write a text into the log; its author signs."""
    return Instruction(MEMO, (signer(author),), text.encode())


def wrapped_sol_in(payer: Pubkey, owner: Pubkey, mint: Pubkey, lamports: int) -> tuple[Instruction, ...]:
    """Put lamports of an owner into its wrapped-SOL account, which is created if there is none."""
    account = associated_token_account(owner, mint, TOKEN)
    return (
        create_token_account(payer, owner, mint, TOKEN),
        transfer_lamports(owner, account, lamports),
        sync_native(account),
    )
