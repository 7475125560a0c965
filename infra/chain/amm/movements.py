"""What every swap moves: the input into a vault, the output out of the other, transfer fees on top."""

from collections.abc import Sequence
from typing import NamedTuple

from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.tokens import Mint
from chalicelib.amm.swaps import SwapResult
from infra.chain.amm.anchor import Overlay, Transfer, token_account


class Places(NamedTuple):
    """Whose accounts a swap moves tokens between; the first of each pair is the input's."""

    trader: Pubkey
    vaults_owner: Pubkey
    trader_accounts: tuple[Pubkey, Pubkey]
    vaults: tuple[Pubkey, Pubkey]


def transfers(places: Places, mints: Sequence[Mint], result: SwapResult) -> tuple[Transfer, Transfer]:
    """Return the trader's transfer into the vault and the vault's to the trader; ``mints``: in, then out."""
    source, destination = places.trader_accounts
    into, out_of = places.vaults
    given, taken = mints
    sent = result.amount_out + result.transfer_fee_out
    return (
        Transfer(source, given.key, into, places.trader, result.amount_in, given.decimals, given.program),
        Transfer(out_of, taken.key, destination, places.vaults_owner, sent, taken.decimals, taken.program),
    )


def balances(overlay: Overlay, vaults: tuple[Pubkey, Pubkey], result: SwapResult) -> dict[Pubkey, int]:
    """Return what the vaults hold after a swap, the input's first."""
    into, out_of = vaults
    return {
        into: token_account(overlay, into, "vault").amount + result.amount_in - result.transfer_fee_in,
        out_of: token_account(overlay, out_of, "vault").amount - result.amount_out - result.transfer_fee_out,
    }
