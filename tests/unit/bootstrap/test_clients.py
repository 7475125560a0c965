"""Clients of the outside: made when they are needed, and refused where something is missing."""

import json
from pathlib import Path

import botocore.session
import pytest

from chalicelib.bootstrap.clients import Clients
from chalicelib.config import ConfigurationError, Settings
from chalicelib.domain.errors import RetryableError

NOBODY = "postgresql://nobody@127.0.0.1:1/none"
LOGIN = {"username": "app", "password": "p", "host": "db", "dbname": "orders"}


class KeptSecrets:
    """``Secrets`` whose values are known."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts

    def text(self, arn: str, *, is_fresh: bool = False) -> str:
        del is_fresh
        return self.texts[arn]


def clients(secrets: KeptSecrets | None = None, **settings: str) -> Clients:
    made = Clients(Settings(**settings))
    if secrets is not None:
        vars(made)["secrets"] = secrets
    return made


def test_wallet_seed_is_the_settings_own_or_the_secrets() -> None:
    secrets = KeptSecrets(arn="from the secret")
    assert clients(secrets, wallet_seed="own", wallet_seed_secret_arn="arn").wallet_seed() == "own"
    assert clients(secrets, wallet_seed_secret_arn="arn").wallet_seed() == "from the secret"


@pytest.mark.parametrize("arn", ["", "arn"])
def test_empty_wallet_seed_is_none(arn: str) -> None:
    with pytest.raises(ConfigurationError, match="WALLET_SEED"):
        clients(KeptSecrets(arn=""), wallet_seed_secret_arn=arn).wallet_seed()


@pytest.mark.parametrize("place", ["variables", "file"])
def test_requests_are_signed_with_the_credentials_that_a_session_finds(
    place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = ofthefile\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    if place == "variables":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ofthevariables")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "for-an-hour")
    (request,) = clients().endpoint("http://127.0.0.1:1", "sqs").signed_posts("/", [b""])
    signed = request.decode()
    assert f"Credential=ofthe{place}/" in signed
    assert ("x-amz-security-token: for-an-hour" in signed.lower()) == (place == "variables")


def test_requests_that_cannot_be_signed_are_refused_before_they_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)

    class Anonymous(botocore.session.Session):
        def get_credentials(self) -> None:
            return None

    made = clients()
    vars(made)["_aws"] = Anonymous()
    with pytest.raises(ConfigurationError, match="sqs"):
        made.endpoint("http://127.0.0.1:1", "sqs")


def test_authorities_that_are_not_where_they_are_said_to_be_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with pytest.raises(ConfigurationError, match="AWS_CA_BUNDLE"):
        clients(aws_ca_bundle="/nowhere.pem").endpoint("https://127.0.0.1:1", "sqs")


def test_engine_is_made_without_a_connection_and_kept() -> None:
    made = clients(database_url=NOBODY)
    assert made.engine is made.engine
    assert str(made.engine.url.host) == "127.0.0.1"


def test_login_in_a_secret_is_read_when_the_engine_is_made_and_reached_by_the_proxy() -> None:
    made = clients(KeptSecrets(arn=json.dumps(LOGIN)), database_secret_arn="arn", database_host="127.0.0.2")
    assert (made.engine.url.username, made.engine.url.host) == ("app", "127.0.0.2")


def test_database_that_takes_no_connection_does_not_pass_its_check() -> None:
    with pytest.raises(RetryableError):
        clients(database_url=NOBODY).check_database()


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("hunter2", "no JSON object of texts"),
        ('["app", "hunter2"]', "no JSON object of texts"),
        ('{"username": "app", "password": 7}', "no JSON object of texts"),
        ('{"username": "app", "password": "hunter2"}', "lacks 'host'"),
        (json.dumps(LOGIN | {"port": "hunter2"}), "its host, port or sslmode is none"),
        (json.dumps(LOGIN | {"port": None}), "its host, port or sslmode is none"),
        (json.dumps(LOGIN | {"host": "[::hunter2"}), "its host, port or sslmode is none"),
        (json.dumps(LOGIN | {"sslmode": "hunter2"}), "its host, port or sslmode is none"),
    ],
)
def test_database_secret_that_is_no_login_is_a_fault_that_passes_once_it_is_mended(
    secret: str, problem: str
) -> None:
    secrets = KeptSecrets(arn=secret)
    made = clients(secrets, database_secret_arn="arn")
    with pytest.raises(RetryableError, match=problem) as caught:
        _ = made.engine
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    secrets.texts["arn"] = json.dumps(LOGIN)
    assert made.engine.url.host == "db"


def test_database_that_no_variable_names_is_asked_for_by_name() -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        _ = clients().engine
