"""How the gateway and its connections begin and end."""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from chalice_offline.gateway import Gateway, GatewaySettings
from chalice_offline.invocation import AppManifest, Outcome
from tests.support.ports import free_port
from tests.unit.chalice_offline.gateway.clients import close_frame, http_client, websocket_url
from tests.unit.chalice_offline.gateway.fakes import OK, FakeFunctions, a_gateway


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


def test_request_during_a_stop_is_refused_and_the_one_before_is_answered() -> None:
    async def scenario() -> tuple[int, int, int]:
        release = asyncio.Event()

        async def slow_answer(_event: Mapping[str, Any]) -> Outcome:
            await release.wait()
            return OK

        functions = FakeFunctions(api_handler=slow_answer)
        manifest = {"http_function": "api_handler", "http_routes": {"/": ("GET",)}}
        async with a_gateway(functions, manifest=manifest) as gateway, http_client(gateway) as http:
            before = asyncio.create_task(http.get("/api/"))
            await functions.wait_for("api_handler")
            stopping = asyncio.create_task(gateway.stop())
            await asyncio.sleep(0)
            during = await http.get("/api/")
            release.set()
            answered = (await before).status_code
            await stopping
        return during.status_code, answered, len(functions.events_of("api_handler"))

    assert asyncio.run(scenario()) == (503, 200, 1)


def test_stop_that_waited_long_enough_refuses_those_who_still_wait_and_logs_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def never(_event: Mapping[str, Any]) -> Outcome:
        await asyncio.Event().wait()
        return OK

    async def scenario() -> tuple[int, int]:
        functions = FakeFunctions(api_handler=never, connect=never)
        manifest = {"http_function": "api_handler", "http_routes": {"/": ("GET",)}}
        running = a_gateway(functions, manifest=manifest, shutdown_grace_s=0.05)
        async with running as gateway, http_client(gateway) as http:
            asking = asyncio.create_task(http.get("/api/"))
            opening = asyncio.create_task(connect(websocket_url(gateway)).__aenter__())
            await functions.wait_for("api_handler")
            await functions.wait_for("connect")
            await gateway.stop()
            with pytest.raises(InvalidStatus) as refused:
                await opening
            return (await asking).status_code, refused.value.response.status_code

    assert asyncio.run(scenario()) == (502, 502)
    assert [record.message for record in caplog.records if record.name.startswith("uvicorn")] == []


@pytest.mark.parametrize("is_hurried", [False, True])
@pytest.mark.parametrize("path", ["/api/", "/2015-03-31/functions/pure/invocations"])
def test_stop_refuses_a_request_whose_body_has_yet_to_come_and_logs_no_failure(
    caplog: pytest.LogCaptureFixture, path: str, *, is_hurried: bool
) -> None:
    async def scenario() -> bytes:
        manifest = {
            "http_function": "api_handler",
            "http_routes": {"/": ("POST",)},
            "deployed_names": {"pure": "pure"},
        }
        grace_s = 60.0 if is_hurried else 0.05
        async with a_gateway(FakeFunctions(), manifest=manifest, shutdown_grace_s=grace_s) as gateway:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\npart".encode())
            assert gateway._server is not None
            while not gateway._server.server_state.tasks:  # noqa: ASYNC110  # uvicorn has no event for it
                await asyncio.sleep(0.01)
            if is_hurried:
                stopping = asyncio.create_task(gateway.stop())
                await asyncio.sleep(0)
                stopping.cancel()
                await asyncio.wait({stopping})
            await gateway.stop()
            answer = await reader.readline()
            writer.close()
        return answer

    assert asyncio.run(scenario()) == b"HTTP/1.1 503 Service Unavailable\r\n"
    assert [record.message for record in caplog.records if record.name.startswith("uvicorn")] == []


def test_stop_is_harmless_the_second_time_and_frees_the_port() -> None:
    async def scenario() -> None:
        port = free_port()  # which no other process takes
        async with a_gateway(FakeFunctions(), port=port) as gateway:
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


def test_connection_sends_each_frame_at_once() -> None:
    """Otherwise the kernel keeps a frame back until the client has
    acknowledged the last one, which takes 40 ms.
    """

    async def scenario() -> list[int]:
        async with a_gateway(FakeFunctions()) as gateway, connect(websocket_url(gateway)):
            assert gateway._server is not None
            sockets = [
                protocol.transport.get_extra_info("socket")
                for protocol in gateway._server.server_state.connections
            ]
            return [each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for each in sockets]

    options = asyncio.run(scenario())
    assert options
    assert all(options)
