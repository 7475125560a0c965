"""Tokens: found by symbol in any case or by mint."""

import pytest

from chalicelib.domain.errors import FieldError
from chalicelib.domain.tokens import Token, TokenPair, Tokens, new_token

SOL = Token("SOL", "So11111111111111111111111111111111111111112", 9, 10**12, 1)
M_SOL = Token("mSOL", "mSoLzYCxHdYgdzU16g5QSh3i5K3z3KZK7ytfqcJm7So", 9, 10**12, 1)
TOKENS = Tokens([SOL, M_SOL], TokenPair("SOL", "mSOL"))


@pytest.mark.parametrize("name", ["mSOL", "MSOL", "msol", "mSoLzYCxHdYgdzU16g5QSh3i5K3z3KZK7ytfqcJm7So"])
def test_token_is_found_by_symbol_in_any_case_or_by_mint(name: str) -> None:
    assert TOKENS.named(name, field="inputToken") is M_SOL


@pytest.mark.parametrize("name", ["", "DOGE", "SO11111111111111111111111111111111111111112", "SOL "])
def test_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(FieldError, match="inputToken must be a known token: SOL, mSOL"):
        TOKENS.named(name, field="inputToken")


def test_mint_that_is_learned_is_named_by_orders_and_is_not_among_the_tokens() -> None:
    mint, other = (
        "7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2hr",
        "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin",
    )
    tokens = Tokens([SOL, M_SOL], TokenPair("SOL", "mSOL"))
    assert tokens.unknown_mints([mint, "SOL", SOL.mint, "sol", "DOGE"]) == {mint}
    with pytest.raises(
        FieldError, match="inputToken must be a listed token, or a mint of which a pool is known"
    ):
        tokens.named(mint, field="inputToken")
    tokens.learn(new_token(mint, 5))
    assert tokens.named(mint, field="inputToken").scale == tokens[mint].scale == 5
    assert tokens.unknown_mints([mint, other]) == {other}
    assert mint not in tokens
    assert list(tokens) == [SOL, M_SOL]
    with pytest.raises(KeyError):
        _ = tokens[other]


def test_tokens_are_listed_by_symbol() -> None:
    assert list(TOKENS) == [SOL, M_SOL]
    assert TOKENS["SOL"] is SOL
