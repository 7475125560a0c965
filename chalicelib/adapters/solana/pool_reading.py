"""Pools of all four programs behind one set of functions: what
to read, in which order, and what it amounts to.

First the pool itself, then ``keys_beside`` it and the arrays around its price (``arrays_around``), then those
that only the extension of its bitmap names. For a quote, all of them are read once more in one call, with the
clock: only accounts as of one slot fit together.
"""

from chalicelib.adapters.solana import meteora_damm_v2, meteora_dlmm, raydium_clmm, raydium_cpmm
from chalicelib.adapters.solana.accounts import (
    Accounts,
    Unsupported,
    UnsupportedPoolError,
    present,
)
from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.keys import Pubkey, address_of
from chalicelib.adapters.solana.meteora_damm_v2 import DammV2Accounts
from chalicelib.adapters.solana.meteora_dlmm import DlmmAccounts
from chalicelib.adapters.solana.programs import ProgramIds, SwapProgram
from chalicelib.adapters.solana.raydium_clmm import ClmmAccounts
from chalicelib.adapters.solana.raydium_cpmm import CpmmAccounts
from chalicelib.amm.pools import Pool, TransferFeePool

OnChainPool = CpmmAccounts | ClmmAccounts | DlmmAccounts | DammV2Accounts
"""Each has ``key``, ``mints``, ``vaults``, ``state``, and ``swap``, which returns the instruction."""


def keys_beside(ids: ProgramIds, key: Pubkey, accounts: Accounts) -> tuple[Pubkey, ...]:
    """Return what has to be read beside a pool that was read.

    Raises:
        UnsupportedPoolError: No pool of the four programs is at that address.
    """
    account = present(accounts, key, "pool")
    match _program_of(ids, key, accounts):
        case SwapProgram.CPMM:
            return raydium_cpmm.needs(ids.cpmm, account)
        case SwapProgram.CLMM:
            return raydium_clmm.needs(ids.clmm, key, account)
        case SwapProgram.DLMM:
            return meteora_dlmm.needs(ids.dlmm, key, account)
        case SwapProgram.DAMM_V2:
            return meteora_damm_v2.needs(ids.damm_v2, account)


def arrays_around(ids: ProgramIds, key: Pubkey, accounts: Accounts) -> tuple[Pubkey, ...]:
    """Return the arrays of ticks or bins that a swap of the pool
    may pass, both ways; the other kinds have none.

    Raises:
        UnsupportedPoolError: The pool is not one to trade with.
    """
    match _program_of(ids, key, accounts):
        case SwapProgram.CLMM:
            return raydium_clmm.arrays_needed(ids.clmm, key, accounts)
        case SwapProgram.DLMM:
            return meteora_dlmm.arrays_needed(ids.dlmm, key, accounts)
        case SwapProgram.CPMM | SwapProgram.DAMM_V2:
            return ()


def pool_at(ids: ProgramIds, key: Pubkey, accounts: Accounts, clock: ClockSysvar) -> OnChainPool:
    """Return the pool at an address.

    Raises:
        UnsupportedPoolError: It is not one to trade with.
        KeyError: Something that ``keys_beside`` names was not read.
    """
    match _program_of(ids, key, accounts):
        case SwapProgram.CPMM:
            return raydium_cpmm.decode(ids.cpmm, key, accounts, clock)
        case SwapProgram.CLMM:
            return raydium_clmm.decode(ids.clmm, key, accounts, clock)
        case SwapProgram.DLMM:
            return meteora_dlmm.decode(ids.dlmm, key, accounts, clock)
        case SwapProgram.DAMM_V2:
            return meteora_damm_v2.decode(ids.damm_v2, key, accounts, clock)


def tradable(pool: OnChainPool, epoch: int) -> Pool:
    """Return the pool as its traders see it,
    with the fees that its tokens take from transfers in an epoch.
    """
    first, second = (mint.transfer_fee_at(epoch) for mint in pool.mints)
    if first.basis_points or second.basis_points:
        return TransferFeePool(pool.state, (first, second))
    return pool.state


def _program_of(ids: ProgramIds, key: Pubkey, accounts: Accounts) -> SwapProgram:
    owner = present(accounts, key, "pool").owner
    program = ids.program_of(owner)
    if program is None:
        raise UnsupportedPoolError(Unsupported.WRONG_OWNER, f"a pool is owned by {address_of(owner)}")
    return program
