"""Management requests as bytes: however they come, the answers are the same, and in order."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.asyncio.client import connect

from chalice_offline.gateway import Gateway, GatewayLimits, GatewaySettings
from chalice_offline.gateway.callbacks import Callbacks
from chalice_offline.gateway.edge import Edge
from chalice_offline.gateway.http_protocol import GatewayHttp
from chalice_offline.gateway.protocol import GatewayWebSocket
from chalice_offline.gateway.responses import Response
from chalice_offline.gateway.settings import MESSAGE_BYTES_MAX
from chalice_offline.invocation import AppManifest, Returned
from chalice_offline.prompt_requests import PromptRequest
from tests.unit.chalice_offline.gateway.clients import connection_id, websocket_url
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions, a_gateway

GONE_ID = "AAAAAAAAAAAAAAA="
REST = {"http_function": "rest", "http_routes": {"/slow": ("GET",)}}


async def no_application(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError("callbacks are none of the application's business")


def a_post(path_id: str, text: str, *headers: str) -> bytes:
    head = [
        f"POST /ws/@connections/{path_id} HTTP/1.1",
        "Host: localhost",
        f"Content-Length: {len(text)}",
        *headers,
    ]
    return "\r\n".join([*head, "", text]).encode()


async def answers(gateway: Gateway, *packets: bytes) -> str:
    """Send packets one after the other over one connection, and return what comes back until it is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    for packet in packets:
        writer.write(packet)
        await writer.drain()
        await asyncio.sleep(0)
    writer.write_eof()
    async with asyncio.timeout(15):
        data = await reader.read()
    writer.close()
    return data.decode()


def statuses(data: str) -> list[int]:
    return [int(status) for status in re.findall(r"HTTP/1\.1 (\d+)", data)]


@pytest.mark.parametrize("size", [1, 7, 10_000], ids=["bytewise", "in pieces", "in one packet"])
def test_posts_behind_one_another_are_delivered_in_order_however_they_are_cut(size: int) -> None:
    async def scenario() -> tuple[list[int], list[object]]:
        functions = FakeFunctions()
        async with a_gateway(functions) as gateway, connect(websocket_url(gateway)) as client:
            path_id = connection_id(functions).replace("=", "%3D")
            data = b"".join(a_post(path_id, text) for text in ("a", "bb", "ccc"))
            last = a_post(path_id, "dddd", "Connection: close")
            pieces = [(data + last)[at : at + size] for at in range(0, len(data + last), size)]
            found = statuses(await answers(gateway, *pieces))
            return found, [await client.recv() for _ in range(4)]

    assert asyncio.run(scenario()) == ([200] * 4, ["a", "bb", "ccc", "dddd"])


def test_frames_of_posts_that_came_together_leave_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[Sequence[str]] = []
    write_now = GatewayWebSocket.write_now  # what leaves is seen only where it is written

    def seen(self: GatewayWebSocket, texts: Sequence[str]) -> bool:
        pieces.append(texts)
        return write_now(self, texts)

    monkeypatch.setattr(GatewayWebSocket, "write_now", seen)

    async def scenario() -> tuple[list[int], list[object]]:
        functions = FakeFunctions()
        async with a_gateway(functions) as gateway, connect(websocket_url(gateway)) as client:
            path_id = connection_id(functions).replace("=", "%3D")
            posts = [a_post(path_id, "a"), a_post(path_id, "b"), a_post(GONE_ID, "c"), a_post(path_id, "d")]
            last = a_post(path_id, "e", "Connection: close")
            found = statuses(await answers(gateway, b"".join([*posts, last])))
            return found, [await client.recv() for _ in range(4)]

    assert asyncio.run(scenario()) == ([200, 200, 410, 200, 200], ["a", "b", "d", "e"])
    assert [[*texts] for texts in pieces] == [["a", "b"], ["d"], ["e"]]


def test_posts_that_came_together_are_judged_one_by_one_where_one_of_them_is_refused() -> None:
    async def scenario() -> tuple[list[int], list[object]]:
        functions = FakeFunctions()
        limits = GatewayLimits(request_burst=4, requests_per_s=0)
        async with (
            a_gateway(functions, limits=limits) as gateway,
            connect(websocket_url(gateway)) as client,
        ):
            path_id = connection_id(functions).replace("=", "%3D")
            of_a_page = a_post(path_id, "page", "Origin: http://page.example")
            large = a_post(path_id, "x" * (MESSAGE_BYTES_MAX + 1))
            together = [a_post(path_id, "a"), of_a_page, large, *(a_post(path_id, text) for text in "bcd")]
            found = statuses(await answers(gateway, b"".join(together)))
            return found, [await client.recv() for _ in range(3)]

    # The large one took a token, and the last found none; the page's was refused before that.
    assert asyncio.run(scenario()) == ([200, 403, 413, 200, 200, 429], ["a", "b", "c"])


