"""Solana's settings: what is refused, with every reason at once, and above all mainnet's money."""

from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.solana.spending import SpendCaps
from chalicelib.adapters.token_list import load_tokens
from chalicelib.bootstrap.solana_settings import check_solana, kms_keys, spend_caps
from chalicelib.config import ClusterName, ConfigurationError, Settings, SignerName

TOKENS = load_tokens()
CAPS = ",".join(f"{token.symbol}=1/10" for token in TOKENS)


@pytest.fixture
def pools_file(tmp_path: Path) -> str:
    path = tmp_path / "pools.toml"
    path.write_text("pools = []")
    return str(path)


def settings(pools_file: str, **others: Any) -> Settings:
    return Settings(**({"solana_rpc_urls": "http://node", "solana_pools_file": pools_file} | others))


def test_nodes_and_a_list_of_pools_are_enough_for_a_local_chain(pools_file: str) -> None:
    check_solana(settings(pools_file), TOKENS)


def test_everything_that_is_missing_is_told_at_once() -> None:
    with pytest.raises(
        ConfigurationError, match=r"SOLANA_RPC_URLS: is missing.*; SOLANA_POOLS_FILE: is missing"
    ):
        check_solana(Settings(), TOKENS)


@pytest.mark.parametrize(
    ("others", "problem"),
    [
        ({"solana_pools_file": "/nowhere/pools.toml"}, "SOLANA_POOLS_FILE: there is no file"),
        ({"solana_witnesses": 2}, "SOLANA_WITNESSES: 2 cannot be found among 1 nodes"),
        # One address is one witness, however often it is written.
        (
            {"solana_witnesses": 2, "solana_rpc_urls": "http://node, http://node/"},
            "SOLANA_WITNESSES: 2 cannot be found among 1 nodes",
        ),
        ({"solana_signer": SignerName.KMS}, "SOLANA_KMS_KEYS: is missing"),
        ({"solana_caps": "SOL=1"}, "SOLANA_CAPS: SOL needs two amounts"),
        ({"solana_caps": "SOL=1/x"}, "SOLANA_CAPS: SOL"),
        ({"solana_caps": "NIL=1/2"}, "SOLANA_CAPS: 'NIL' is no token"),
        ({"solana_caps": "SOL"}, "SOLANA_CAPS: 'SOL' is not of the form"),
        ({"solana_caps": "SOL=1/2,SOL=1/3"}, "SOLANA_CAPS: SOL is there twice"),
    ],
)
def test_each_wrong_setting_is_named(pools_file: str, others: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        check_solana(settings(pools_file, **others), TOKENS)


@pytest.mark.parametrize(
    ("others", "problem"),
    [
        ({}, "SOLANA_ALLOW_MAINNET must be 1; caps .* are missing for BONK"),
        ({"solana_allow_mainnet": True}, "caps .* are missing for BONK"),
        ({"solana_allow_mainnet": True, "solana_caps": "SOL=1/10"}, "caps .* are missing for BONK"),
        ({"solana_caps": CAPS}, "SOLANA_ALLOW_MAINNET must be 1"),
        (
            {"solana_allow_mainnet": True, "solana_caps": CAPS.replace("SOL=1/10", "SOL=11/10")},
            "within the day's",
        ),
    ],
)
def test_mainnet_does_not_start_without_leave_and_caps_for_every_token(
    pools_file: str, others: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        check_solana(settings(pools_file, solana_cluster=ClusterName.MAINNET, **others), TOKENS)


def test_mainnet_with_leave_and_caps_starts(pools_file: str) -> None:
    made = settings(
        pools_file, solana_cluster=ClusterName.MAINNET, solana_allow_mainnet=True, solana_caps=CAPS
    )
    check_solana(made, TOKENS)


def test_caps_are_told_in_tokens_and_kept_in_base_units() -> None:
    assert spend_caps(Settings(solana_caps="SOL=1.5/10, USDC=2/3"), TOKENS) == {
        "SOL": SpendCaps(1_500_000_000, 10_000_000_000),
        "USDC": SpendCaps(2_000_000, 3_000_000),
    }


def test_keys_of_kms_are_listed_by_account() -> None:
    listed = "alice=arn:aws:kms:us-east-1:1:key/a, bob=b"
    assert kms_keys(Settings(solana_kms_keys=listed)) == {
        "alice": "arn:aws:kms:us-east-1:1:key/a",
        "bob": "b",
    }
