"""Bodies that API Gateway takes and Lambda does not: 10 MB of a request, and 6 of an event."""

import asyncio
from typing import Any

import httpx
import pytest

from chalice_offline.gateway import GatewayLimits
from chalice_offline.invocation import Returned
from tests.support.plain_http import NO_TLS
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions, a_gateway

MANIFEST: dict[str, Any] = {
    "http_function": "api_handler",
    "http_routes": {"/": ("POST",)},
    "http_binary_types": ("application/octet-stream",),
}
MB = 1024 * 1024


def answer_to(body: bytes, content_type: str, functions: FakeFunctions, **options: Any) -> httpx.Response:
    async def scenario() -> httpx.Response:
        async with (
            a_gateway(functions, manifest=MANIFEST, **options) as gateway,
            httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=60) as http,
        ):
            url = f"http://127.0.0.1:{gateway.port}/api/"
            return await http.post(url, content=body, headers={"Content-Type": content_type})

    return asyncio.run(scenario())


def test_body_beyond_the_limit_is_refused_as_captured() -> None:
    functions = FakeFunctions()
    response = answer_to(
        b"x" * 1_001, "text/plain", functions, limits=GatewayLimits(rest_body_bytes_max=1_000)
    )
    assert (response.status_code, response.text) == (413, "HTTP content length exceeded 1000 bytes.")
    assert {"x-amzn-requestid", "x-amz-apigw-id"} <= set(response.headers)
    assert functions.events == []


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/octet-stream", b"\0" * 4 * MB, 200),
        ("application/octet-stream", b"\0" * 5 * MB, 413),  # base64 makes four bytes of three
        ("text/plain", b"x" * 5 * MB, 200),
        ("text/plain", "é".encode() * (5 * MB // 2), 200),
        ("text/plain", b'"' * 4 * MB, 413),  # each has a backslash before it
    ],
)
def test_body_whose_event_lambda_would_not_take_is_refused_as_captured(
    content_type: str, body: bytes, status: int
) -> None:
    functions = FakeFunctions(api_handler=Returned({"statusCode": 200, "body": ""}))
    response = answer_to(body, content_type, functions)
    assert response.status_code == status
    assert len(functions.events) == (status == 200)
    if status == 413:
        assert response.json() == {"message": "Request Too Long"}
        assert response.headers["x-amzn-ErrorType"] == "BadRequestException"
