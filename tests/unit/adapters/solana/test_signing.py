"""Signatures: none is let through that its key did not make."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.signing import verifies

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


def public(key: Ed25519PrivateKey) -> Pubkey:
    return Pubkey(key.public_key().public_bytes_raw())


@given(st.binary(max_size=200))
def test_signature_is_its_keys_over_its_message_alone(message: bytes) -> None:
    signature = KEY.sign(message)
    assert verifies(public(KEY), message, signature)
    assert not verifies(public(OTHER), message, signature)
    assert not verifies(public(KEY), message + b"\0", signature)
    assert not verifies(public(KEY), message, bytes([signature[0] ^ 1]) + signature[1:])


def test_bytes_that_are_no_key_or_no_signature_verify_nothing() -> None:
    assert not verifies(Pubkey(b"short"), b"m", KEY.sign(b"m"))
    assert not verifies(public(KEY), b"m", b"")
