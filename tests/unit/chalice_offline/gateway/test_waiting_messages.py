"""What a client has waiting: no more than its share, and nothing once it has gone."""

import asyncio
import socket
import struct
from collections.abc import Mapping
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from chalice_offline.gateway import GatewayLimits, MessageOrder
from chalice_offline.invocation import Outcome, Returned
from tests.unit.chalice_offline.gateway.clients import websocket_url
from tests.unit.chalice_offline.gateway.fakes import OK, FakeFunctions, a_gateway

ONE_AT_ONCE = GatewayLimits(messages_in_flight_max=1, integration_timeout_s=20)
CONCURRENT, SERIAL = MessageOrder.CONCURRENT, MessageOrder.SERIAL


class Gate:
    """A handler that answers when it is let, and takes some turns of the event loop for it."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def __call__(self, _event: Mapping[str, Any]) -> Outcome:
        await self.opened.wait()
        for _ in range(3):
            await asyncio.sleep(0)
        return OK


def close(client: ClientConnection) -> None:
    """Send a close frame without waiting for its answer."""
    client.protocol.send_close(1000)
    for data in client.protocol.data_to_send():
        client.transport.write(data)


def reset(client: ClientConnection) -> None:
    """Be lost, as a client that crashes with unread data is."""
    client.transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    client.transport.abort()


@pytest.mark.parametrize("order", [CONCURRENT, SERIAL])
@pytest.mark.parametrize("end", [close, reset])
def test_messages_of_a_closed_connection_that_still_wait_are_never_handled(
    order: MessageOrder, end: Any
) -> None:
    async def scenario() -> list[str]:
        gate = Gate()
        functions = FakeFunctions(message=gate)
        async with a_gateway(functions, limits=ONE_AT_ONCE, message_order=order) as gateway:
            client = await connect(websocket_url(gateway))
            for number in range(3_000):
                await client.send(f"{number}")
            await functions.wait_for("message")
            end(client)
            if order is CONCURRENT:
                # Told of the end while the first message is with
                # its handler: the others do not wait for that.
                await functions.wait_for("disconnect")
            gate.opened.set()
            await functions.wait_for("disconnect")
            return [event["body"] for event in functions.events_of("message")]

    bodies = asyncio.run(scenario())
    if order is SERIAL:
        # The close may be read while the first is answered, or behind some that had their turn before it.
        assert len(bodies) < 3_000
    else:
        assert bodies == ["0"]


def test_lost_client_is_noticed_though_nothing_more_is_read_from_it() -> None:
    async def scenario() -> int:
        gate = Gate()
        functions = FakeFunctions(message=gate)
        async with a_gateway(functions, limits=ONE_AT_ONCE) as gateway:
            client = await connect(websocket_url(gateway))
            sending = asyncio.create_task(send_for_ever(client))
            await functions.wait_for("message")
            # More than the gateway reads ahead, and more than the sockets hold: it has to stop reading.
            async with asyncio.timeout(10):
                while not client.transport.get_write_buffer_size():  # noqa: ASYNC110  # the transport has no event
                    await asyncio.sleep(0)
            reset(client)
            await functions.wait_for("disconnect")
            sending.cancel()
            gate.opened.set()
            return len(functions.events_of("message"))

    assert asyncio.run(scenario()) == 1


async def send_for_ever(client: ClientConnection) -> None:
    while True:
        await client.send("x" * 30_000)


def test_messages_ahead_of_the_close_frame_are_handled_where_they_need_not_wait() -> None:
    async def scenario() -> list[str]:
        functions = FakeFunctions()
        async with a_gateway(functions) as gateway:
            client = await connect(websocket_url(gateway))
            for number in range(3):
                client.protocol.send_text(f"{number}".encode())
            close(client)
            await functions.wait_for("disconnect")
            await functions.wait_for("message", 3)
            return [event["body"] for event in functions.events_of("message")]

    assert asyncio.run(scenario()) == ["0", "1", "2"]


def allow(principal: str) -> Returned:
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}
    return Returned({"principalId": principal, "policyDocument": {"Statement": [statement]}})


def test_connections_of_one_principal_share_what_may_be_with_the_handlers() -> None:
    async def scenario() -> list[str]:
        gate = Gate()

        async def authorizer(event: Mapping[str, Any]) -> Outcome:
            return allow(event["queryStringParameters"]["name"])

        functions = FakeFunctions(message=gate, authorizer=authorizer)
        manifest = {"authorizer_function": "authorizer"}
        async with a_gateway(functions, manifest=manifest, limits=ONE_AT_ONCE) as gateway:
            url = websocket_url(gateway)
            async with (
                connect(f"{url}?name=a") as first,
                connect(f"{url}?name=a") as second,
                connect(f"{url}?name=b") as other,
            ):
                await first.send("a")
                await functions.wait_for("message", 1)
                await second.send("a too")
                await (await second.ping())
                await other.send("b")
                await functions.wait_for("message", 2)
                before = [event["body"] for event in functions.events_of("message")]
                gate.opened.set()
                await functions.wait_for("message", 3)
                messages = [
                    caller.key
                    for (name, _), caller in zip(functions.events, functions.callers, strict=True)
                    if name == "message"
                ]
                return [*before, *messages]

    assert asyncio.run(scenario()) == ["a", "b", "principal a", "principal b", "principal a"]


def test_rest_client_that_has_closed_its_connection_waits_no_longer() -> None:
    async def scenario() -> list[bool]:
        gate = Gate()
        functions = FakeFunctions(api=gate)
        manifest = {"http_function": "api", "http_routes": {"/slow": ("GET",)}}
        async with a_gateway(functions, manifest=manifest) as gateway:
            _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(b"GET /api/slow HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer a\r\n\r\n")
            await functions.wait_for("api")
            (caller,) = functions.callers
            before = caller.still_waits()
            writer.close()
            async with asyncio.timeout(10):
                while caller.still_waits():  # noqa: ASYNC110  # it has no event
                    await asyncio.sleep(0)
            gate.opened.set()
            assert caller.key == "credential Bearer a"
            return [before, caller.still_waits()]

    assert asyncio.run(scenario()) == [True, False]
