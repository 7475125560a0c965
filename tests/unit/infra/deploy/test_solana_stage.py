"""What a stage on Solana is deployed with, and what is refused before anything is."""

from pathlib import Path

import pytest
import yaml

from chalicelib.adapters.token_list import load_tokens
from chalicelib.config import ConfigurationError, Settings
from infra.deploy.solana_stage import NO_SOLANA, POOLS_FILE, SETTINGS, TOKENS_FILE, solana_stage
from infra.deploy.stacks import template

POOLS = """
[[pools]]
address = "7JuwJuNU88gurFnyWeiyGKbFmExMWcmRZntn9imEzdny"
venue = "raydium"
tokens = ["SOL", "USDC"]
"""
SECRET_URL = "https://node.example/?key=secret"


@pytest.fixture
def devnet(tmp_path: Path) -> dict[str, str]:
    pools = tmp_path / "pools"
    pools.write_text(POOLS)
    return {
        "CHAIN": "solana",
        "SOLANA_CLUSTER": "devnet",
        "SOLANA_RPC_URLS": SECRET_URL,
        "SOLANA_POOLS_FILE": str(pools),
    }


def test_stage_of_the_simulated_market_gets_nothing() -> None:
    assert solana_stage({"SOLANA_CLUSTER": "devnet"}, is_emulated=False) == NO_SOLANA


def test_devnet_gets_its_pools_as_a_file_and_its_nodes_in_no_parameter(devnet: dict[str, str]) -> None:
    stage = solana_stage(devnet, is_emulated=False)
    assert stage.parameters == {
        "Chain": "solana",
        "SolanaPoolsFile": POOLS_FILE,
        "SolanaCluster": "devnet",
    }
    assert dict(stage.files) == {POOLS_FILE: POOLS.encode()}
    assert stage.rpc_urls == SECRET_URL
    assert "secret" not in repr(stage)


def test_tokens_of_a_cluster_go_with_the_package(devnet: dict[str, str], tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_bytes((Path(__file__).parents[4] / "chalicelib" / "tokens.toml").read_bytes())
    stage = solana_stage({**devnet, "TOKENS_FILE": str(tokens)}, is_emulated=False)
    assert stage.files[TOKENS_FILE] == tokens.read_bytes()
    assert stage.parameters["TokensFile"] == TOKENS_FILE


def test_mainnet_needs_its_leave_and_a_cap_for_every_token(devnet: dict[str, str]) -> None:
    mainnet = {**devnet, "SOLANA_CLUSTER": "mainnet"}
    with pytest.raises(ConfigurationError, match="mainnet is refused"):
        solana_stage(mainnet, is_emulated=False)
    with pytest.raises(ConfigurationError, match=r"mainnet is refused: .*USDC"):
        solana_stage({**mainnet, "SOLANA_ALLOW_MAINNET": "1", "SOLANA_CAPS": "SOL=1/10"}, is_emulated=False)
    caps = ",".join(f"{token.symbol}=1/10" for token in load_tokens())
    allowed = {**mainnet, "SOLANA_ALLOW_MAINNET": "1", "SOLANA_CAPS": caps}
    assert solana_stage(allowed, is_emulated=False).parameters["SolanaCaps"] == caps


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"SOLANA_RPC_URLS": ""}, "SOLANA_RPC_URLS"),
        ({"SOLANA_POOLS_FILE": ""}, "SOLANA_POOLS_FILE"),
        ({"SOLANA_CLUSTER": "local"}, "SOLANA_CLUSTER: devnet or mainnet"),
        ({"SOLANA_CLUSTER": ""}, "SOLANA_CLUSTER: devnet or mainnet"),
        ({"SOLANA_WITNESSES": "2"}, "SOLANA_WITNESSES"),
        ({"SOLANA_SIGNER": "kms"}, "SOLANA_KMS_KEYS"),
        ({"SOLANA_POLL_MS": "soon"}, "SOLANA_POLL_MS"),
        ({"TOKENS_FILE": "/nowhere"}, "TOKENS_FILE"),
    ],
)
def test_stage_that_could_execute_nothing_is_not_deployed(
    devnet: dict[str, str], changed: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        solana_stage({**devnet, **changed}, is_emulated=False)


def test_list_of_pools_that_is_wrong_is_not_deployed(devnet: dict[str, str]) -> None:
    Path(devnet["SOLANA_POOLS_FILE"]).write_text('[[pools]]\naddress = "x"')
    with pytest.raises(ConfigurationError, match=r"SOLANA_POOLS_FILE: pools\[0\]"):
        solana_stage(devnet, is_emulated=False)


def test_chain_of_this_machine_is_for_emulators(devnet: dict[str, str]) -> None:
    assert (
        solana_stage({**devnet, "SOLANA_CLUSTER": "local"}, is_emulated=True).parameters["Chain"] == "solana"
    )


def test_every_setting_of_solana_reaches_the_functions_by_the_template() -> None:
    beside = {"SOLANA_RPC_URLS", "SOLANA_RPC_URLS_SECRET_ARN", "SOLANA_POOLS_FILE"}
    known = {name.upper() for name in Settings.model_fields if name.startswith("solana_")}
    assert SETTINGS.keys() | beside == known
    app = template("app")
    assert set(SETTINGS.values()) <= app["Parameters"].keys()
    variables = app["Globals"]["Function"]["Environment"]["Variables"]
    assert known - {"SOLANA_RPC_URLS"} <= variables.keys()
    assert yaml.safe_dump(variables["SOLANA_CAPS"]) == "Ref: SolanaCaps\n"
