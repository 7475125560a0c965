"""What becomes of a function's answer to a REST request, whatever it is."""

import asyncio
from typing import Any

import pytest

from chalice_offline.gateway.proxy_response import proxy_response, response_of
from chalice_offline.gateway.refusals import MALFORMED
from chalice_offline.gateway.responses import Response
from chalice_offline.invocation import Returned
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions, a_gateway

JSON = ("Content-Type", "application/json")
ROUTES: dict[str, Any] = {"http_function": "api_handler", "http_routes": {"/": ("GET",)}}
REQUEST = b"GET /api/ HTTP/1.1\r\nHost: localhost\r\n\r\n"


def answer(*, sends_binary: bool = False, **payload: Any) -> Response:
    return proxy_response({"statusCode": 200, **payload}, sends_binary=sends_binary)


@pytest.mark.parametrize(
    "payload",
    [
        {"headers": ["X-A"]},
        {"headers": "X-A: 1"},
        {"headers": {"X A": "1"}},
        {"headers": {"": "1"}},
        {"headers": {"X-A": "1\r\nX-B: 2"}},
        {"multiValueHeaders": [["X-A", "1"]]},
        {"multiValueHeaders": {"X-A": "1"}},
        {"multiValueHeaders": {"X-A": 1}},
        {"multiValueHeaders": {"X-A": ["1\0"]}},
        {"headers": {"X-A": ["1", "2"]}},
        {"headers": {"X-A": {"b": 1}}},
        {"multiValueHeaders": {"X-A": [["1"]]}},
        {"body": {"not": "text"}},
        {"wrongValue": "value"},
        {"cookies": ["a=1"]},
    ],
)
def test_answer_that_cannot_be_sent_is_502(payload: dict[str, Any]) -> None:
    assert answer(**payload) == MALFORMED


@pytest.mark.parametrize("payload", [{}, {"headers": {"X-A": "1"}}, {"body": "x"}, {"statusCode": "200"}])
def test_answer_without_a_status_is_200(payload: dict[str, Any]) -> None:
    assert proxy_response(payload, sends_binary=False).status == 200


@pytest.mark.parametrize(
    "payload", ["text", None, 5, ["statusCode"], {"statusCode": "x"}, {"statusCode": 99}]
)
def test_what_is_no_answer_is_502(payload: Any) -> None:
    assert response_of(Returned(payload), integration_timeout_s=1, sends_binary=False) == MALFORMED


@pytest.mark.parametrize(
    ("value", "sent"), [(True, "true"), (False, "false"), (5, "5"), (1.5, "1.5"), ("", ""), ("True", "True")]
)
def test_value_of_a_header_is_the_text_of_its_json(value: Any, sent: str) -> None:
    assert answer(headers={"X-A": value}).headers == (("X-A", sent), JSON)
    assert answer(multiValueHeaders={"X-A": [value]}).headers == (("X-A", sent), JSON)


def test_header_that_is_null_is_left_out() -> None:
    found = answer(headers={"X-A": None, "X-B": "1"}, multiValueHeaders={"X-C": [None, "2"]})
    assert found.headers == (("X-C", "2"), ("X-B", "1"), JSON)


def test_single_value_of_a_header_follows_its_other_ones() -> None:
    found = answer(headers={"x-a": "alone", "X-B": "b"}, multiValueHeaders={"X-A": ["1", "2"]})
    assert found.headers == (("X-A", "1"), ("X-A", "2"), ("x-a", "alone"), ("X-B", "b"), JSON)


def test_length_that_a_function_says_is_sent_under_another_name() -> None:
    found = answer(headers={"Content-Length": "7"}, multiValueHeaders={"content-length": ["8"]}, body="x")
    headers = (("x-amzn-Remapped-content-length", "8"), ("x-amzn-Remapped-Content-Length", "7"), JSON)
    assert found == (200, b"x", headers)


def test_headers_and_body_may_be_null() -> None:
    assert answer(headers=None, multiValueHeaders=None, body=None) == (200, b"", (JSON,))


def test_half_of_a_surrogate_pair_is_sent_as_a_mark() -> None:
    assert answer(body="a\ud800b")[1] == b"a?b"


@pytest.mark.parametrize(("sends_binary", "body"), [(True, b"\xff"), (False, b"/w==")])
def test_body_in_base64_is_decoded_where_binary_is_sent(*, sends_binary: bool, body: bytes) -> None:
    found = answer(body="/w==", isBase64Encoded=True, sends_binary=sends_binary)
    assert found[1] == body


def test_body_that_is_no_base64_is_502_where_it_has_to_be_decoded() -> None:
    assert answer(body="x", isBase64Encoded=True, sends_binary=True) == MALFORMED
    assert answer(body="x", isBase64Encoded=True)[1] == b"x"


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
