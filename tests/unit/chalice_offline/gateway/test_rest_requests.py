"""REST requests as clients write them: slashes, long heads, traces, and what follows a chunked body."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import pytest

from chalice_offline.gateway import Gateway
from chalice_offline.invocation import Returned
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions, a_gateway

ROUTES: dict[str, Any] = {
    "http_function": "rest",
    "http_routes": {"/orders": ("GET", "POST")},
    "http_cors": {"/orders": {"Access-Control-Allow-Origin": "*"}},
}
TRACE = "Root=1-3152b799-8954dae64eda91bc9a23a7e8"


async def answer(gateway: Gateway, request: bytes) -> str:
    """Send one request, and return all that comes back until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request)
    async with asyncio.timeout(15):
        data = await reader.read()
    writer.close()
    return data.decode("latin-1")


def asked(
    target: str = "/api/orders",
    *headers: str,
    method: str = "GET",
    body: bytes = b"",
    answered: Mapping[str, str] | None = None,
    **settings: Any,
) -> tuple[str, list[Mapping[str, Any]]]:
    """Return what a request of these lines is answered, and the events that it led to."""

    async def scenario() -> tuple[str, list[Mapping[str, Any]]]:
        functions = FakeFunctions(rest=Returned({"statusCode": 200, "headers": answered, "body": "ok"}))
        async with a_gateway(functions, manifest=ROUTES, **settings) as gateway:
            lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
            head = "\r\n".join([*lines, "", ""])
            return await answer(gateway, head.encode() + body), functions.events_of("rest")

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("target", "context_path"),
    [
        ("//api/orders", "/api/orders"),
        ("/api//orders", "/api//orders"),
        ("/api///orders/", "/api///orders/"),
        ("//orders", "//orders"),
    ],
)
def test_several_slashes_in_front_of_a_path_are_one(target: str, context_path: str) -> None:
    """Recorded on AWS by localstack/localstack, ``test_lambda_aws_proxy_integration``."""
    said, (event,) = asked(target, base_path="/")
    assert said.startswith("HTTP/1.1 200 ")
    assert (event["resource"], event["path"].rstrip("/")) == ("/orders", "/orders")
    assert event["requestContext"]["path"] == context_path


def test_slashes_within_a_path_count() -> None:
    said, events = asked("/api/orders//x")
    assert (said.startswith("HTTP/1.1 403 "), events) == (True, [])


def test_head_of_10_240_bytes_is_taken_and_a_longer_one_is_431() -> None:
    """Of the line and the headers' values; Host and Connection have 14 bytes of them."""
    line = len("GET /api/orders HTTP/1.1")
    room = 10_240 - line - len("localhost") - len("close")
    said, events = asked("/api/orders", "X-Long: " + "x" * room)
    assert (said[:13], len(events)) == ("HTTP/1.1 200 ", 1)
    said, events = asked("/api/orders", "X-Long: " + "x" * (room + 1))
    assert (said[:13], events) == ("HTTP/1.1 431 ", [])
    assert said.endswith("\r\n\r\nHTTP header is larger than 10240 bytes.")
    assert "x-amzn-requestid: " in said.lower()


def test_long_query_counts_as_part_of_the_head() -> None:
    assert asked("/api/orders?q=" + "x" * 10_300)[0].startswith("HTTP/1.1 431 ")


@pytest.mark.parametrize("character", ["|", "{", "}"])
def test_query_with_what_has_to_be_encoded_is_400_and_says_why(character: str) -> None:
    """api-gateway-known-issues.html; https://github.com/yezyilomo/django-restql/issues/279."""
    told: list[str] = []
    said, events = asked(f"/api/orders?q=a{character}b", warn=lambda message, _facts: told.append(message))
    assert (said[:13], events) == ("HTTP/1.1 400 ", [])
    assert ["has to be encoded" in message for message in told] == [True]
    said, (event,) = asked(f"/api/orders?q=a%{ord(character):x}b")
    assert said.startswith("HTTP/1.1 200 ")
    assert event["queryStringParameters"] == {"q": f"a{character}b"}


