"""One client that hardly does anything: a ping a minute, and now and then an order."""

import asyncio
import json
import time
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.soak.clock import Clock
from tests.soak.plan import Done, Plan

PINGS_PER_ORDER: Final = 15
_TIME_LIMIT_S: Final = 30.0


async def idle_client(url: str, clock: Clock, plan: Plan, done: Done, problems: list[str]) -> None:
    """Stay connected until canceled, anew whenever the gateway closes the connection as it must."""
    while True:
        with clock.busy():
            client = await connect(url, open_timeout=None, ping_interval=None, close_timeout=1)
            done.connections += 1
        try:
            await _converse(client, clock, plan, done, problems)
        except ConnectionClosed as closed:
            if closed.rcvd is None or closed.rcvd.code != 1001:
                problems.append(f"connection closed: {closed}")


async def _converse(
    client: ClientConnection, clock: Clock, plan: Plan, done: Done, problems: list[str]
) -> None:
    while True:
        await asyncio.sleep(plan.ping_s)
        with clock.busy():
            await client.send(json.dumps({"action": "ping"}))
            await _until(client, "pong", problems)
            done.pings += 1
            if plan.has_orders and done.pings % PINGS_PER_ORDER == 0:
                await client.send(json.dumps({"action": "submit", "side": "sell", "amount": "0.1"}))
                await _until(client, "confirmed", problems)
                done.orders += 1


async def _until(client: ClientConnection, wanted: str, problems: list[str]) -> None:
    """Read frames until one of that type or status. The time limit is real time, not the loop's."""
    deadline = time.monotonic() + _TIME_LIMIT_S
    while time.monotonic() < deadline:
        try:
            frame: dict[str, Any] = json.loads(await asyncio.wait_for(client.recv(), 1))
        except TimeoutError:
            continue
        if wanted in {frame.get("type"), frame.get("status")}:
            return
        if ("message" in frame and "type" not in frame) or frame.get("type") == "error":
            problems.append(f"instead of {wanted}: {frame}")
            return
    problems.append(f"no {wanted} within {_TIME_LIMIT_S:.0f} s")
