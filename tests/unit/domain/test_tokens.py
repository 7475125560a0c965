"""Tokens: found by symbol in any case or by mint."""

import pytest

from chalicelib.domain.errors import FieldError
from chalicelib.domain.tokens import Token, TokenPair, Tokens

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


def test_tokens_are_listed_by_symbol() -> None:
    assert list(TOKENS) == [SOL, M_SOL]
    assert TOKENS["SOL"] is SOL
