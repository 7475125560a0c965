"""Solana's market as the settings say, without a node: what is made, and what is refused on the way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.local_faucet import FundedSigner
from chalicelib.adapters.solana.signer import DelegateSigner, SeedSigner
from chalicelib.adapters.token_list import load_tokens
from chalicelib.bootstrap.clients import Clients
from chalicelib.bootstrap.market import MarketPorts
from chalicelib.bootstrap.solana_market import SolanaMarket
from chalicelib.config import ClusterName, ConfigurationError, Settings, SignerName
from chalicelib.domain.errors import RefusedError, RetryableError
from chalicelib.domain.transactions import SignedTransaction
from chalicelib.domain.watches import DirectedPair
from tests.fakes.ports import FrozenClock

NOBODY = "http://127.0.0.1:1"
POOLS = """
[[pools]]
address = "7JuwJuNU88gurFnyWeiyGKbFmExMWcmRZntn9imEzdny"
venue = "raydium"
tokens = ["SOL", "USDC"]
[[pools]]
address = "BGm1tav58oGcsQJehL9WXBFXF7D27vZsKefj4xJKD5Y"
venue = "meteora"
tokens = ["SOL", "USDC"]
"""


@pytest.fixture
def pools_file(tmp_path: Path) -> Path:
    path = tmp_path / "pools.toml"
    path.write_text(POOLS)
    return path


def market(pools_file: Path, **others: Any) -> SolanaMarket:
    settings = Settings(
        **({"solana_rpc_urls": NOBODY, "solana_pools_file": str(pools_file), "wallet_seed": "seed"} | others)
    )
    return SolanaMarket(settings, FrozenClock(), load_tokens(), Clients(settings))


def test_venues_are_those_of_the_list(pools_file: Path) -> None:
    made = market(pools_file)
    assert [venue.name for venue in made.venues] == ["raydium", "meteora"]


def test_chain_that_nobody_answers_for_is_a_passing_fault(pools_file: Path) -> None:
    with pytest.raises(RetryableError):
        market(pools_file, solana_call_time_limit_ms=50).chain.view(["signature"])


def test_wallets_derive_from_the_seed(pools_file: Path) -> None:
    signer = market(pools_file).signer
    assert address_of(signer.wallet("a").owner) == address_of(SeedSigner(b"seed").wallet("a").owner)


def test_account_without_a_key_of_kms_has_no_wallet(pools_file: Path) -> None:
    made = market(pools_file, solana_signer=SignerName.KMS, solana_kms_keys="alice=key")
    with pytest.raises(RefusedError):
        made.signer.wallet("bob")


def test_address_that_is_none_is_refused_without_showing_it(pools_file: Path) -> None:
    with pytest.raises(ConfigurationError, match="SOLANA_RPC_URLS") as caught:
        _ = market(pools_file, solana_rpc_urls="ftp://secret@node").nodes
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "is_warned"),
    [
        ({"solana_cluster": ClusterName.MAINNET}, True),
        ({"solana_cluster": ClusterName.MAINNET, "solana_witnesses": 2}, False),
        ({"solana_cluster": ClusterName.DEVNET}, False),
    ],
)
def test_one_node_whose_word_decides_on_mainnet_is_warned_of(
    pools_file: Path, caplog: pytest.LogCaptureFixture, settings: dict[str, Any], is_warned: bool
) -> None:
    nodes = ",".join(f"http://127.0.0.1:{port}" for port in (1, 2, 3))
    _ = market(pools_file, solana_rpc_urls=nodes, **settings).nodes
    assert [record.getMessage() for record in caplog.records] == [
        "one node alone says what landed"
    ] * is_warned


def test_list_that_is_wrong_is_refused_with_its_reason(pools_file: Path) -> None:
    pools_file.write_text('[[pools]]\naddress = "x"')
    with pytest.raises(ConfigurationError, match=r"SOLANA_POOLS_FILE: pools\[0\]"):
        _ = market(pools_file).venues


@pytest.mark.parametrize(
    ("settings", "is_funded"),
    [
        ({"market_faucet": True}, True),
        ({"market_faucet": True, "solana_cluster": ClusterName.DEVNET}, False),
        ({}, False),
    ],
)
def test_wallets_are_funded_on_a_local_chain_with_a_faucet_alone(
    pools_file: Path, settings: dict[str, Any], *, is_funded: bool
) -> None:
    made = market(pools_file, **settings)
    assert isinstance(made.funded(made.signer), FundedSigner) is is_funded


def test_only_signing_asks_for_the_seed_which_other_functions_may_not_read(pools_file: Path) -> None:
    settings = Settings(
        solana_rpc_urls=NOBODY,
        solana_pools_file=str(pools_file),
        solana_call_time_limit_ms=50,
        chain="solana",
    )
    clients = Clients(settings)
    ports = MarketPorts(settings, FrozenClock(), load_tokens(), clients)
    sent = SignedTransaction("signature", b"bytes", 1)
    asked: list[Callable[[], object]] = [
        ports.height,
        ports.check,
        ports.prices.read,
        lambda: ports.openings.seen([DirectedPair("USDC", "SOL")]),
        lambda: ports.keyless_chain.view(["signature"]),
        lambda: ports.keyless_chain.send([sent]),
    ]
    for question in asked:
        with pytest.raises(RetryableError):  # nobody answers; without the seed it would be no passing fault
            question()
    with pytest.raises(ConfigurationError, match="WALLET_SEED"):
        _ = ports.chain  # before an order is looked at: each of them comes back
    clients.executor.shutdown()


def test_desk_signs_for_registered_wallets_with_a_key_that_no_account_has(pools_file: Path) -> None:
    made = market(
        pools_file, solana_signer=SignerName.DESK, database_url="postgresql://nobody@127.0.0.1:1/none"
    )
    assert isinstance(made.signer, DelegateSigner)
    with pytest.raises(RetryableError):
        made.signer.wallet("alice")  # whom it would have to look up


@pytest.mark.parametrize("name", SignerName)
def test_orders_that_a_desk_signs_and_no_others_may_leave_nothing_between_two_hops(
    pools_file: Path, name: SignerName
) -> None:
    made = market(pools_file, solana_signer=name)
    assert {venue._is_delegated for venue in made.venues} == {name is SignerName.DESK}  # type: ignore[attr-defined]
