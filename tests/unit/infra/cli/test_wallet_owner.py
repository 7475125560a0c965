"""Whose key the desk's is: that of KMS where one is named, and never the seed's instead."""

import base64
import json

import click
import pytest

from chalicelib.adapters.solana.signer import desk_key_of
from infra.cli.session import CliSession
from infra.cli.wallet_owner import desk_of, wallet_of
from tests.fakes.http_server import scripted_server
from tests.unit.adapters.solana.test_kms_key import HELD, SPKI, FakeKms

SEED = "the engine's seed"


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> CliSession:
    proxies = ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")
    for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "SOLANA_DESK_KMS_KEY", *proxies):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return CliSession("postgresql://nobody@127.0.0.1:9/none", is_json=True)


def test_desk_without_a_key_in_kms_is_the_seeds(session: CliSession) -> None:
    assert desk_of(session, SEED) == desk_key_of(SEED.encode()).key


def test_desk_whose_key_is_in_kms_is_that_key(session: CliSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLANA_DESK_KMS_KEY", "alias/desk")
    assert desk_of(session, SEED, kms=FakeKms) == HELD.key
    with pytest.raises(click.ClickException, match="SOLANA_DESK_KMS_KEY names alias/desk"):
        desk_of(session, SEED, kms=lambda: FakeKms(PublicKey=b"of another kind"))


def test_key_in_kms_that_cannot_be_read_is_told_and_not_replaced_by_the_seeds(
    session: CliSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLANA_DESK_KMS_KEY", "none")
    body = b'{"__type":"AccessDeniedException"}'
    denied = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with scripted_server(denied) as kms:
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", kms.address.geturl())
        for ask in (
            lambda: desk_of(session, SEED),
            lambda: wallet_of(session, "alice", address=None, signer="desk", wallet_seed=SEED),
        ):
            with pytest.raises(click.ClickException, match="SOLANA_DESK_KMS_KEY names none"):
                ask()


def test_key_in_kms_is_read_through_the_shells_proxy(
    session: CliSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLANA_DESK_KMS_KEY", "alias/desk")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://kms.test")
    shown = {"KeyUsage": "SIGN_VERIFY", "PublicKey": base64.b64encode(SPKI).decode()}
    body = json.dumps(shown).encode()
    with scripted_server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.address.geturl())
        assert desk_of(session, SEED) == HELD.key


def test_key_in_kms_is_not_asked_for_without_a_login(
    session: CliSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLANA_DESK_KMS_KEY", "alias/desk")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    with pytest.raises(click.ClickException, match="Unable to locate credentials"):
        desk_of(session, SEED)
