"""A market-making loop.

A bid and an ask around the price, moved when it moves, replaced when they are filled.

A sketch of the calls, not of a strategy: it knows no inventory, no risk and no fees. For an account of its
own: at its end it cancels all limit orders between SOL and USDC, those of other programs too.

python clients/python/examples/market_maker.py --rounds 20
"""

import argparse
import asyncio
from decimal import Decimal
from typing import Final

from orderflow_client import Client, ConflictError, Order, OrderFields

BPS: Final = Decimal(10_000)


class Quoter:
    """One side of the book: a limit order that follows a price."""

    def __init__(self, client: Client, side: str, amount: Decimal) -> None:
        self._client = client
        self._side = side
        self._amount = amount
        self._order: Order | None = None
        self._price: Decimal | None = None

    async def move_to(self, price: Decimal) -> None:
        """Have an order at a price: a new one, or the one that rests moved there."""
        if self._order is None or self._order.is_final:
            terms = OrderFields(
                type="limit", side=self._side, base_asset="SOL", quote_asset="USDC",
                amount=self._amount, limit_price=price,
            )  # fmt: skip
            self._order = await self._client.submit(**terms)
            print(f"{self._side} {price}: {self._order.id[:8]}")
        elif price != self._price:
            try:
                await self._order.amend(limit_price=price)
                print(f"{self._side} {price}: moved")
            except ConflictError as error:
                print(f"{self._side} {self._price}: not moved, {error.code}")
                return
        self._price = price


async def main(
    url: str, rest_url: str | None, amount: Decimal, spread_bps: Decimal, rounds: int, pause_s: float
) -> None:
    async with Client(url, rest_url=rest_url) as client:
        bid, ask = Quoter(client, "buy", amount), Quoter(client, "sell", amount)
        try:
            for _ in range(rounds):
                quote = await client.quote(side="sell", base_asset="SOL", quote_asset="USDC", amount=amount)
                await bid.move_to((quote.price * (1 - spread_bps / BPS)).quantize(Decimal("0.01")))
                await ask.move_to((quote.price * (1 + spread_bps / BPS)).quantize(Decimal("0.01")))
                await asyncio.sleep(pause_s)
        finally:
            left = await client.cancel_all(base_asset="SOL", quote_asset="USDC", types=["limit"])
            print(f"{left.canceled} canceled")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Quote both sides of SOL/USDC.")
    parser.add_argument("--url", default="http://127.0.0.1:3000")
    parser.add_argument("--rest-url")
    parser.add_argument("--amount", type=Decimal, default=Decimal("0.1"))
    parser.add_argument("--spread-bps", type=Decimal, default=Decimal(50))
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--pause", type=float, default=1.0, help="Seconds between rounds.")
    options = parser.parse_args()
    asyncio.run(
        main(options.url, options.rest_url, options.amount, options.spread_bps, options.rounds, options.pause)
    )
