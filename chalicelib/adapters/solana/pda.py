"""Addresses that programs derive: no private key can sign for them, since they lie off the curve.

After ``Pubkey::find_program_address`` of anza-xyz/agave.
"""

import hashlib
from functools import lru_cache
from typing import Final

from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.programs import ASSOCIATED_TOKEN

_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_MARKER: Final = b"ProgramDerivedAddress"
SEED_BYTES_MAX: Final = 32
_KEPT: Final = 16_384


@lru_cache(maxsize=_KEPT)
def derived(program: Pubkey, *seeds: bytes) -> Pubkey:
    """Return the address that a program derives from seeds; it costs about half a millisecond once.

    Raises:
        ValueError: A seed is longer than 32 bytes, or no bump leads off the curve.
    """
    if any(len(seed) > SEED_BYTES_MAX for seed in seeds):
        raise ValueError(f"a seed has at most {SEED_BYTES_MAX} bytes")
    begun = hashlib.sha256(b"".join(seeds))
    for bump in range(255, -1, -1):
        hashed = begun.copy()
        hashed.update(bytes([bump]) + program + _MARKER)
        candidate = hashed.digest()
        if not is_on_curve(candidate):
            return Pubkey(candidate)
    raise ValueError("no bump leads off the curve")


def is_on_curve(raw: bytes) -> bool:
    """Return whether 32 bytes are a point of Ed25519, that is a key that may sign."""
    y = int.from_bytes(raw, "little") & (1 << 255) - 1
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    # x² = u/v has a root if u·v is a square (Euler's criterion).
    return pow(u * v, (_P - 1) // 2, _P) in {0, 1}


def associated_token_account(wallet: Pubkey, mint: Pubkey, token_program: Pubkey) -> Pubkey:
    """Return the associated token account: the one of a wallet and mint that follows from their keys."""
    return derived(ASSOCIATED_TOKEN, wallet, token_program, mint)
