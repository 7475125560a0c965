"""Whose wallet a command is about: an account's own, or what it has registered for the desk."""

from typing import NamedTuple

import click

from chalicelib.adapters.solana.keys import Pubkey, pubkey
from chalicelib.adapters.solana.registered_wallets import RegisteredWallets
from chalicelib.adapters.solana.signer import SeedSigner, desk_key_of
from infra.cli.session import CliSession


class WalletOwner(NamedTuple):
    """A wallet and, where a desk trades with it, the desk's key.

    Attributes:
        is_registered: Of the desk's account: whether it has proven a wallet; then ``wallet`` is that.
    """

    wallet: Pubkey
    desk: Pubkey | None = None
    is_registered: bool = False


def seed_of(session: CliSession, wallet_seed: str | None) -> bytes:
    """Return what wallets, the desk's key and challenges derive from.

    Raises:
        ClickException: It is not known.
    """
    seed = wallet_seed or session.running_secret("WALLET_SEED")
    if not seed:
        raise click.ClickException(
            "whose wallets? Set WALLET_SEED to the engine's, or start the local runtime once"
        )
    return seed.encode()


def wallet_of(
    session: CliSession, account_id: str, *, address: str | None, signer: str, wallet_seed: str | None
) -> WalletOwner:
    """Return the wallet of an account, by the signer that is in force, or the one that is named.

    Raises:
        ClickException: It cannot be told.
    """
    if address is not None:
        return WalletOwner(pubkey(address))
    seed = seed_of(session, wallet_seed)
    if signer == "seed":
        return WalletOwner(SeedSigner(seed).wallet(account_id).owner)
    desk = desk_key_of(seed).key
    owner = RegisteredWallets(session.engine).owner_of(account_id)
    return WalletOwner(owner or desk, desk, owner is not None)
