"""Which market the settings ask for, and what is refused instead of accepting orders for nothing."""

import pytest

from chalicelib.bootstrap import Services
from chalicelib.config import ChainName, ConfigurationError, Settings, chain_of

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


def test_solana_is_refused_before_an_order_is_accepted_and_says_what_is_missing() -> None:
    settings = Settings.from_env({**OPEN, "CHAIN": "solana"})
    with pytest.raises(ConfigurationError, match=r"CHAIN: solana .* no Chain and no Venue"):
        Services(settings)
