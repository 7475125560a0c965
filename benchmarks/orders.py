"""The orders of a load: market orders over several pairs, both ways, so that prices stay where they are."""

from collections.abc import Iterator
from itertools import count, cycle
from typing import Final

# Input token, output token, amount: each pair's two directions are worth about the same.
_SWAPS: Final = (
    ("SOL", "USDC", "1.5"),
    ("USDC", "SOL", "225"),
    ("ETH", "USDC", "0.05"),
    ("USDC", "ETH", "160"),
    ("SOL", "USDT", "1.5"),
    ("USDT", "SOL", "225"),
)
PAIRS: Final = "SOL/USDC, ETH/USDC, SOL/USDT"


# Above what the market pays, so that they rest.
_LIMITS: Final = (
    ("SOL", "USDC", "1.5", "300"),
    ("USDC", "SOL", "225", "0.01"),
    ("ETH", "USDC", "0.05", "9000"),
)


def resting_orders() -> Iterator[dict[str, str]]:
    """Yield orders that rest until they are canceled; each frame is about 150 bytes long."""
    for number, (given, wanted, amount, limit) in zip(count(), cycle(_LIMITS), strict=False):
        yield {
            "requestId": f"r{number}",
            "type": "limit",
            "inputToken": given,
            "outputToken": wanted,
            "amount": amount,
            "limitPrice": limit,
        }


def market_orders(key_prefix: str | None = None) -> Iterator[dict[str, str]]:
    """Yield orders for ever; each frame is about 120 bytes long.

    Args:
        key_prefix: Each order has a ``clientOrderId`` that begins so; none has one without it.
    """
    for number, (given, wanted, amount) in zip(count(), cycle(_SWAPS), strict=False):
        order = {"requestId": f"r{number}", "inputToken": given, "outputToken": wanted, "amount": amount}
        yield order if key_prefix is None else {**order, "clientOrderId": f"{key_prefix}{number}"}
