"""Whether Lambda has room for the variables of a stage's functions: asked before anything is changed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from chalicelib.config import ConfigurationError
from infra.deploy.__main__ import main
from infra.deploy.stacks import stage_values, template
from infra.deploy.variables import BYTES_MAX, check_variables, variables_of, with_later

JWT = {"AuthMode": "jwt", "JwksUrl": "https://issuer.example/keys", "JwtSecret": "secret"}
POOLS = """
[[pools]]
address = "7JuwJuNU88gurFnyWeiyGKbFmExMWcmRZntn9imEzdny"
venue = "raydium"
tokens = ["SOL", "USDC"]
"""
KEYS = ",".join(f"account-{number}=12345678-1234-1234-1234-{number:012}" for number in range(80))


def variables(**values: str) -> dict[str, str]:
    return variables_of(template("app"), with_later({**stage_values("dev"), **JWT, **values}, "eu-central-1"))


def test_stage_on_aws_has_what_is_known_and_what_is_made_later_at_its_length() -> None:
    found = variables()
    assert (found["STAGE"], found["JWKS_URL"], found["ORDERS_QUEUE_NAME"], found["METRICS"]) == (
        "dev",
        JWT["JwksUrl"],
        "orderflow-dev-orders",
        "0",
    )
    arn = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:orderflow/dev/database-Ab12Cd"
    assert len(found["DATABASE_SECRET_ARN"]) == len(arn)
    url = "https://z9y8x7w6v5.execute-api.eu-central-1.amazonaws.com/ws"
    assert len(found["CONNECTIONS_URL"]) == len(url)
    assert not {"LOCAL_GATEWAY_HOST", "JWT_SECRET", "AWS_ENDPOINT_URL"} & found.keys()
    assert found["SOLANA_RPC_URLS_SECRET_ARN"] == found["SOLANA_DESK_KMS_KEY"] == ""


def test_stage_in_an_emulator_has_what_only_that_may_have() -> None:
    found = variables(AuthMode="none", EmulatorUrl="http://127.0.0.1:4566")
    assert (found["STAGE"], found["LOCAL_GATEWAY_HOST"]) == ("local", "127.0.0.1")
    assert found["CONNECTIONS_URL"] == "http://127.0.0.1:4566/_aws/execute-api/abcdefghij/ws"


def test_stage_on_solana_has_its_nodes_secret_and_a_desk_its_key() -> None:
    found = variables(Chain="solana", SolanaSigner="desk")
    assert found["SOLANA_RPC_URLS_SECRET_ARN"].startswith("arn:aws:secretsmanager:eu-central-1:")
    assert found["SOLANA_DESK_KMS_KEY"].startswith("arn:aws:kms:eu-central-1:")
    assert variables(SolanaSigner="desk", SolanaDeskKmsKey="own")["SOLANA_DESK_KMS_KEY"] == "own"


def test_variables_are_taken_up_to_the_last_byte_and_refused_beyond_by_name_and_size() -> None:
    beside = {"SMALL": "1", "QUOTED": '"'}
    room = BYTES_MAX - len(json.dumps({**beside, "LARGE": ""}, separators=(",", ":")))
    check_variables({**beside, "LARGE": "x" * room})
    with pytest.raises(ConfigurationError) as refused:
        check_variables({**beside, "LARGE": "x" * room + "y"})
    assert "have 4,097 bytes, and Lambda takes 4,096" in str(refused.value)
    assert "LARGE 4,0" in str(refused.value)
    assert "xxx" not in str(refused.value)


SHELL = {
    "AWS_REGION": "eu-central-1",
    "CHAIN": "solana",
    "SOLANA_CLUSTER": "devnet",
    "SOLANA_RPC_URLS": "https://node.example",
    "SOLANA_SIGNER": "kms",
    "SOLANA_KMS_KEYS": KEYS,
    "JWKS_URL": "https://issuer.example/keys",
    "JWT_ISSUER": "https://issuer.example",
    "JWT_AUDIENCE": "orderflow",
}


@pytest.mark.parametrize("beside", [[], ["--stacks-only"]], ids=["with code", "beside chalice deploy"])
@pytest.mark.parametrize("decided", [[], ["--yes"]], ids=["plan", "yes"])
def test_deployment_with_too_many_keys_is_refused_before_it_begins(
    tmp_path: Path, beside: list[str], decided: list[str]
) -> None:
    pools = tmp_path / "pools"
    pools.write_text(POOLS)
    environment = {**SHELL, "SOLANA_POOLS_FILE": str(pools)}
    done = CliRunner().invoke(main, ["--target", "aws", *beside, *decided], env=environment)
    assert done.exit_code == 1
    assert f"SOLANA_KMS_KEYS {len(KEYS) + 21:,}" in done.output
    assert "packaging" not in done.output


def test_variable_of_config_json_that_a_deployment_decides_itself_is_named(tmp_path: Path) -> None:
    pools = tmp_path / "pools"
    pools.write_text(POOLS)
    own = {"STAGE": "dev", "RETENTION_DAYS": "7", "SOLANA_WITNESSES": "2", "JWT_SECRET": "s3cret"}
    (tmp_path / ".chalice").mkdir()
    config = {"stages": {"dev": {"environment_variables": own}}}
    (tmp_path / ".chalice" / "config.json").write_text(json.dumps(config))
    environment = {**SHELL, "SOLANA_POOLS_FILE": str(pools)}
    done = CliRunner().invoke(main, ["--target", "aws", "--app", str(tmp_path)], env=environment)
    assert "SOLANA_WITNESSES in config.json is not taken" in done.output
    assert "JWT_SECRET in config.json is not taken" in done.output
    assert not any(text in done.output for text in ("RETENTION_DAYS in", "STAGE in", "s3cret"))
