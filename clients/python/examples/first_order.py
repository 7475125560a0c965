"""A first order: sell SOL, and see every step.

python clients/python/examples/first_order.py --url http://127.0.0.1:3000
"""

import argparse
import asyncio

from orderflow_client import Client


async def main(url: str, rest_url: str | None, amount: str) -> None:
    async with Client(url, rest_url=rest_url) as client:
        order = await client.submit(side="sell", base_asset="SOL", quote_asset="USDC", amount=amount)
        print(f"accepted as {order.id}")
        async for event in order.events():
            print(f"{event.seq} {event.status}")
        end = await order.result()
        print(
            f"{end.input_amount} SOL became {end.output_amount} USDC" if end.output_amount else f"{end.code}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Sell SOL for USDC.")
    parser.add_argument("--url", default="http://127.0.0.1:3000")
    parser.add_argument("--rest-url")
    parser.add_argument("--amount", default="1.5")
    options = parser.parse_args()
    asyncio.run(main(options.url, options.rest_url, options.amount))
