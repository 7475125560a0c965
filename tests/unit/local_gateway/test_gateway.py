"""The gateway as a server: what only shows when bytes move."""

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from infra.local.gateway import Gateway, GatewayLimits, GatewaySettings, MessageOrder
from infra.local.invocation import AppManifest, Outcome
from tests.unit.local_gateway.fakes import OK, FakeFunctions, a_gateway


def websocket_url(gateway: Gateway) -> str:
    return f"ws://127.0.0.1:{gateway.port}/ws"


def http_client(gateway: Gateway) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", trust_env=False)


def connection_id(functions: FakeFunctions) -> str:
    return str(functions.events_of("connect")[-1]["requestContext"]["connectionId"])


async def close_frame(client: ClientConnection) -> tuple[int, str]:
    async with asyncio.timeout(10):
        await client.wait_closed()
    assert client.close_code is not None
    return client.close_code, client.close_reason or ""


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


def test_stop_closes_clients_with_1001_and_waits_for_disconnect() -> None:
    async def scenario() -> tuple[tuple[int, str], list[Any]]:
        returned = []

        async def disconnect(event: Mapping[str, Any]) -> Outcome:
            await asyncio.sleep(0.05)
            returned.append(event["requestContext"]["disconnectStatusCode"])
            return OK

        running = a_gateway(FakeFunctions(disconnect=disconnect))
        async with running as gateway, connect(websocket_url(gateway)) as client:
            await gateway.stop()
            frame = await close_frame(client)
        return frame, returned

    assert asyncio.run(scenario()) == ((1001, "Going away"), [1001])


def test_client_whose_handshake_outlasts_the_stop_is_closed_too() -> None:
    async def scenario() -> int:
        release = asyncio.Event()

        async def slow_connect(_event: Mapping[str, Any]) -> Outcome:
            await release.wait()
            return OK

        functions = FakeFunctions(connect=slow_connect)
        async with a_gateway(functions) as gateway:
            opening = asyncio.create_task(connect(websocket_url(gateway)).__aenter__())
            await functions.wait_for("connect")
            stopping = asyncio.create_task(gateway.stop())
            await asyncio.sleep(0)
            release.set()
            code, _ = await close_frame(await opening)
            await stopping
        return code

    assert asyncio.run(scenario()) == 1001


def test_stop_is_harmless_the_second_time_and_frees_the_port() -> None:
    async def scenario() -> None:
        async with a_gateway(FakeFunctions()) as gateway:
            port = gateway.port
            await gateway.stop()
            await gateway.stop()
        with socket.create_server(("127.0.0.1", port)):
            pass

    asyncio.run(scenario())


def test_taken_port_is_an_os_error() -> None:
    async def scenario(port: int) -> None:
        await Gateway(GatewaySettings(port=port), AppManifest("app"), FakeFunctions()).start()

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        asyncio.run(scenario(taken.getsockname()[1]))


@pytest.mark.parametrize(
    "setting", [{"route_selection_expression": "action"}, {"authorizer_identity_sources": ("nowhere",)}]
)
def test_setting_that_cannot_be_parsed_fails_the_start_and_frees_the_port(setting: dict[str, Any]) -> None:
    async def scenario() -> None:
        await Gateway(GatewaySettings(port=0, **setting), AppManifest("app"), FakeFunctions()).start()

    with pytest.raises(ValueError, match=r"^not "):
        asyncio.run(scenario())


def test_client_that_vanishes_during_connect_is_disconnected_with_1006() -> None:
    async def scenario() -> Any:
        release = asyncio.Event()

        async def slow_connect(_event: Mapping[str, Any]) -> Outcome:
            await release.wait()
            return OK

        functions = FakeFunctions(connect=slow_connect)
        async with a_gateway(functions) as gateway:
            opening = asyncio.create_task(connect(websocket_url(gateway)).__aenter__())
            await functions.wait_for("connect")
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            release.set()
            (event,) = await functions.wait_for("disconnect")
        return event["requestContext"]["disconnectStatusCode"]

    assert asyncio.run(scenario()) == 1006


def test_refused_client_gets_no_disconnect() -> None:
    async def scenario() -> list[str]:
        functions = FakeFunctions(authorize=OK)
        async with a_gateway(functions, manifest={"authorizer_function": "authorize"}) as gateway:
            with pytest.raises(InvalidStatus):
                await connect(websocket_url(gateway)).__aenter__()
        return [name for name, _ in functions.events]

    assert asyncio.run(scenario()) == ["authorize"]


def test_callbacks_before_a_delete_arrive_before_the_close_frame() -> None:
    async def scenario() -> tuple[list[Any], tuple[int, str]]:
        functions = FakeFunctions()
        async with (
            a_gateway(functions) as gateway,
            http_client(gateway) as http,
            connect(websocket_url(gateway)) as client,
        ):
            path = f"/ws/@connections/{connection_id(functions)}"
            for text in ("a", "b"):
                await http.post(path, content=text)
            await http.delete(path)
            received = [message async for message in client]
            return received, await close_frame(client)

    received, frame = asyncio.run(scenario())
    assert (received, frame) == (["a", "b"], (1000, "Connection Closed Normally"))


