"""Orders that break a rule, and what must be said about each: the field and the rule."""

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class BadOrder:
    """Members of a message, the field at fault as the client spells it, and a part of what is said of it."""

    name: str
    members: dict[str, Any]
    field: str
    problem: str

    def __str__(self) -> str:
        return self.name


def _swap(name: str, field: str, problem: str, **changes: Any) -> BadOrder:
    members = {"inputToken": "SOL", "outputToken": "USDC", "amount": "1"} | changes
    return BadOrder(
        name, {key: value for key, value in members.items() if value is not ABSENT}, field, problem
    )


ABSENT: Final = object()
_NOT_A_NUMBER: Final = "must be a plain positive decimal number"

BAD_TEXTS: Final = [
    _swap("missing input token", "inputToken", "is required", inputToken=ABSENT),
    _swap("missing output token", "outputToken", "is required", outputToken=ABSENT),
    _swap("missing amount", "amount", "is required", amount=ABSENT),
    _swap("unknown token", "inputToken", "must be a known token", inputToken="DOGE"),
    _swap("empty token", "inputToken", "at least 1 character", inputToken=""),
    _swap("same token twice", "outputToken", "must differ from inputToken", outputToken="sol"),
    _swap("zero", "amount", "must be greater than 0", amount="0"),
    _swap("zero with decimals", "amount", "must be greater than 0", amount="0.000"),
    _swap("negative", "amount", _NOT_A_NUMBER, amount="-1"),
    _swap("NaN as text", "amount", _NOT_A_NUMBER, amount="NaN"),
    _swap("infinity", "amount", _NOT_A_NUMBER, amount="Infinity"),
    _swap("1e400 as text", "amount", _NOT_A_NUMBER, amount="1e400"),
    _swap("40 decimals", "amount", "at most 9 decimals", amount="1." + "1" * 40),
    _swap("more decimals than the token has", "amount", "at most 6 decimals",
          inputToken="USDC", outputToken="SOL", amount="1.0000001"),
    _swap("beyond the pools", "amount", "must be at most 20000 SOL", amount="20000.1"),
    _swap("beyond any token", "amount", "must be at most", amount="9" * 30),
    _swap("digits of another script", "amount", _NOT_A_NUMBER, amount="١"),
    _swap("SQL as a token", "inputToken", "must be a known token", inputToken="SOL'; DROP TABLE orders; --"),
    _swap("script as a token", "outputToken", "must be a known token", outputToken="<script>x()</script>"),
    _swap("SQL as an amount", "amount", _NOT_A_NUMBER, amount="1 OR 1=1"),
    _swap("NUL in the client's id", "clientOrderId", "printable", clientOrderId="a\0b"),
    _swap("client's id that was no UTF-8", "clientOrderId", "must be UTF-8", clientOrderId="caf\ufffd"),
    _swap("client's id too long", "clientOrderId", "at most 64 characters", clientOrderId="x" * 65),
    _swap("slippage above all", "slippageBps", "10000", slippageBps=10001),
    _swap("unknown swap mode", "swapMode", "'exactIn' or 'exactOut'", swapMode="exact"),
    _swap("unknown side", "side", "'buy' or 'sell'", side="hold"),
    _swap("limit order without a price", "limitPrice", "is required", type="limit"),
    _swap("sniper order for an exact output", "swapMode", "exactIn", type="sniper", swapMode="exactOut"),
    _swap("limit price on a market order", "limitPrice", "does not go with", limitPrice="100"),
    _swap("both forms mixed", "inputToken", "does not go with side", side="buy"),
    BadOrder("half a pair", {"side": "buy", "baseAsset": "SOL", "amount": "1"}, "quoteAsset", "is required"),
    BadOrder("same asset twice", {"side": "buy", "baseAsset": "SOL", "quoteAsset": "SOL", "amount": "1"},
             "quoteAsset", "must differ from baseAsset"),
    BadOrder("side without an amount", {"side": "buy"}, "amount", "is required"),
]  # fmt: skip
"""All of these can be written in a URL, too."""

_NUMBER_OR_TEXT: Final = "must be a decimal number"

BAD_TYPES: Final = [
    _swap("number as a token", "inputToken", "must be text", inputToken=7),
    _swap("list as a token", "inputToken", "must be text", inputToken=["SOL"]),
    _swap("object as a token", "outputToken", "must be text", outputToken={"symbol": "USDC"}),
    _swap("true as an amount", "amount", _NUMBER_OR_TEXT, amount=True),
    _swap("null as an amount", "amount", _NUMBER_OR_TEXT, amount=None),
    _swap("list as an amount", "amount", _NUMBER_OR_TEXT, amount=[1]),
    _swap("negative number", "amount", _NOT_A_NUMBER, amount=-1),
    _swap("number zero", "amount", "must be greater than 0", amount=0),
    _swap("fraction of a basis point", "slippageBps", "must be a whole number", slippageBps=0.5),
    _swap("text as slippage", "slippageBps", "must be a whole number", slippageBps="50"),
    _swap("number as the client's id", "clientOrderId", "must be text", clientOrderId=5),
    _swap("long amount", "amount", "at most 512 characters", amount="1" * 20_000),
    _swap("lone surrogate", "clientOrderId", "must be text", clientOrderId="\ud800"),
]

BAD_JSON: Final = {
    "not JSON": "hello",
    "nothing": " ",
    "half an object": '{"amount":',
    "an array": "[1, 2]",
    "null": "null",
    "a string": '"SOL"',
}

BAD_SIZES: Final = {
    "MESSAGE_TOO_LARGE": '{"inputToken":"' + "A" * 100_000 + '","outputToken":"USDC","amount":"1"}',
    "JSON_TOO_DEEP": '{"a":' + "[" * 16_000 + "]" * 16_000 + "}",
}

BAD_NUMBERS: Final = {
    "1e400 as a number": '{"inputToken":"SOL","outputToken":"USDC","amount":1e400}',
    "40 decimals as a number": '{"inputToken":"SOL","outputToken":"USDC","amount":1.' + "1" * 40 + "}",
    "NaN as a number": '{"inputToken":"SOL","outputToken":"USDC","amount":NaN}',
    "an integer beyond parsing": '{"inputToken":"SOL","outputToken":"USDC","amount":' + "1" * 20_000 + "}",
    "negative zero": '{"inputToken":"SOL","outputToken":"USDC","amount":-0.0}',
}
"""Numbers that a float would round, or read as infinite; the field at fault is the amount."""
