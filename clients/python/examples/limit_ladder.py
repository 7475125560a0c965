"""A limit ladder: several buys, each a step below the last, in one frame. Ctrl-C takes the rest down again.

For an account of its own: it takes down all limit orders between SOL and USDC, those of other programs too.

python clients/python/examples/limit_ladder.py --top 150 --step 1 --rungs 5
"""

import argparse
import asyncio
from decimal import Decimal

from orderflow_client import Client, Order, OrderFields


def ladder(top: Decimal, step: Decimal, rungs: int, amount: Decimal) -> list[OrderFields]:
    return [
        OrderFields(
            type="limit",
            side="buy",
            base_asset="SOL",
            quote_asset="USDC",
            amount=amount,
            limit_price=top - n * step,
        )
        for n in range(rungs)
    ]


async def follow(order: Order, price: object) -> None:
    end = await order.result()
    print(f"buy at {price}: {end.status}")


async def main(url: str, rest_url: str | None, orders: list[OrderFields], seconds: float) -> None:
    async with Client(url, rest_url=rest_url) as client:
        results = await client.submit_batch(orders)
        waiting = []
        for order, result in zip(orders, results, strict=True):
            if isinstance(result, Order):
                print(f"buy at {order['limit_price']}: {result.id}")
                waiting.append(asyncio.create_task(follow(result, order["limit_price"])))
            else:
                print(f"buy at {order['limit_price']}: {result}")
        try:
            await asyncio.wait(waiting, timeout=seconds) if waiting else None
        finally:
            canceled = await client.cancel_all(base_asset="SOL", quote_asset="USDC", types=["limit"])
            print(f"{canceled.canceled} taken down, {len(canceled.already_sent)} on their way to the chain")
        await asyncio.gather(*waiting)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Buy SOL at several prices.")
    parser.add_argument("--url", default="http://127.0.0.1:3000")
    parser.add_argument("--rest-url")
    parser.add_argument("--top", type=Decimal, default=Decimal(149))
    parser.add_argument("--step", type=Decimal, default=Decimal(1))
    parser.add_argument("--rungs", type=int, default=5)
    parser.add_argument("--amount", type=Decimal, default=Decimal("0.5"))
    parser.add_argument("--seconds", type=float, default=60.0, help="Until what is left is canceled.")
    options = parser.parse_args()
    wanted = ladder(options.top, options.step, options.rungs, options.amount)
    asyncio.run(main(options.url, options.rest_url, wanted, options.seconds))
