import json

import pytest

from chalice_offline.gateway.connections import Connection, Phase
from chalice_offline.gateway.management import (
    GONE,
    INVALID_ID,
    LIMIT_EXCEEDED,
    NO_CONTENT,
    OK,
    TOO_LARGE,
    Deliver,
    Disconnect,
    decide,
)
from chalice_offline.gateway.responses import Response

ID = "TXzPWdnOjoECGjA="
METHODS = ["POST", "GET", "DELETE"]


def a_connection(phase: Phase = Phase.OPEN, user_agent: str | None = "wscat") -> Connection:
    return Connection(ID, 1_700_000_000_001, 1_700_000_060_000, "127.0.0.1", user_agent, phase=phase)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("malformed", ["", "x", ID[:-1], ID + "=", "TXzPWdnOjoECGj==", "TXzPWdnOjo/CGjA="])
def test_malformed_id_is_400(method: str, malformed: str) -> None:
    assert decide(method, malformed, None, b"") == INVALID_ID


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("connection", [None, a_connection(Phase.CONNECTING), a_connection(Phase.CLOSED)])
def test_connection_that_is_not_open_is_410(method: str, connection: Connection | None) -> None:
    assert decide(method, ID, connection, b"") == GONE


def test_post_delivers_up_to_128_kb() -> None:
    assert decide("POST", ID, a_connection(), b"x" * 131_072) == Deliver("x" * 131_072, 131_072)
    assert decide("POST", ID, a_connection(), b"x" * 131_073) == TOO_LARGE


def test_post_of_bytes_that_are_not_text_delivers_replacements() -> None:
    assert decide("POST", ID, a_connection(), b"a\xff") == Deliver("a\ufffd", 2)


def test_delete_disconnects() -> None:
    assert decide("DELETE", ID, a_connection(), b"") == Disconnect()


def test_get_describes_times_in_utc_and_leaves_out_what_is_unknown() -> None:
    response = decide("GET", ID, a_connection(user_agent=None), b"")
    assert isinstance(response, Response)
    assert json.loads(response.body) == {
        "connectedAt": "2023-11-14T22:13:20.001Z",
        "lastActiveAt": "2023-11-14T22:14:20.000Z",
        "identity": {"sourceIp": "127.0.0.1"},
    }


def test_get_tells_the_clients_user_agent_in_json() -> None:
    response = decide("GET", ID, a_connection(user_agent="wscat"), b"")
    assert isinstance(response, Response)
    assert (response.status, dict(response.headers)) == (200, {"Content-Type": "application/json"})
    assert json.loads(response.body)["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "wscat"}


def test_other_method_is_403() -> None:
    response = decide("PUT", ID, a_connection(), b"")
    assert isinstance(response, Response)
    assert (response.status, dict(response.headers)["x-amzn-ErrorType"]) == (403, "ForbiddenException")
    message = f"No method found matching route @connections/{ID} for http method PUT"
    assert json.loads(response.body)["message"] == message


def test_answers_are_those_of_the_services_model() -> None:
    assert (OK.status, NO_CONTENT.status) == (200, 204)
    answers = [GONE, INVALID_ID, TOO_LARGE, LIMIT_EXCEEDED]
    assert [(answer.status, dict(answer.headers)["x-amzn-ErrorType"]) for answer in answers] == [
        (410, "GoneException"),
        (400, "BadRequestException"),
        (413, "PayloadTooLargeException"),
        (429, "LimitExceededException"),
    ]
    assert json.loads(INVALID_ID.body)["message"] == "Invalid connectionId"
