"""What of a function's answer reaches the client, and under which name."""

import asyncio
from typing import Any

import pytest

from chalice_offline.gateway.proxy_response import proxy_response
from chalice_offline.invocation import Returned
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions, a_gateway

ROUTES: dict[str, Any] = {"http_function": "api_handler", "http_routes": {"/": ("GET",)}}
REQUEST = b"GET /api/ HTTP/1.1\r\nHost: localhost\r\n\r\n"


def headers_of(**headers: str) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = proxy_response({"statusCode": 200, "headers": named, "body": "ok"}, sends_binary=False)
    return dict(response.headers)


@pytest.mark.parametrize(
    "name",
    [
        "WWW_Authenticate",
        "Authorization",
        "Content_Length",
        "Date",
        "Server",
        "Connection",
        "X_Amzn_RequestId",
    ],
)
def test_header_that_is_the_gateways_own_reaches_the_client_under_another_name(name: str) -> None:
    shown = name.replace("_", "-")
    assert headers_of(**{name: "x"}) == {f"x-amzn-Remapped-{shown}": "x", "Content-Type": "application/json"}


def test_transfer_encoding_is_dropped_and_all_else_is_kept() -> None:
    assert headers_of(Transfer_Encoding="chunked", Content_Type="text/plain", Location="/", Age="1") == {
        "Content-Type": "text/plain",
        "Location": "/",
        "Age": "1",
    }


def answers_of(answer: dict[str, Any]) -> bytes:
    """Return all that comes back for two requests, one behind the other on one connection."""

    async def scenario() -> bytes:
        functions = FakeFunctions(api_handler=Returned(answer))
        async with a_gateway(functions, manifest=ROUTES) as gateway:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(REQUEST + REQUEST.replace(b"Host:", b"Connection: close\r\nHost:"))
            came = await reader.read()
            writer.close()
            return came

    return asyncio.run(scenario())


@pytest.mark.parametrize("status", [204, 304])
def test_body_that_may_not_follow_a_status_does_not_become_the_beginning_of_the_next_answer(
    status: int,
) -> None:
    """Chalice has ``null`` for it: ``Response(None, status_code=204)``."""
    came = answers_of({"statusCode": status, "headers": {"Content-Length": "4"}, "body": "null"})
    assert came.count(b"HTTP/1.1 ") == 2
    assert b"null" not in came
    assert b"\r\ncontent-length" not in came.lower()


def test_length_that_a_function_gives_does_not_count() -> None:
    came = answers_of({"statusCode": 200, "headers": {"Content-Length": "99"}, "body": "hello"})
    assert came.count(b"\r\ncontent-length: 5\r\n") == came.count(b"hello") == 2
