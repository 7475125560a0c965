"""Whose wallet a command is about: an account's own, or what it has registered for the desk."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import NamedTuple

import click
from botocore.exceptions import BotoCoreError, NoCredentialsError, NoRegionError

from chalicelib.adapters.aws.endpoint import AwsEndpoint, Endpoint
from chalicelib.adapters.solana.keys import Pubkey, pubkey
from chalicelib.adapters.solana.kms_key import KmsKey
from chalicelib.adapters.solana.registered_wallets import RegisteredWallets
from chalicelib.adapters.solana.signer import SeedSigner, desk_key_of
from chalicelib.domain.errors import RetryableError
from infra.cli.session import CliSession
from infra.region import region_of


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
    seed = wallet_seed or session.running_seed()
    if not seed:
        raise click.ClickException(
            "whose wallets? Set WALLET_SEED to the engine's, or start the local runtime once"
        )
    return seed.encode()


@contextmanager
def _kms() -> Iterator[Endpoint]:
    # A third of a second, for few commands.
    import boto3

    session = boto3.Session(region_name=region_of(os.environ))
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    region = session.region_name
    if region is None:
        raise NoRegionError
    url = session.client("kms").meta.endpoint_url
    with closing(AwsEndpoint(url, service="kms", region=region, credentials=credentials)) as endpoint:
        yield endpoint


def desk_of(
    session: CliSession,
    wallet_seed: str | None,
    *,
    kms: Callable[[], AbstractContextManager[Endpoint]] = _kms,
) -> Pubkey:
    """Return the desk's address: of its key in KMS where ``SOLANA_DESK_KMS_KEY`` names one, else of the seed.

    Raises:
        ClickException: It is not known.
    """
    key_id = os.environ.get("SOLANA_DESK_KMS_KEY")
    if not key_id:
        return desk_key_of(seed_of(session, wallet_seed)).key
    try:
        with kms() as endpoint:
            return KmsKey(lambda: endpoint, key_id).key
    except (BotoCoreError, RetryableError) as error:
        raise click.ClickException(
            f"whose desk? SOLANA_DESK_KMS_KEY names {key_id}, and its address cannot be read: {error}"
        ) from error


def wallet_of(
    session: CliSession, account_id: str, *, address: str | None, signer: str, wallet_seed: str | None
) -> WalletOwner:
    """Return the wallet of an account, by the signer that is in force, or the one that is named.

    Raises:
        ClickException: It cannot be told.
    """
    if address is not None:
        return WalletOwner(pubkey(address))
    if signer == "seed":
        return WalletOwner(SeedSigner(seed_of(session, wallet_seed)).wallet(account_id).owner)
    desk = desk_of(session, wallet_seed)
    owner = RegisteredWallets(session.engine).owner_of(account_id)
    return WalletOwner(owner or desk, desk, owner is not None)
