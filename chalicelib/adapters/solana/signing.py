"""Signatures: Ed25519 over a message's bytes. The first one names the transaction."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chalicelib.adapters import base58
from chalicelib.adapters.solana.keys import Pubkey, address_of
from chalicelib.adapters.solana.messages import CompiledMessage, wire_of

Sign = Callable[[bytes], bytes]
"""Returns the 64 bytes of a signature; the same message gives the same signature (RFC 8032)."""


class SignedBytes(NamedTuple):
    """A transaction as it is sent, and its name, which is known before anything is sent."""

    signature: str
    wire: bytes


def sign(message: CompiledMessage, signers: Mapping[Pubkey, Sign]) -> SignedBytes:
    """Return the signed transaction.

    Raises:
        KeyError: A signer of the message is not among those given.
        ValueError: A signature does not verify: it was made with another key.
    """
    signatures = [signers[key](message.raw) for key in message.signers]
    for key, signature in zip(message.signers, signatures, strict=True):
        if not verifies(key, message.raw, signature):
            raise ValueError(f"the signature is not one of {address_of(key)}")
    return SignedBytes(base58.encode(signatures[0]), wire_of(message, signatures))


def verifies(key: Pubkey, message: bytes, signature: bytes) -> bool:
    """Return whether the holder of a key signed a message."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
