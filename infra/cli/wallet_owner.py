"""Whose wallet a command is about: an account's own, or what it has registered for the desk."""

import base64
import json
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import click
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.aws.endpoint import Endpoint, EndpointAnswer
from chalicelib.adapters.solana.keys import Pubkey, pubkey
from chalicelib.adapters.solana.kms_key import KmsKey
from chalicelib.adapters.solana.registered_wallets import RegisteredWallets
from chalicelib.adapters.solana.signer import SeedSigner, desk_key_of
from chalicelib.domain.errors import RetryableError
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
    seed = wallet_seed or session.running_seed()
    if not seed:
        raise click.ClickException(
            "whose wallets? Set WALLET_SEED to the engine's, or start the local runtime once"
        )
    return seed.encode()


class _KmsOfBoto3:
    """KMS as a command reaches it: through the shell's proxies, with its authorities and its profile."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def request(
        self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], time_limit_s: float
    ) -> EndpointAnswer:
        del method, path, time_limit_s  # the client has limits of its own
        assert headers["x-amz-target"].endswith(".GetPublicKey"), "a command signs nothing"
        try:
            found = self._client.get_public_key(**json.loads(body))
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            return EndpointAnswer(status, json.dumps({"__type": error.response["Error"]["Code"]}).encode())
        shown = {"KeyUsage": found["KeyUsage"], "PublicKey": base64.b64encode(found["PublicKey"]).decode()}
        return EndpointAnswer(200, json.dumps(shown).encode())


def _kms() -> Endpoint:
    # A third of a second, for few commands.
    from infra.cli.aws_client import aws_client

    return _KmsOfBoto3(aws_client("kms"))


def desk_of(
    session: CliSession,
    wallet_seed: str | None,
    *,
    kms: Callable[[], Endpoint] = _kms,
) -> Pubkey:
    """Return the desk's address: of its key in KMS where ``SOLANA_DESK_KMS_KEY`` names one, else of the seed.

    Raises:
        ClickException: It is not known.
    """
    key_id = os.environ.get("SOLANA_DESK_KMS_KEY")
    if not key_id:
        return desk_key_of(seed_of(session, wallet_seed)).key
    try:
        endpoint = kms()
        return KmsKey(lambda: endpoint, key_id).key
    except (BotoCoreError, RetryableError, ValueError) as error:
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
