"""What becomes of a function's answer to a REST request, whatever it is."""

from typing import Any

import pytest

from chalice_offline.gateway.proxy_response import proxy_response
from chalice_offline.gateway.refusals import MALFORMED
from chalice_offline.gateway.responses import Response

JSON = ("Content-Type", "application/json")


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
        {"body": {"not": "text"}},
    ],
)
def test_answer_that_cannot_be_sent_is_502(payload: dict[str, Any]) -> None:
    assert answer(**payload) == MALFORMED


def test_length_that_a_function_says_is_sent_under_another_name() -> None:
    found = answer(headers={"Content-Length": "7"}, multiValueHeaders={"content-length": ["8"]}, body="x")
    headers = (("x-amzn-Remapped-Content-Length", "7"), ("x-amzn-Remapped-content-length", "8"), JSON)
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
