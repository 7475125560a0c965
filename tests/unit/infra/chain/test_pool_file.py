"""The list of seeded pools: what an engine trades from is what the pools' bytes say."""

from pathlib import Path

import pytest

from chalicelib.adapters.solana.discovery import KINDS
from chalicelib.adapters.solana.keys import pubkey
from chalicelib.adapters.solana.pool_list import load_pools
from chalicelib.adapters.solana.programs import PROGRAM_IDS, Cluster
from chalicelib.adapters.token_list import load_tokens
from infra.chain.pool_file import write_pools
from infra.chain.seed import seed_chain
from tests.unit.infra.chain.builders import a_chain


def test_list_has_every_pool_with_its_tokens_in_the_order_of_the_pools_mints(tmp_path: Path) -> None:
    chain, tokens = a_chain(tmp_path), load_tokens()
    seed_chain(chain, [])
    write_pools(chain, tmp_path / "pools.toml")
    listed = load_pools(tmp_path / "pools.toml", tokens)
    assert len(listed) == len(chain.fact("pools")) > 20
    for pool in listed:
        account = chain.account(pool.key)
        assert account is not None
        program = PROGRAM_IDS[Cluster.MAINNET].program_of(account.owner)
        assert program is not None
        kind = KINDS[program]
        keys = kind.layout.read(account.data).keys
        assert [keys[name] for name in kind.mints] == [pubkey(tokens[symbol].mint) for symbol in pool.tokens]
        assert pool.venue == kind.venue


def test_chain_that_was_not_seeded_has_none_to_list(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs --seed"):
        write_pools(a_chain(tmp_path), tmp_path / "pools.toml")
