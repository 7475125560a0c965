"""The file of tokens, read and checked: what can be traded, whichever market stands behind the ports.

Cheap to import, since the accept path needs the tokens: no SQL, no pool maths.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from chalicelib.domain.amounts import parse_units
from chalicelib.domain.errors import FieldError
from chalicelib.domain.tokens import Token, TokenPair, Tokens

TOKENS_FILE: Final = Path(__file__).parents[1] / "tokens.toml"


@cache
def load_tokens(path: Path = TOKENS_FILE) -> Tokens:
    """Return the tokens of a file; it is read once per process.

    Raises:
        OSError: There is no such file.
        ValueError: It is no TOML, or an amount is no number or has more decimals than its token.
        KeyError: Something is missing; the key says what.
    """
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    base, quote = document["default_pair"].split("/")
    entries: Mapping[str, Mapping[str, Any]] = document["tokens"]
    try:
        return Tokens((_token(symbol, entry) for symbol, entry in entries.items()), TokenPair(base, quote))
    except FieldError as error:
        raise ValueError(error.message) from error


def _token(symbol: str, entry: Mapping[str, Any]) -> Token:
    scale: int = entry["scale"]
    return Token(
        symbol,
        entry["mint"],
        scale,
        max_order_units=parse_units(entry["max_order"], scale, field=f"{symbol}.max_order"),
        leg_cost_units=parse_units(entry["leg_cost"], scale, field=f"{symbol}.leg_cost"),
    )