@pytest.mark.parametrize("encoded", ["{id}", "{id_percent}"])
@pytest.mark.parametrize("prefix", ["", "/_aws/execute-api/anything"])
def test_management_path_may_encode_the_id_and_name_an_emulators_api(encoded: str, prefix: str) -> None:
    async def scenario() -> int:
        functions = FakeFunctions()
        async with (
            a_gateway(functions) as gateway,
            http_client(gateway) as http,
            connect(f"ws://127.0.0.1:{gateway.port}{prefix}/ws"),
        ):
            made = connection_id(functions)
            name = encoded.format(id=made, id_percent=made.replace("=", "%3D"))
            return (await http.get(f"{prefix}/ws/@connections/{name}")).status_code

    assert asyncio.run(scenario()) == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ping", 200),
        ("GET", "/ws", 403),
        ("GET", "/nosuchstage", 403),
        ("POST", "/prod/@connections/TXzPWdnOjoECGjA=", 403),
        ("PUT", "/ws/@connections/TXzPWdnOjoECGjA=", 410),
        ("GET", "/api/nosuchroute", 403),
    ],
)
def test_http_paths_are_told_apart(method: str, path: str, status: int) -> None:
    async def scenario() -> int:
        async with a_gateway(FakeFunctions()) as gateway, http_client(gateway) as http:
            return (await http.request(method, path)).status_code

    assert asyncio.run(scenario()) == status


def test_callback_rate_beyond_the_account_limit_is_429() -> None:
    async def scenario() -> list[int]:
        limits = GatewayLimits(requests_per_s=1, request_burst=2)
        async with a_gateway(FakeFunctions(), limits=limits) as gateway, http_client(gateway) as http:
            path = "/ws/@connections/TXzPWdnOjoECGjA="
            return [(await http.get(path)).status_code for _ in range(3)]

    assert asyncio.run(scenario()) == [410, 410, 429]


def test_connections_beyond_the_account_limit_are_refused_with_429() -> None:
    async def scenario() -> int:
        limited = a_gateway(FakeFunctions(), limits=GatewayLimits(connections_per_s=1))
        async with limited as gateway, connect(websocket_url(gateway)):
            with pytest.raises(InvalidStatus) as refused:
                await connect(websocket_url(gateway)).__aenter__()
        return refused.value.response.status_code

    assert asyncio.run(scenario()) == 429


def test_url_beyond_what_can_be_parsed_is_refused_like_any_other_too_long() -> None:
    async def scenario() -> int:
        async with a_gateway(FakeFunctions()) as gateway:
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{websocket_url(gateway)}?{'x' * 20_000}").__aenter__()
        return refused.value.response.status_code

    assert asyncio.run(scenario()) == 414


def test_text_that_is_not_utf8_closes_with_1007() -> None:
    async def scenario() -> tuple[int, str]:
        async with a_gateway(FakeFunctions()) as gateway, connect(websocket_url(gateway)) as client:
            with contextlib.suppress(ConnectionClosed):
                await asyncio.gather(*(client.send(b"\xff\xfe", text=True) for _ in range(3)))
            return await close_frame(client)

    assert asyncio.run(scenario())[0] == 1007


def test_message_in_the_same_packet_as_the_close_frame_is_delivered() -> None:
    async def scenario() -> list[Any]:
        functions = FakeFunctions()
        async with a_gateway(functions) as gateway, connect(websocket_url(gateway)) as client:
            client.protocol.send_text(b"last words")
            client.protocol.send_close(1000)
            client.transport.write(b"".join(client.protocol.data_to_send()))
            return [event["body"] for event in await functions.wait_for("message")]

    assert asyncio.run(scenario()) == ["last words"]


def test_compression_is_agreed_only_when_it_is_set() -> None:
    async def scenario(*, permessage_deflate: bool) -> bool:
        functions = FakeFunctions()
        compressing = a_gateway(functions, permessage_deflate=permessage_deflate)
        async with compressing as gateway, connect(websocket_url(gateway)) as client:
            await client.send("x" * 1_000)
            (event,) = await functions.wait_for("message")
            assert event["body"] == "x" * 1_000
            assert client.response is not None
            return "Sec-WebSocket-Extensions" in client.response.headers

    assert asyncio.run(scenario(permessage_deflate=True))
    assert not asyncio.run(scenario(permessage_deflate=False))


def test_failures_and_connections_are_logged_as_facts() -> None:
    async def scenario() -> list[str]:
        logged: list[str] = []
        functions = FakeFunctions()
        async with a_gateway(functions, log=lambda message, _facts: logged.append(message)) as gateway:
            async with connect(websocket_url(gateway)):
                pass
            await functions.wait_for("disconnect")
        return logged

    assert asyncio.run(scenario()) == ["connection opened", "connection closed"]