def traces(*headers: str, method: str = "GET") -> tuple[str | None, str | None]:
    """Return the trace that the app saw, and the one in the answer."""
    said, events = asked("/api/orders", *headers, method=method)
    found = re.search(r"(?i)\r\nx-amzn-trace-id: (.*)\r\n", said)
    return (events[0]["headers"]["X-Amzn-Trace-Id"] if events else None), found and found[1]


def test_answer_of_a_function_has_the_requests_trace_and_a_preflight_none() -> None:
    seen, told = traces()
    assert seen is not None
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", seen)
    assert told is not None
    assert re.fullmatch(re.escape(seen) + ";Parent=[0-9a-f]{16};Sampled=0", told)
    assert traces(method="OPTIONS") == (None, None)


def test_answer_of_a_function_that_names_a_trace_has_the_requests_alone() -> None:
    said, _ = asked("/api/orders", f"X-Amzn-Trace-Id: {TRACE}", answered={"x-amzn-trace-id": "of another"})
    (told,) = re.findall(r"(?i)\r\nx-amzn-trace-id: (.*)\r\n", said)
    assert told.startswith(TRACE)


def test_trace_that_a_client_began_goes_on() -> None:
    whole = f"{TRACE};Parent=7fa8c0f79203be72;Sampled=1"
    assert traces(f"x-amzn-trace-id: {whole}") == (whole, whole)
    seen, told = traces(f"X-Amzn-Trace-Id: {TRACE}")
    assert seen == TRACE
    assert told is not None
    assert told.startswith(f"{TRACE};Parent=")


@pytest.mark.parametrize("header", ["trace", "Root=1-x", f"{TRACE}\x00", f"{TRACE};Self=<script>"])
def test_trace_that_is_none_is_replaced(header: str) -> None:
    said, events = asked("/api/orders", f"X-Amzn-Trace-Id: {header}")
    assert f"{header}\r\n" not in said
    assert all(event["headers"]["X-Amzn-Trace-Id"] != header for event in events)


def test_trailer_of_a_chunked_body_is_no_header() -> None:
    body = b"2\r\nhi\r\n0\r\nAuthorization: forged\r\nX-Late: 1\r\n\r\n"
    said, (event,) = asked("/api/orders", "Transfer-Encoding: chunked", method="POST", body=body)
    assert said.startswith("HTTP/1.1 200 ")
    assert event["body"] == "hi"
    assert not {"Authorization", "X-Late"} & set(event["headers"])


def test_method_that_a_literal_path_lacks_is_that_of_a_variable_one() -> None:
    async def scenario() -> list[Mapping[str, Any]]:
        functions = FakeFunctions()
        paths = {"/users/me": ("PATCH",), "/users/{id}": ("GET",)}
        manifest = {"http_function": "rest", "http_routes": paths}
        async with a_gateway(functions, manifest=manifest) as gateway:
            for method, status in (("PATCH", 200), ("GET", 200), ("POST", 403)):
                line = f"{method} /api/users/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                assert (await answer(gateway, line.encode())).startswith(f"HTTP/1.1 {status} ")
        return functions.events_of("rest")

    changed, read = asyncio.run(scenario())
    assert (changed["resource"], changed["pathParameters"]) == ("/users/me", None)
    assert (read["resource"], read["pathParameters"]) == ("/users/{id}", {"id": "me"})


def test_preflight_of_a_path_without_cors_is_that_of_a_greedy_one() -> None:
    paths = {"/users": ("GET",), "/{any+}": ("GET",)}
    cors = {"/{any+}": {"Access-Control-Allow-Origin": "https://example.org"}}

    async def scenario() -> str:
        manifest = {"http_function": "rest", "http_routes": paths, "http_cors": cors}
        async with a_gateway(FakeFunctions(), manifest=manifest) as gateway:
            line = "OPTIONS /api/users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            return await answer(gateway, line.encode())

    said = asyncio.run(scenario())
    assert said.startswith("HTTP/1.1 200 ")
    assert "https://example.org" in said
