"""The list of tokens: whole by itself, and each amount fits its token."""

from pathlib import Path

import pytest

from chalicelib.adapters.token_list import load_tokens

ONE = """
default_pair = "SOL/USDC"
[tokens.SOL]
scale = 9
max_order = "20"
leg_cost = "{leg_cost}"
mint = "So11111111111111111111111111111111111111112"
[tokens.USDC]
scale = 6
max_order = "3000"
leg_cost = "0.00002"
mint = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
"""


def a_list(folder: Path, leg_cost: str) -> Path:
    path = folder / "tokens.toml"
    path.write_text(ONE.format(leg_cost=leg_cost), encoding="utf-8")
    return path


def test_tokens_are_read_from_a_file_of_their_own_in_base_units(tmp_path: Path) -> None:
    tokens = load_tokens(a_list(tmp_path, "0.000000134"))
    assert [token.symbol for token in tokens] == ["SOL", "USDC"]
    assert (tokens["SOL"].max_order_units, tokens["SOL"].leg_cost_units) == (20 * 10**9, 134)
    assert (tokens.default_pair.base, tokens.default_pair.quote) == ("SOL", "USDC")


def test_amount_finer_than_its_token_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"SOL\.leg_cost"):
        load_tokens(a_list(tmp_path, "0.0000000001"))


def test_every_token_of_ours_has_a_limit_and_a_cost_per_leg() -> None:
    assert all(token.max_order_units > 0 and token.leg_cost_units > 0 for token in load_tokens())
