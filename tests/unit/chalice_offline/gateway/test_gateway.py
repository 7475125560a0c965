"""The gateway as a server: what only shows when bytes move."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chalice_offline.gateway import GatewayLimits
from chalice_offline.invocation import Returned
from tests.unit.chalice_offline.gateway.clients import close_frame, connection_id, http_client, websocket_url
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions, a_gateway


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


def test_both_apis_share_a_stage_as_chalice_deploys_them() -> None:
    async def scenario() -> tuple[int, str, int, int]:
        functions = FakeFunctions(api=Returned({"statusCode": 200, "body": "rest"}))
        manifest = {"http_function": "api", "http_routes": {"/": ("GET",), "/rooms": ("GET",)}}
        async with (
            a_gateway(functions, manifest=manifest, websocket_stage="api", rest_stage="api") as gateway,
            http_client(gateway) as http,
            connect(f"ws://127.0.0.1:{gateway.port}/api"),
        ):
            made = connection_id(functions)
            rooms = await http.get("/api/rooms")
            callback = await http.get(f"/api/@connections/{made}")
            return (
                (await http.get("/api/")).status_code,
                rooms.text,
                callback.status_code,
                len(functions.events),
            )

    assert asyncio.run(scenario()) == (200, "rest", 200, 3)


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


def test_url_is_refused_from_one_character_beyond_the_limit_on_its_query_counted() -> None:
    async def scenario() -> int:
        limits = GatewayLimits(url_chars_max=100)
        async with a_gateway(FakeFunctions(), limits=limits) as gateway:
            longest = f"{websocket_url(gateway)}?{'x' * (100 - len('/ws?'))}"
            async with connect(longest):
                pass
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{longest}x").__aenter__()
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


def test_text_behind_a_binary_message_is_never_handled() -> None:
    async def scenario() -> tuple[int, list[Any]]:
        functions = FakeFunctions()
        async with a_gateway(functions) as gateway, connect(websocket_url(gateway)) as client:
            client.protocol.send_binary(b"x")
            client.protocol.send_text(b"too late")
            client.transport.write(b"".join(client.protocol.data_to_send()))
            code, _ = await close_frame(client)
            await functions.wait_for("disconnect")
            return code, functions.events_of("message")

    assert asyncio.run(scenario()) == (1003, [])


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


def test_handshake_at_no_stage_is_403_and_the_developer_is_told_where_the_api_is() -> None:
    """As one at the root, where ``chalice local`` has its REST API, and tutorials look."""
    told: list[str] = []

    def warn(message: str, facts: Mapping[str, str]) -> None:
        told.append(f"{message} {facts}")

    async def scenario() -> int:
        async with a_gateway(FakeFunctions(), warn=warn) as gateway:
            for _ in range(2):
                with pytest.raises(InvalidStatus) as caught:
                    await connect(f"ws://127.0.0.1:{gateway.port}/")
            return caught.value.response.status_code

    assert asyncio.run(scenario()) == 403
    assert ["/ws" in line for line in told] == [True]
