"""Who can sign what, and when it may land."""

from dataclasses import replace
from uuid import UUID

import pytest

from chalicelib.adapters import base58
from chalicelib.adapters.simulated_market.transactions import (
    VALIDITY_BLOCKS,
    OwnSignatures,
    can_land,
    sign,
    signed_text,
    verified,
    wallet_of,
)
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import InstructedLeg, InstructedPath, SignedTransaction, SwapInstruction

SEED = b"some seed"
INSTRUCTION = SwapInstruction(
    account_id="alice",
    order_id=UUID(int=7),
    attempt=1,
    swap_mode=SwapMode.EXACT_OUT,
    input_token="SOL",
    output_token="USDC",
    paths=(InstructedPath(("SOL", "USDC"), ((InstructedLeg("a-pool", 2**64 - 1),),)),),
    threshold_units=2**70,
)


def a_transaction(account_id: str = "alice", *, height: int = 1_000) -> SignedTransaction:
    return sign(wallet_of(SEED, account_id), INSTRUCTION, genesis="g", height=height)[0]


def test_signed_transaction_reads_back_whole() -> None:
    transaction = a_transaction()
    found = verified(transaction.signature, transaction.payload)
    assert found is not None
    assert found.message.instruction == INSTRUCTION
    assert found.message.wallet == wallet_of(SEED, "alice").address
    assert found.message.last_valid_height == transaction.last_valid_height == 1_000 + VALIDITY_BLOCKS


def test_same_content_has_the_same_signature_and_another_height_another() -> None:
    assert a_transaction() == a_transaction()
    assert a_transaction().signature != a_transaction(height=1_001).signature
    assert len(base58.decode(a_transaction().signature)) == 64


def test_each_account_has_a_wallet_of_its_own_that_depends_on_the_seed() -> None:
    addresses = {wallet_of(seed, name).address for seed in (SEED, b"another") for name in ("alice", "bob")}
    assert len(addresses) == 4
    assert {len(base58.decode(address)) for address in addresses} == {32}


def test_signature_of_another_wallet_or_of_other_bytes_is_not_accepted() -> None:
    mine, theirs = a_transaction("alice"), a_transaction("bob")
    assert verified(theirs.signature, mine.payload) is None
    assert verified(mine.signature, mine.payload + b" ") is None
    assert verified("not base58: 0", mine.payload) is None
    assert verified("", mine.payload) is None


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff", b"[1]", b'{"version": 1}'])
def test_bytes_that_are_no_transaction_are_not_accepted(payload: bytes) -> None:
    assert verified(a_transaction().signature, payload) is None


def test_transaction_of_earlier_releases_is_its_text() -> None:
    transaction = a_transaction()
    text = signed_text(transaction.payload)
    assert len(transaction.payload) < len(text) / 2
    assert (
        verified(transaction.signature, text)
        == verified(transaction.signature, transaction.payload)
        is not None
    )


def test_unknown_version_is_not_accepted_even_if_signed() -> None:
    wallet, transaction = wallet_of(SEED, "alice"), a_transaction()
    payload = signed_text(transaction.payload).replace(b'"version":1', b'"version":2')
    assert b'"version":2' in payload
    assert verified(base58.encode(wallet.sign(payload)), payload) is None


@pytest.mark.parametrize(
    ("height", "is_valid"),
    [(999, False), (1_000, True), (1_000 + VALIDITY_BLOCKS, True), (1_001 + VALIDITY_BLOCKS, False)],
)
def test_validity_begins_at_the_signing_height_and_ends_after_the_last(
    height: int, *, is_valid: bool
) -> None:
    transaction = a_transaction()
    found = verified(transaction.signature, transaction.payload)
    assert found is not None
    assert can_land(found.message, genesis="g", height=height) is is_valid
    assert not can_land(found.message, genesis="another chain", height=height)


def test_validity_cannot_be_stretched_by_naming_a_later_height() -> None:
    transaction = a_transaction()
    found = verified(transaction.signature, transaction.payload)
    assert found is not None
    stretched = replace(found.message, last_valid_height=found.message.last_valid_height + 1)
    assert not can_land(stretched, genesis="g", height=1_010)


def test_own_signature_is_known_once_and_then_proved_like_any_other() -> None:
    transaction, message = sign(wallet_of(SEED, "alice"), INSTRUCTION, genesis="g", height=1_000)
    own = OwnSignatures()
    own.keep(transaction, message)
    assert own.verified(transaction.signature, transaction.payload) is message
    assert own.verified(transaction.signature, transaction.payload) == message


def test_own_signature_does_not_speak_for_other_bytes() -> None:
    transaction, message = sign(wallet_of(SEED, "alice"), INSTRUCTION, genesis="g", height=1_000)
    own = OwnSignatures()
    own.keep(transaction, message)
    assert own.verified(transaction.signature, transaction.payload + b" ") is None
