"""When the handler of a connection's next message starts."""

import asyncio
from collections.abc import Mapping
from typing import Any

from websockets.asyncio.client import connect

from chalice_offline.gateway import GatewayLimits, MessageOrder
from chalice_offline.invocation import Outcome
from tests.unit.chalice_offline.gateway.clients import websocket_url
from tests.unit.chalice_offline.gateway.fakes import OK, FakeFunctions, a_gateway


class TwoMessages:
    """Handlers of which the first waits until it is let go; notes when each begins and ends."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.release = asyncio.Event()

    async def __call__(self, event: Mapping[str, Any]) -> Outcome:
        self.notes.append(f"begin {event['body']}")
        if event["body"] == "1":
            await self.release.wait()
        self.notes.append(f"end {event['body']}")
        return OK


def test_concurrent_order_starts_the_next_handler_before_the_last_returned() -> None:
    async def scenario() -> list[str]:
        handler = TwoMessages()
        functions = FakeFunctions(message=handler)
        async with a_gateway(functions) as gateway, connect(websocket_url(gateway)) as client:
            await client.send("1")
            await client.send("2")
            await functions.wait_for("message", 2)
            handler.release.set()
        return handler.notes

    assert asyncio.run(scenario()) == ["begin 1", "begin 2", "end 2", "end 1"]


def test_serial_order_starts_the_next_handler_after_the_last_returned() -> None:
    async def scenario() -> list[str]:
        handler = TwoMessages()
        functions = FakeFunctions(message=handler)
        serial = a_gateway(functions, message_order=MessageOrder.SERIAL)
        async with serial as gateway, connect(websocket_url(gateway)) as client:
            await client.send("1")
            await functions.wait_for("message", 1)
            await client.send("2")
            await client.ping()
            handler.release.set()
            await functions.wait_for("message", 2)
        return handler.notes

    assert asyncio.run(scenario()) == ["begin 1", "end 1", "begin 2", "end 2"]


def test_messages_beyond_those_in_flight_wait_for_one_to_return() -> None:
    async def scenario() -> list[str]:
        handler = TwoMessages()
        functions = FakeFunctions(message=handler)
        limited = a_gateway(functions, limits=GatewayLimits(messages_in_flight_max=1))
        async with limited as gateway, connect(websocket_url(gateway)) as client:
            await client.send("1")
            await client.send("2")
            await functions.wait_for("message", 1)
            handler.release.set()
            await functions.wait_for("message", 2)
        return handler.notes

    assert asyncio.run(scenario()) == ["begin 1", "end 1", "begin 2", "end 2"]
