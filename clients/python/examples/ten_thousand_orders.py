"""Ten thousand orders with a progress bar: so many under way at a time, each followed to its end.

python clients/python/examples/ten_thousand_orders.py --orders 10000 --at-once 200
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator

from orderflow_client import Client, RefusedError


def bar(done: int, total: int, seconds: float) -> str:
    filled = 30 * done // total
    return f"[{'#' * filled}{'.' * (30 - filled)}] {done}/{total}  {done / max(seconds, 0.001):.0f}/s"


async def worker(client: Client, numbers: Iterator[int], ends: Counter[str]) -> None:
    for number in numbers:
        try:
            order = await client.submit(side="sell", amount=f"0.01{number % 1000:03}")
        except RefusedError as error:
            ends[error.code] += 1
            continue
        ends[(await order.result()).status] += 1


async def main(url: str, rest_url: str | None, total: int, at_once: int) -> int:
    ends: Counter[str] = Counter()
    began = time.monotonic()
    async with Client(url, rest_url=rest_url) as client:
        numbers = iter(range(total))
        workers = asyncio.gather(*(worker(client, numbers, ends) for _ in range(at_once)))
        while not workers.done():
            await asyncio.wait([workers], timeout=0.2)
            print(
                f"\r{bar(ends.total(), total, time.monotonic() - began)}", end="", file=sys.stderr, flush=True
            )
        await workers
    print(file=sys.stderr)
    print(", ".join(f"{count} {end}" for end, count in sorted(ends.items())))
    return 0 if ends == {"confirmed": total} else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Sell a little SOL, many times.")
    parser.add_argument("--url", default="http://127.0.0.1:3000")
    parser.add_argument("--rest-url")
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=200)
    options = parser.parse_args()
    sys.exit(asyncio.run(main(options.url, options.rest_url, options.orders, options.at_once)))
