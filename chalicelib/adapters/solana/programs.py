"""Who is who on the chain: program ids per cluster, well-known accounts, and discriminators.

Anchor programs name what an account, an instruction or an event is by its first eight bytes.
Several of these programs share names, and so bytes: dispatch on (program, discriminator), never
on the discriminator alone. Ids: raydium-io/raydium-cp-swap@609780f and raydium-io/raydium-clmm@03b44b7
``lib.rs``, MeteoraAg/dlmm-sdk@fb02e51 ``ts-client/src/dlmm/constants/index.ts``, MeteoraAg/damm-v2@a3d3827
``lib.rs``; docs.raydium.io ``reference/program-addresses`` for devnet.
"""

import hashlib
from enum import StrEnum
from typing import Final, NamedTuple

from chalicelib.adapters.solana.keys import Pubkey, pubkey

SYSTEM: Final = pubkey("11111111111111111111111111111111")
TOKEN: Final = pubkey("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022: Final = pubkey("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
ASSOCIATED_TOKEN: Final = pubkey("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
MEMO: Final = pubkey("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
COMPUTE_BUDGET: Final = pubkey("ComputeBudget111111111111111111111111111111")
INSTRUCTIONS_SYSVAR: Final = pubkey("Sysvar1nstructions1111111111111111111111111")
CLOCK_SYSVAR: Final = pubkey("SysvarC1ock11111111111111111111111111111111")
SYSVARS: Final = pubkey("Sysvar1111111111111111111111111111111111111")
WRAPPED_SOL: Final = pubkey("So11111111111111111111111111111111111111112")

TOKEN_PROGRAMS: Final = frozenset({TOKEN, TOKEN_2022})


class Cluster(StrEnum):
    MAINNET = "mainnet"
    DEVNET = "devnet"
    LOCAL = "local"  # a chain of one's own, with mainnet's programs


class SwapProgram(StrEnum):
    """The four programs that this package trades with."""

    CPMM = "raydium_cpmm"
    CLMM = "raydium_clmm"
    DLMM = "meteora_dlmm"
    DAMM_V2 = "meteora_damm_v2"


VENUES: Final = {
    SwapProgram.CPMM: "raydium",
    SwapProgram.CLMM: "raydium",
    SwapProgram.DLMM: "meteora",
    SwapProgram.DAMM_V2: "meteora",
}
"""What clients know the programs' makers by, unless a list of pools says otherwise."""


class ProgramIds(NamedTuple):
    """The swap programs of a cluster."""

    cpmm: Pubkey
    clmm: Pubkey
    dlmm: Pubkey
    damm_v2: Pubkey

    def program_of(self, owner: Pubkey) -> SwapProgram | None:
        """Return which of the four owns an account, None if none does."""
        for program, key in zip(SwapProgram, self, strict=True):
            if key == owner:
                return program
        return None


_DLMM: Final = pubkey("LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo")
_DAMM_V2: Final = pubkey("cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG")

_MAINNET: Final = ProgramIds(
    pubkey("CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C"),
    pubkey("CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK"),
    _DLMM,
    _DAMM_V2,
)

PROGRAM_IDS: Final = {
    Cluster.LOCAL: _MAINNET,
    Cluster.MAINNET: _MAINNET,
    Cluster.DEVNET: ProgramIds(
        pubkey("DRaycpLY18LhpbydsBWbVJtxpNv9oXPgjRSfpF2bWpYb"),
        pubkey("DRayAUgENGQBKVaX8owNhgzkEDyoHTGVEGHVJT1E9pfH"),
        _DLMM,
        _DAMM_V2,
    ),
}

DISCRIMINATOR_BYTES: Final = 8


def account_discriminator(name: str) -> bytes:
    """Return the first bytes of every account of this name."""
    return _discriminator(f"account:{name}")


def instruction_discriminator(name: str) -> bytes:
    """Return the first bytes of the data of every instruction of this name."""
    return _discriminator(f"global:{name}")


def event_discriminator(name: str) -> bytes:
    """Return the first bytes of every event of this name."""
    return _discriminator(f"event:{name}")


def _discriminator(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:DISCRIMINATOR_BYTES]
