"""Tokens: found by symbol in any case or by mint."""

import pytest

from chalicelib.domain.errors import FieldError
from chalicelib.domain.tokens import Token, TokenPair, Tokens, is_mint, new_token

SOL = Token("SOL", "So11111111111111111111111111111111111111112", 9, 10**12, 1)
M_SOL = Token("mSOL", "mSoLzYCxHdYgdzU16g5QSh3i5K3z3KZK7ytfqcJm7So", 9, 10**12, 1)
NEW = "7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2hr"
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


def test_token_that_a_sniper_order_buys_is_listed_or_of_the_decimals_that_the_order_says() -> None:
    tokens = Tokens([SOL, M_SOL], TokenPair("SOL", "mSOL"))
    tokens.learn(new_token(NEW, 5))
    assert tokens.find("SOL") is tokens.listed_or_new("SOL", 3) is SOL
    assert tokens.find(NEW) == new_token(NEW, 5)
    # What has been learned meanwhile changes no order.
    assert [tokens.listed_or_new(NEW, decimals).scale for decimals in (6, 0, None)] == [6, 0, 0]
    assert tokens.named_or_new(NEW, field="outputToken") == new_token(NEW, 0)
    assert tokens.named_or_new(SOL.mint, field="outputToken") is SOL
    with pytest.raises(FieldError, match="outputToken must be a known token"):
        tokens.named_or_new("DOGE", field="outputToken")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        (NEW, True),
        ("11111111111111111111111111111111", True),
        ("1" * 33, False),
        (SOL.mint, True),
        (f"{NEW}1", False),
        (NEW[:-2], False),
        (f"0{NEW[1:]}", False),
    ],
)
def test_mint_is_32_bytes_in_base58(name: str, *, is_one: bool) -> None:
    assert is_mint(name) is is_one


def test_tokens_are_listed_by_symbol() -> None:
    assert list(Tokens([M_SOL, SOL], TokenPair("SOL", "mSOL"))) == [SOL, M_SOL]
    assert TOKENS["SOL"] is SOL
