"""A stage's login, read from its secret."""

import json

import boto3
import click
import pytest
from moto import mock_aws

from infra.cli.database_login import DatabaseLogin

LOGIN = {"username": "a", "password": "p@ss/word", "host": "db", "port": 5432, "dbname": "orderflow"}


@pytest.fixture(autouse=True)
def _shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


def kept(secret: str) -> str:
    client = boto3.Session(region_name="eu-west-1").client("secretsmanager")
    arn: str = client.create_secret(Name="login", SecretString=secret)["ARN"]
    return arn


@mock_aws
def test_login_of_a_secret_is_the_database_at_the_host_that_is_named_instead() -> None:
    arn = kept(json.dumps(LOGIN))
    assert DatabaseLogin(arn).url() == "postgresql://a:p%40ss%2Fword@db:5432/orderflow"
    assert DatabaseLogin("login", "proxy").url() == "postgresql://a:p%40ss%2Fword@proxy:5432/orderflow"


@mock_aws
@pytest.mark.parametrize(
    ("secret", "told"),
    [("p@ss/word", "no JSON"), (json.dumps({"username": "a"}), "lacks 'password'"), ("[1]", "lacks")],
)
def test_secret_of_another_form_is_told_without_what_is_in_it(secret: str, told: str) -> None:
    kept(secret)
    with pytest.raises(click.ClickException, match=told) as caught:
        DatabaseLogin("login").url()
    assert "p@ss" not in caught.value.message


@mock_aws
def test_secret_that_is_not_there_and_a_shell_without_a_region_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(click.ClickException, match=r"cannot be read: .*ResourceNotFoundException"):
        DatabaseLogin("none").url()
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "nowhere")
    with pytest.raises(click.ClickException, match="You must specify a region"):
        DatabaseLogin("none").url()