def test_post_in_the_same_packet_behind_a_delete_is_410_and_not_delivered() -> None:
    async def scenario() -> tuple[list[int], list[object]]:
        functions = FakeFunctions()
        async with a_gateway(functions) as gateway, connect(websocket_url(gateway)) as client:
            path_id = connection_id(functions).replace("=", "%3D")
            delete = a_post(path_id, "").replace(b"POST", b"DELETE")
            found = statuses(await answers(gateway, delete + a_post(path_id, "too late")))
            return found, [message async for message in client]

    assert asyncio.run(scenario()) == ([204, 410], [])


@pytest.mark.parametrize("length", [8_192, 32 * 1024, 32 * 1024 + 1, MESSAGE_BYTES_MAX])
def test_long_frames_among_posts_that_came_together_arrive_in_order(length: int) -> None:
    async def scenario() -> tuple[list[int], list[object]]:
        functions = FakeFunctions()
        async with a_gateway(functions) as gateway, connect(websocket_url(gateway)) as client:
            path_id = connection_id(functions).replace("=", "%3D")
            texts = ["a", "x" * length, "b"]
            found = statuses(await answers(gateway, b"".join(a_post(path_id, text) for text in texts)))
            return found, [await client.recv() for _ in texts]

    assert asyncio.run(scenario()) == ([200] * 3, ["a", "x" * length, "b"])


@pytest.mark.parametrize("header", ["Connection: close", "Expect: 100-continue\r\nConnection: close"])
def test_post_that_wants_more_than_an_answer_is_answered_like_any_other(header: str) -> None:
    async def scenario() -> str:
        async with a_gateway(FakeFunctions()) as gateway:
            return await answers(gateway, a_post(GONE_ID, "x", header))

    answer = asyncio.run(scenario())
    assert statuses(answer)[-1] == 410
    assert "GoneException" in answer
    assert ("100 Continue" in answer) is ("Expect" in header)


def test_post_behind_a_request_that_is_still_at_work_waits_for_its_turn() -> None:
    async def scenario() -> list[int]:
        release = asyncio.Event()

        async def slow(_event: object) -> Returned:
            await release.wait()
            return Returned({"statusCode": 201, "body": ""})

        async with a_gateway(FakeFunctions(rest=slow), manifest=REST) as gateway:
            packet = b"GET /api/slow HTTP/1.1\r\nHost: localhost\r\n\r\n" + a_post(
                GONE_ID, "", "Connection: close"
            )
            asking = asyncio.create_task(answers(gateway, packet))
            await asyncio.sleep(0)
            release.set()
            return statuses(await asking)

    assert asyncio.run(scenario()) == [201, 410]


def test_post_beyond_128_kb_is_too_large_and_the_next_request_is_understood() -> None:
    async def scenario() -> list[int]:
        functions = FakeFunctions()
        async with a_gateway(functions) as gateway, connect(websocket_url(gateway)):
            made = connection_id(functions)
            return statuses(
                await answers(gateway, a_post(made, "x" * 300_000), a_post(GONE_ID, "", "Connection: close"))
            )

    assert asyncio.run(scenario()) == [413, 410]


def test_connection_that_asks_nothing_more_is_closed_after_its_answer() -> None:
    async def scenario() -> list[int]:
        edge = Edge.create(GatewaySettings(), AppManifest("app"), FakeFunctions(), port=0)
        config = uvicorn.Config(no_application, timeout_keep_alive=0, log_config=None)
        state = ServerState()
        server = await asyncio.get_running_loop().create_server(
            lambda: GatewayHttp(Callbacks(edge), config=config, server_state=state, app_state={}),
            "127.0.0.1",
            0,
        )
        async with server, asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(a_post(GONE_ID, "x"))
            found = statuses((await reader.read()).decode())
            writer.close()
        return found

    assert asyncio.run(scenario()) == [410]


def test_address_that_a_client_claims_to_have_is_told_but_not_believed() -> None:
    async def scenario() -> Any:
        functions = FakeFunctions()
        claims = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
        async with (
            a_gateway(functions) as gateway,
            connect(websocket_url(gateway), additional_headers=claims),
        ):
            return functions.events_of("connect")[0]

    event = asyncio.run(scenario())
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    assert event["multiValueHeaders"]["X-Forwarded-For"] == ["203.0.113.9, 127.0.0.1"]
    assert event["multiValueHeaders"]["X-Forwarded-Proto"] == ["http"]


def test_defect_in_one_answer_is_that_requests_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    respond = Callbacks.respond

    def stumble(callbacks: Callbacks, connection_id: str, request: PromptRequest) -> Response:
        if request.body == b"stumble":
            raise OverflowError("int too large to convert to float")
        return respond(callbacks, connection_id, request)

    monkeypatch.setattr(Callbacks, "respond", stumble)

    async def scenario() -> list[int]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(str(context["exception"])))
        async with a_gateway(FakeFunctions()) as gateway:
            posts = [a_post(GONE_ID, text) for text in ("a", "stumble", "b")]
            return statuses(await answers(gateway, b"".join(posts)))

    assert asyncio.run(scenario()) == [410, 500, 410]
    assert told == ["int too large to convert to float"]
