from typing import Any

import pytest

from chalice_offline.gateway.handshake import Accept, Handshake, Refuse, decide_handshake
from chalice_offline.invocation import Outcome, Raised, Returned, TimedOut


def decide(outcome: Outcome) -> Accept | Refuse:
    return decide_handshake(outcome, integration_timeout_s=29)


@pytest.mark.parametrize("status", [200, 201, 204, 299, "200"])
def test_success_status_accepts(status: object) -> None:
    assert decide(Returned({"statusCode": status})) == Accept()


@pytest.mark.parametrize(
    ("status", "message"),
    [(300, "Multiple Choices"), (401, "Unauthorized"), (599, "Refused")],
)
def test_other_status_refuses_with_it(status: int, message: str) -> None:
    assert decide(Returned({"statusCode": status})) == Refuse(status, message)


NO_STATUSES: list[object] = [None, "x", 199, 600, float("inf"), []]


@pytest.mark.parametrize(
    "payload", [None, "text", [], {}, *({"statusCode": status} for status in NO_STATUSES)]
)
def test_result_that_is_no_proxy_response_is_502(payload: object) -> None:
    assert decide(Returned(payload)) == Refuse(502, "Internal server error")


def test_exception_is_502() -> None:
    assert decide(Raised("ValueError", "x")) == Refuse(502, "Internal server error")


def test_integration_timeout_is_504() -> None:
    assert decide(TimedOut(29)) == Refuse(504, "Endpoint request timed out")


def test_shorter_timeout_of_the_function_itself_is_502() -> None:
    assert decide(TimedOut(10)) == Refuse(502, "Internal server error")


def test_headers_of_the_answer_are_applied_except_the_handshakes_own() -> None:
    payload: dict[str, Any] = {
        "statusCode": 200,
        "headers": {
            "X-Plan": "free",
            "sec-websocket-protocol": "mqtt",
            "Connection": "close",
            "Bad": "a\r\nb",
        },
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2", "c=3\r\nBad: x"]},
    }
    headers = (("X-Plan", "free"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))
    assert decide(Returned(payload)) == Accept("mqtt", headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"headers": ["X-Plan"]},
        {"headers": "X-Plan: free"},
        {"multiValueHeaders": [["X-Plan", "free"]]},
        {"multiValueHeaders": {"X-Plan": "free"}},
        {"multiValueHeaders": {"X-Plan": 1}},
    ],
)
def test_answer_whose_headers_are_none_is_502(headers: dict[str, Any]) -> None:
    assert decide(Returned({"statusCode": 200, **headers})) == Refuse(502, "Internal server error")


@pytest.mark.parametrize("name", ["", "X Plan", "X-Plan:", "X-Pl\u20acn"])
def test_header_that_has_no_name_is_left_out(name: str) -> None:
    assert decide(Returned({"statusCode": 200, "headers": {name: "free"}})) == Accept()


def test_header_is_found_whatever_its_case_and_the_last_one_counts() -> None:
    handshake = Handshake((("User-Agent", "old"), ("USER-AGENT", "new")), "a=&b=1%202", "127.0.0.1", 0)
    assert handshake.header("user-agent") == "new"
    assert handshake.header("origin") is None
    assert handshake.query() == [("a", ""), ("b", "1 2")]
