"""``orderflow token``: what it prints is good where it should be."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from chalicelib.adapters.jwt_keys import SharedSecret
from chalicelib.adapters.jwt_verifier import JwtVerifier
from infra.cli.orderflow import orderflow
from tests.security.tokens import SECRET


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "secrets.json").write_text(json.dumps({"JWT_SECRET": SECRET}))
    return tmp_path


def test_token_is_good_for_the_runtime_whose_secret_signed_it(home: Path) -> None:
    printed = CliRunner().invoke(
        orderflow, ["token", "--account", "alice"], env={"ORDERFLOW_HOME": str(home)}
    )
    verifier = JwtVerifier(
        SharedSecret(SECRET), algorithm="HS256", issuer="orderflow-local", audience="orderflow", leeway_s=0
    )
    assert verifier.verify(printed.output.strip()).account_id == "alice"


def test_account_that_cannot_be_one_is_refused(home: Path) -> None:
    result = CliRunner().invoke(orderflow, ["token", "--account", "a b"], env={"ORDERFLOW_HOME": str(home)})
    assert result.exit_code != 0
    assert "visible ASCII" in result.output


def test_without_a_runtimes_secret_the_command_says_what_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(orderflow, ["token"], env={"ORDERFLOW_HOME": str(tmp_path)})
    assert result.exit_code != 0
    assert "start the runtime once" in result.output
