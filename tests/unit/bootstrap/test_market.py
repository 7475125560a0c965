"""Which market the settings ask for, and what is refused instead of accepting orders for nothing."""

import subprocess
import sys

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.bootstrap import Services
from chalicelib.bootstrap.clients import Clients
from chalicelib.bootstrap.market import MarketPorts
from chalicelib.bootstrap.simulated_market import SimulatedMarket
from chalicelib.bootstrap.solana_market import SolanaMarket
from chalicelib.config import ChainName, ConfigurationError, Settings, chain_of
from chalicelib.domain.errors import RetryableError
from tests.fakes.ports import FrozenClock

OPEN = {"AUTH_MODE": "none", "LOCAL_GATEWAY_HOST": "127.0.0.1"}


def test_without_a_word_the_market_is_the_simulated_one() -> None:
    assert Settings.from_env(OPEN).chain is ChainName.SIMULATED
    assert chain_of({}) is chain_of({"CHAIN": ""}) is ChainName.SIMULATED


@pytest.mark.parametrize("name", ["Solana", "mainnet", "simulated "])
def test_chain_of_another_name_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"CHAIN: .*'simulated' or 'solana'"):
        Settings.from_env({**OPEN, "CHAIN": name})
    with pytest.raises(ConfigurationError, match=r"CHAIN: .*'simulated' or 'solana'"):
        chain_of({"CHAIN": name})


def test_solana_without_nodes_and_pools_is_refused_before_an_order_is_accepted() -> None:
    settings = Settings.from_env({**OPEN, "CHAIN": "solana"})
    with pytest.raises(ConfigurationError, match=r"SOLANA_RPC_URLS: .*; SOLANA_POOLS_FILE: "):
        Services(settings)


@pytest.mark.parametrize(
    ("chain", "market"), [(ChainName.SIMULATED, SimulatedMarket), (ChainName.SOLANA, SolanaMarket)]
)
def test_each_chain_has_its_market(chain: ChainName, market: type) -> None:
    settings = Settings(chain=chain)
    ports = MarketPorts(settings, FrozenClock(), load_tokens(), Clients(settings))
    assert isinstance(ports._market, market)


def test_simulated_chain_sends_and_looks_without_the_seed_that_only_signing_needs() -> None:
    settings = Settings(database_url="postgresql://nobody@127.0.0.1:1/none")
    ports = MarketPorts(settings, FrozenClock(), load_tokens(), Clients(settings))
    with pytest.raises(RetryableError):  # there is no database, and no seed
        ports.keyless_chain.view(["signature"])


def test_solana_is_imported_by_nothing_that_does_not_ask_for_it() -> None:
    program = (
        "import os, sys; from chalicelib.bootstrap import Services; from chalicelib.config import Settings;"
        "use = Services(Settings.from_env(os.environ)); use.market.venues;"
        "print([name for name in sys.modules if name.startswith('chalicelib.adapters.solana.')])"
    )
    environment = {**OPEN, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "PATH": ""}
    shown = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert shown.stdout == "[]\n"
