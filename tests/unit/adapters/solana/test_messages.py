"""What the vectors do not reach: limits, signers, and which signature names a transaction."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chalicelib.adapters import base58
from chalicelib.adapters.solana.instructions import (
    AccountMeta,
    Instruction,
    memo,
    readonly,
    transfer_lamports,
    wrapped_sol_in,
    writable,
)
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.messages import (
    LookupTable,
    V1Config,
    fits,
    legacy_message,
    v0_message,
    v1_message,
)
from chalicelib.adapters.solana.pda import associated_token_account
from chalicelib.adapters.solana.programs import ASSOCIATED_TOKEN, SYSTEM, TOKEN, WRAPPED_SOL
from chalicelib.adapters.solana.signing import Sign, sign, verifies

BLOCKHASH = bytes(range(32))
BUDGET = V1Config(200_000, 131_072)


def a_key(number: int) -> Pubkey:
    return Pubkey(number.to_bytes(32, "big"))


def a_signer(seed: int) -> tuple[Pubkey, Sign]:
    key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return Pubkey(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)), key.sign


def calls(count: int, *, first: int = 1000) -> Instruction:
    return Instruction(a_key(9), tuple(writable(a_key(first + i)) for i in range(count)), b"")


def test_payer_comes_first_and_signs_whatever_its_bytes() -> None:
    payer, other = a_key(200), a_key(3)
    message = v0_message(payer, [memo("x", other), transfer_lamports(payer, other, 1)], BLOCKHASH)
    assert message.signers == (payer, other)
    assert message.raw[1:4] == bytes([2, 0, 2])


def test_account_is_writable_and_signs_if_any_instruction_says_so() -> None:
    shared = a_key(5)
    first = Instruction(a_key(9), (readonly(shared),), b"")
    second = Instruction(a_key(9), (AccountMeta(shared, is_signer=True, is_writable=True),), b"")
    assert legacy_message(a_key(1), [first, second], BLOCKHASH).signers == (a_key(1), shared)


def test_programs_and_signers_never_come_from_a_table() -> None:
    payer, program = a_key(1), a_key(9)
    table = LookupTable(a_key(77), (payer, program, a_key(1000), a_key(1001)))
    with_table = v0_message(payer, [calls(3)], BLOCKHASH, [table])
    plain = v0_message(payer, [calls(3)], BLOCKHASH)
    assert len(plain.raw) - len(with_table.raw) == 2 * 32 - (32 + 1 + 2 + 1)
    assert with_table.raw.endswith(b"\x01" + table.key + b"\x02\x02\x03\x00")


def test_table_that_has_nothing_of_the_message_is_left_out() -> None:
    table = LookupTable(a_key(77), (a_key(4711),))
    plain = v0_message(a_key(1), [calls(2)], BLOCKHASH)
    assert v0_message(a_key(1), [calls(2)], BLOCKHASH, [table]) == plain


def test_length_decides_which_format_a_message_fits() -> None:
    assert fits(v0_message(a_key(1), [calls(31)], BLOCKHASH))
    assert not fits(v0_message(a_key(1), [calls(40)], BLOCKHASH))
    assert fits(v1_message(a_key(1), [calls(40)], BLOCKHASH, BUDGET))
    heavy = Instruction(a_key(9), (), bytes(4_000))
    assert not fits(v1_message(a_key(1), [heavy], BLOCKHASH, BUDGET))


def test_more_accounts_than_a_format_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        v1_message(a_key(1), [calls(63)], BLOCKHASH, BUDGET)
    with pytest.raises(ValueError, match="more than a byte"):
        v0_message(a_key(1), [calls(300)], BLOCKHASH)


def test_first_signature_names_the_transaction_and_all_verify() -> None:
    (payer, pay), (other, agree) = a_signer(1), a_signer(2)
    message = v0_message(payer, [memo("x", other)], BLOCKHASH)
    signed = sign(message, {other: agree, payer: pay})
    first, second = signed.wire[1:65], signed.wire[65:129]
    assert signed.signature == base58.encode(first)
    assert verifies(payer, message.raw, first)
    assert verifies(other, message.raw, second)
    assert not verifies(payer, message.raw, second)
    assert sign(message, {payer: pay, other: agree}) == signed


def test_missing_signer_and_signature_of_another_key_are_refused() -> None:
    (payer, pay), (other, agree) = a_signer(1), a_signer(2)
    message = v0_message(payer, [memo("x", other)], BLOCKHASH)
    with pytest.raises(KeyError):
        sign(message, {payer: pay})
    with pytest.raises(ValueError, match="not one of"):
        sign(message, {payer: pay, other: pay})
    assert not verifies(Pubkey(b"\xff" * 32), b"", bytes(64))
    assert agree(b"x") == agree(b"x")


def test_sol_is_wrapped_into_the_owners_own_account() -> None:
    payer, owner = a_key(1), a_key(2)
    account = associated_token_account(owner, WRAPPED_SOL, TOKEN)
    create, move, sync = wrapped_sol_in(payer, owner, WRAPPED_SOL, 5 * 10**9)
    assert (create.program, move.program, sync.program) == (ASSOCIATED_TOKEN, SYSTEM, TOKEN)
    assert [part.accounts[1].key for part in (create, move)] == [account, account]
    assert sync.accounts == (writable(account),)
    assert move.accounts[0] == AccountMeta(owner, is_signer=True, is_writable=True)
