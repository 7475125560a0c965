"""Raydium CPMM on chain: its accounts as a pool of ours, and the instruction that swaps with it.

After raydium-io/raydium-cp-swap@609780f ``states/pool.rs`` and ``instructions/swap_base_{input,output}.rs``.
"""

from dataclasses import dataclass
from typing import Final

from chalicelib.adapters.solana.accounts import (
    Account,
    Accounts,
    Unsupported,
    UnsupportedPoolError,
    present,
    read_account,
    require,
)
from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.instructions import Instruction, readonly, signer, u64, writable
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.layouts import CPMM_CONFIG, CPMM_POOL
from chalicelib.adapters.solana.pda import derived
from chalicelib.adapters.solana.programs import instruction_discriminator
from chalicelib.adapters.solana.swap_terms import SwapTerms
from chalicelib.adapters.solana.tokens import Mint, mint_of, token_account_of
from chalicelib.amm.raydium_cpmm import FEE_RATE_DENOMINATOR, CpmmFees, CpmmPool, CreatorFeeOn
from chalicelib.domain.swap_mode import SwapMode

_SWAP_DISABLED: Final = 1 << 2
_CREATOR_FEE_ON: Final = {0: CreatorFeeOn.BOTH, 1: CreatorFeeOn.ONLY_0, 2: CreatorFeeOn.ONLY_1}
_SWAP: Final = {
    SwapMode.EXACT_IN: instruction_discriminator("swap_base_input"),
    SwapMode.EXACT_OUT: instruction_discriminator("swap_base_output"),
}


@dataclass(frozen=True, slots=True)
class CpmmAccounts:
    """A pool and what its instructions name."""

    program: Pubkey
    key: Pubkey
    mints: tuple[Mint, Mint]
    vaults: tuple[Pubkey, Pubkey]
    config: Pubkey
    observation: Pubkey
    state: CpmmPool

    def swap(self, terms: SwapTerms) -> Instruction:
        """Return the instruction; nothing else has to be in its transaction."""
        given, got = (0, 1) if terms.token_in == 0 else (1, 0)
        exact_in = terms.mode is SwapMode.EXACT_IN
        numbers = (terms.amount, terms.threshold) if exact_in else (terms.threshold, terms.amount)
        accounts = (
            signer(terms.authority),
            readonly(derived(self.program, b"vault_and_lp_mint_auth_seed")),
            readonly(self.config),
            writable(self.key),
            writable(terms.input_account),
            writable(terms.output_account),
            writable(self.vaults[given]),
            writable(self.vaults[got]),
            readonly(self.mints[given].program),
            readonly(self.mints[got].program),
            readonly(self.mints[given].key),
            readonly(self.mints[got].key),
            writable(self.observation),
        )
        data = _SWAP[terms.mode] + b"".join(u64(number) for number in numbers)
        return Instruction(self.program, accounts, data)


def needs(program: Pubkey, pool: Account) -> tuple[Pubkey, ...]:
    """Return what has to be read beside the pool, at the same slot.

    Raises:
        UnsupportedPoolError: The account is no such pool.
    """
    keys = read_account(pool, CPMM_POOL, program).keys
    names = ("amm_config", "token_0_vault", "token_1_vault", "token_0_mint", "token_1_mint")
    return tuple(keys[name] for name in names)


def decode(program: Pubkey, key: Pubkey, accounts: Accounts, clock: ClockSysvar) -> CpmmAccounts:
    """Return the pool at an address.

    Raises:
        UnsupportedPoolError: It is no such pool, or not one to trade with.
        KeyError: Something that ``needs`` names was not read.
    """
    del clock  # nothing of this kind depends on it before the swap
    ints, keys, _ = read_account(present(accounts, key, "pool"), CPMM_POOL, program)
    rates = read_account(present(accounts, keys["amm_config"], "config"), CPMM_CONFIG, program).ints
    if ints["status"] & _SWAP_DISABLED:
        raise UnsupportedPoolError(Unsupported.SWAP_DISABLED, f"status {ints['status']}")
    if ints["creator_fee_on"] not in _CREATOR_FEE_ON:
        raise UnsupportedPoolError(Unsupported.UNKNOWN_FEE_MODE, f"creator_fee_on {ints['creator_fee_on']}")
    require(
        rates,
        trade_fee_rate=rates["trade_fee_rate"] + rates["creator_fee_rate"] < FEE_RATE_DENOMINATOR,
        protocol_fee_rate=rates["protocol_fee_rate"] + rates["fund_fee_rate"] <= FEE_RATE_DENOMINATOR,
    )
    mints = tuple(mint_of(keys[name], present(accounts, keys[name], "mint")) for name in _MINTS)
    fees = CpmmFees(
        rates["trade_fee_rate"],
        rates["protocol_fee_rate"],
        rates["fund_fee_rate"],
        rates["creator_fee_rate"] if ints["enable_creator_fee"] else 0,
        _CREATOR_FEE_ON[ints["creator_fee_on"]],
    )
    reserves = []
    for token in (0, 1):
        vault = token_account_of(present(accounts, keys[f"token_{token}_vault"], "vault"))
        if vault.mint != keys[f"token_{token}_mint"]:
            raise UnsupportedPoolError(Unsupported.WRONG_POOL, f"vault {token} holds another token")
        if vault.is_frozen:
            raise UnsupportedPoolError(Unsupported.FROZEN_VAULT, f"vault {token}")
        owed = sum(ints[f"{part}_fees_token_{token}"] for part in ("protocol", "fund", "creator"))
        if owed > vault.amount:
            raise UnsupportedPoolError(Unsupported.UNKNOWN_LAYOUT, f"vault {token} owes more than it holds")
        reserves.append(vault.amount - owed)
    return CpmmAccounts(
        program,
        key,
        (mints[0], mints[1]),
        (keys["token_0_vault"], keys["token_1_vault"]),
        keys["amm_config"],
        keys["observation_key"],
        CpmmPool(reserves[0], reserves[1], fees, ints["open_time"]),
    )


_MINTS: Final = ("token_0_mint", "token_1_mint")
