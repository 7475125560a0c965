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


def market_orders(key_prefix: str | None = None) -> Iterator[dict[str, str]]:
    """Yield orders for ever; each frame is about 120 bytes long.

    Args:
        key_prefix: Each order has a ``clientOrderId`` that begins so; none has one without it.
    """
    for number, (given, wanted, amount) in zip(count(), cycle(_SWAPS), strict=False):
        order = {"requestId": f"r{number}", "inputToken": given, "outputToken": wanted, "amount": amount}
        yield order if key_prefix is None else {**order, "clientOrderId": f"{key_prefix}{number}"}
