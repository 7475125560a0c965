import tomllib
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.solana.keys import address_of, pubkey
from chalicelib.adapters.solana.pool_list import PoolListError, load_pools, parsed_pools, written_pools
from chalicelib.domain.tokens import Token, TokenPair, Tokens
from tests.unit.adapters.solana.books import a_key

TOKENS = Tokens(
    [Token("SOL", "So11111111111111111111111111111111111111112", 9, 1, 0), Token("USDC", "U" * 32, 6, 1, 0)],
    TokenPair("SOL", "USDC"),
)
ADDRESS = address_of(a_key(5))
ENTRY = {"address": ADDRESS, "venue": "raydium", "tokens": ["SOL", "USDC"]}


def test_pool_is_called_by_its_address_unless_it_has_an_id() -> None:
    (pool,) = parsed_pools({"pools": [ENTRY]}, TOKENS)
    assert (pool.pool_id, pool.venue, pool.key, pool.tokens) == (
        ADDRESS,
        "raydium",
        pubkey(ADDRESS),
        ("SOL", "USDC"),
    )
    (pool,) = parsed_pools({"pools": [{**ENTRY, "id": "mine"}]}, TOKENS)
    assert pool.pool_id == "mine"


def test_list_that_was_written_is_read_back_as_it_was(tmp_path: Path) -> None:
    other = {**ENTRY, "address": address_of(a_key(6)), "id": "mine", "tokens": ["USDC", "SOL"]}
    listed = parsed_pools({"pools": [ENTRY, other]}, TOKENS)
    file = tmp_path / "pools.toml"
    file.write_text(written_pools(listed), encoding="utf-8")
    assert load_pools(file, TOKENS) == listed


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"address": "0OIl"}, "not a base58"),
        ({"address": "1111"}, "32 bytes"),
        ({"address": 7}, "address must be a text"),
        ({"venue": ""}, "venue must be"),
        ({"id": 'x" y'}, "id must be"),
        ({"tokens": ["SOL"]}, "two symbols"),
        ({"tokens": ["SOL", "SOL"]}, "two symbols"),
        ({"tokens": ["SOL", "NO"]}, "'NO' is no token"),
        ({"tokens": ["SOL", ["USDC"]]}, "is no token"),
        ({"colour": 1}, "colour is not known"),
    ],
)
def test_entry_that_breaks_a_rule_is_named_with_the_rule(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(PoolListError, match=rf"pools\[0\].*{problem}"):
        parsed_pools({"pools": [{**ENTRY, **change}]}, TOKENS)


def test_file_without_a_list_or_with_a_pool_twice_is_refused(tmp_path: Path) -> None:
    for document in ({}, {"pools": 1}, {"pools": [ENTRY] * 501}):
        with pytest.raises(PoolListError, match="at most"):
            parsed_pools(document, TOKENS)
    with pytest.raises(PoolListError, match="listed twice"):
        parsed_pools({"pools": [ENTRY, ENTRY]}, TOKENS)
    with pytest.raises(PoolListError, match=r"none\.toml"):
        load_pools(tmp_path / "none.toml", TOKENS)
    assert parsed_pools(tomllib.loads(written_pools(())), TOKENS) == ()
