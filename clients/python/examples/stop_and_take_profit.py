"""A stop with a take profit, by hand: two orders that wait, of which the first to fire cancels the other.

The engine sends each at most once, but both could fire before the cancel comes: then the position is sold
twice. Who must not risk that gives each half of the amount.

python clients/python/examples/stop_and_take_profit.py --stop 120 --take-profit 180
"""

import argparse
import asyncio
from decimal import Decimal

from orderflow_client import Client, ConflictError, Order


async def fired(order: Order) -> Order:
    """Return when the order's condition was met, or the order has ended."""
    async for event in order.events():
        if event.status == "triggered":
            break
    return order


async def main(url: str, rest_url: str | None, amount: Decimal, stop: Decimal, take_profit: Decimal) -> None:
    async with Client(url, rest_url=rest_url) as client:
        orders = [
            await client.submit(
                side="sell",
                base_asset="SOL",
                quote_asset="USDC",
                amount=amount,
                trigger={"price": price, "when": when},
            )
            for price, when in ((stop, "below"), (take_profit, "above"))
        ]
        names = {orders[0].id: f"stop at {stop}", orders[1].id: f"take profit at {take_profit}"}
        waiting = [asyncio.create_task(fired(order)) for order in orders]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        first = done.pop().result()
        print(f"{names[first.id]} fired")
        (other,) = (order for order in orders if order is not first)
        try:
            print(f"{names[other.id]}: {(await other.cancel()).status}")
        except ConflictError as error:
            print(f"{names[other.id]}: too late, {error}")
        for task in waiting:
            task.cancel()
        print(f"{names[first.id]}: {(await first.result()).status}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Sell SOL below one price or above another.")
    parser.add_argument("--url", default="http://127.0.0.1:3000")
    parser.add_argument("--rest-url")
    parser.add_argument("--amount", type=Decimal, default=Decimal(1))
    parser.add_argument("--stop", type=Decimal, default=Decimal(120))
    parser.add_argument("--take-profit", type=Decimal, default=Decimal(180))
    options = parser.parse_args()
    asyncio.run(main(options.url, options.rest_url, options.amount, options.stop, options.take_profit))
