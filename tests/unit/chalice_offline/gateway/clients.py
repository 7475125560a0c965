"""Clients of a gateway that runs in the test's own event loop."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection

from chalice_offline.gateway import Gateway
from tests.support.plain_http import NO_TLS
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions


def websocket_url(gateway: Gateway) -> str:
    return f"ws://127.0.0.1:{gateway.port}/ws"


def http_client(gateway: Gateway) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", trust_env=False, verify=NO_TLS)


def connection_id(functions: FakeFunctions) -> str:
    return str(functions.events_of("connect")[-1]["requestContext"]["connectionId"])


async def close_frame(client: ClientConnection) -> tuple[int, str]:
    async with asyncio.timeout(10):
        await client.wait_closed()
    assert client.close_code is not None
    return client.close_code, client.close_reason or ""


def without_latency(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an authorizer said, after a look at how long it took: the one value that is no text."""
    authorizer = dict(event["requestContext"]["authorizer"])
    assert isinstance(latency := authorizer.pop("integrationLatency"), int)
    assert latency >= 0
    return authorizer
