"""Public keys: 32 bytes inside, base58 text at the borders."""

from functools import lru_cache
from typing import Final, NewType

from chalicelib.adapters import base58

Pubkey = NewType("Pubkey", bytes)
"""An address: the public key of a wallet, or what a program derives (``derived``)."""

KEY_BYTES: Final = 32
NO_KEY: Final = Pubkey(bytes(KEY_BYTES))
"""All zeros: what programs store where there is no key. It is also the system program's address."""

_KEPT: Final = 8192


@lru_cache(maxsize=_KEPT)
def pubkey(text: str) -> Pubkey:
    """Return the key that a text stands for.

    Raises:
        ValueError: It is not base58 of 32 bytes.
    """
    raw = base58.decode(text)
    if len(raw) != KEY_BYTES:
        raise ValueError(f"an address has {KEY_BYTES} bytes, {text!r} has {len(raw)}")
    return Pubkey(raw)


@lru_cache(maxsize=_KEPT)
def address_of(key: Pubkey) -> str:
    """Return the base58 text of a key."""
    return base58.encode(key)
