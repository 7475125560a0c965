"""Where the gateway listens."""

import asyncio
import socket

import pytest
from websockets.asyncio.client import connect

from tests.unit.chalice_offline.gateway.clients import connection_id
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions, a_gateway


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 address")
def test_ipv6_address_is_in_brackets_where_functions_are_told_of_it() -> None:
    async def scenario() -> tuple[str, int]:
        functions = FakeFunctions()
        async with a_gateway(functions, host="::1") as gateway, connect(f"ws://[::1]:{gateway.port}/ws"):
            connection_id(functions)
            (event,) = functions.events_of("connect")
            return event["requestContext"]["domainName"], gateway.port

    name, port = asyncio.run(scenario())
    assert name == f"[::1]:{port}"


def test_localhost_is_listened_on_by_all_its_addresses() -> None:
    async def scenario() -> None:
        async with a_gateway(FakeFunctions(), host="localhost") as gateway:
            found = socket.getaddrinfo("localhost", gateway.port, type=socket.SOCK_STREAM)
            for host in {str(address[0]) for *_, address in found}:
                if ":" in host and not has_ipv6():
                    continue
                _, writer = await asyncio.open_connection(host, gateway.port)
                writer.close()

    asyncio.run(scenario())
