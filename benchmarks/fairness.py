"""What one account's orders take while another one floods the runtime: ``python -m benchmarks.fairness``.

A trader sends one order at a time and reads each one's events to the last, undisturbed at first, then beside
each flood of a second account, and then right after that flood has ended. Latencies and limits are
those of ``make run``; tokens are wanted. The flood runs in a process of its own, on five
connections, as fast as the runtime takes it.
"""

import argparse
import asyncio
import json
import secrets
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import jwt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from benchmarks.environment import environment_lines
from benchmarks.instance import Instance, running_instance

GOAL: Final = 2.0
"""Times the undisturbed median."""
CONNECTIONS: Final = 5
_ORDERS: Final = 15
_HEAD_START_S: Final = 5.0
_CALM_S: Final = 5.0
_FINAL: Final = frozenset({"confirmed", "failed", "canceled", "expired"})
_ORDER: Final = {"action": "submit", "inputToken": "SOL", "outputToken": "USDC", "amount": "0.01"}
# As in chalice_app/.chalice/local.toml; benchmarks otherwise run without limits.
_LIMITS: Final = {
    "ORDERS_PER_SECOND_MAX": "5000",
    "ORDERS_BURST_MAX": "20000",
    "OPEN_ORDERS_MAX": "100000",
    "CONNECTIONS_MAX": "20000",
}
# The engine waits a little for orders that are not on record yet.
_UNKNOWN_ORDER: Final = "01a1fbd0-c2f7-7adc-b4a9-db9881056388"
_FRAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "orders": _ORDER,
    "quotes": {**_ORDER, "action": "quote"},
    "pings": {"action": "ping"},
    "subscribes": {"action": "subscribe"},
    "cancels": {"action": "cancel", "orderId": _UNKNOWN_ORDER},
    "subscriptions": {"action": "subscribe", "orderId": _UNKNOWN_ORDER},
    "nonsense": {"action": "nonsense"},
}
FLOODS: Final = (*_FRAMES, "connects")


def main() -> None:
    options = _parser().parse_args()
    if options.flood:
        asyncio.run(_flood(options.flood, options.url))
        return
    for line in environment_lines():
        print(line)
    secret = secrets.token_hex(32)
    with running_instance({**_LIMITS, "AUTH_MODE": "jwt", "JWT_SECRET": secret}) as instance:
        _report(instance, secret, options.floods or FLOODS, orders=options.orders)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("floods", nargs="*", metavar="FLOOD", help=f"of {', '.join(FLOODS)}; default: all")
    parser.add_argument("--orders", type=int, default=_ORDERS, help="of the trader, beside each flood")
    parser.add_argument("--flood", choices=FLOODS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    return parser


def _report(instance: Instance, secret: str, floods: tuple[str, ...], *, orders: int) -> None:
    trader, noisy = (f"{instance.url}?token={_token(name, secret)}" for name in ("trader", "noisy"))
    asyncio.run(_order_ms(trader, 3))
    undisturbed = statistics.median(asyncio.run(_order_ms(trader, orders)))
    print(f"\n{'flood':<16}{'median beside it':>18}{'ratio':>8}{'median after it':>18}{'ratio':>8}")
    print(f"{'none':<16}{undisturbed:>15.0f} ms{1:>8.1f}")
    for flood in floods:
        with _flooding(flood, noisy):
            time.sleep(_HEAD_START_S)
            beside = statistics.median(asyncio.run(_order_ms(trader, orders)))
        after = statistics.median(asyncio.run(_order_ms(trader, orders)))
        ratios = beside / undisturbed, after / undisturbed
        verdict = "" if max(ratios) <= GOAL else f"  more than {GOAL:g}"
        print(f"{flood:<16}{beside:>15.0f} ms{ratios[0]:>8.1f}{after:>15.0f} ms{ratios[1]:>8.1f}{verdict}")
        time.sleep(_CALM_S)


def _token(account_id: str, secret: str) -> str:
    now = int(time.time())
    claims = {"sub": account_id, "iss": "orderflow-local", "aud": "orderflow", "iat": now, "exp": now + 7200}
    return jwt.encode(claims, secret, algorithm="HS256")


async def _order_ms(url: str, orders: int) -> list[float]:
    """Submit orders one after the other; return what each took to its final status."""
    took: list[float] = []
    async with connect(url, open_timeout=120, ping_interval=None) as client:
        for number in range(orders):
            began = perf_counter()
            await client.send(json.dumps({**_ORDER, "requestId": str(number)}))
            await _until_final(client)
            took.append((perf_counter() - began) * 1000)
    return took


async def _until_final(client: ClientConnection) -> None:
    while True:
        frame: dict[str, Any] = json.loads(await client.recv())
        if frame["type"] not in {"accepted", "order"}:
            raise RuntimeError(f"unexpected: {frame}")
        if frame.get("status") in _FINAL:
            return


@contextmanager
def _flooding(flood: str, url: str) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.fairness", "--flood", flood, "--url", url]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"the flood of {flood} ended by itself")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


async def _flood(flood: str, url: str) -> None:
    """Go on until the process is ended, which leaves all its frames on their way."""
    many = (
        _connecting(url) if flood == "connects" else _sending(url, _FRAMES[flood]) for _ in range(CONNECTIONS)
    )
    await asyncio.gather(*many)


async def _connecting(url: str) -> None:
    while True:
        with suppress(OSError, WebSocketException):
            async with connect(url, ping_interval=None, open_timeout=120):
                pass


async def _sending(url: str, frame: Mapping[str, str]) -> None:
    """Send frames as fast as they are taken, and throw away what comes."""
    async with connect(url, ping_interval=None, open_timeout=120, max_queue=None) as client:
        reader = asyncio.create_task(_read(client))
        for number in count():
            await client.send(json.dumps({**frame, "requestId": str(number)}))
            if reader.done():
                await reader
        reader.cancel()


async def _read(client: ClientConnection) -> None:
    async for _ in client:
        pass


if __name__ == "__main__":
    main()
