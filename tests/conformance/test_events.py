"""The events that handlers receive."""

import re
from typing import Any

import pytest

from tests.conformance.client import Client
from tests.conformance.conftest import Api

ALWAYS = {
    *("apiId", "connectedAt", "connectionId", "domainName", "eventType", "extendedRequestId", "identity"),
    *("messageDirection", "requestId", "requestTime", "requestTimeEpoch", "routeKey", "stage"),
}


@pytest.fixture(scope="module")
def events(api: Api) -> dict[str, Any]:
    """One event of each type, of one connection."""
    with Client(api.url) as observer:
        with Client(api.url, a=1) as client:
            message = client.ask(text="hello")
            connection_id = message["requestContext"]["connectionId"]
        disconnect = observer.disconnect_event(connection_id)
        connect = observer.events(connection_id)[0]
    return {"CONNECT": connect, "MESSAGE": message, "DISCONNECT": disconnect}


def test_ids_are_eleven_bytes_of_url_safe_base64(events: dict[str, Any]) -> None:
    """Connection, request and message ids are 16 characters of URL-safe base64 that end in "=".

    Source: published events
    """
    context = events["MESSAGE"]["requestContext"]
    for name in ("connectionId", "requestId", "messageId"):
        assert re.fullmatch(r"[A-Za-z0-9_-]{15}=", context[name]), name


@pytest.mark.parametrize("event_type", ["CONNECT", "MESSAGE", "DISCONNECT"])
def test_request_context_has_the_common_fields(events: dict[str, Any], event_type: str) -> None:
    """Every event's context has the same fields; requestId equals extendedRequestId.

    Source: https://gist.github.com/noid11/4aa8933d0b5cdbcc09d377c5d65d28c1
    """
    context = events[event_type]["requestContext"]
    assert set(context) >= ALWAYS
    assert context["eventType"] == event_type
    assert context["messageDirection"] == "IN"
    assert context["requestId"] == context["extendedRequestId"]
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["requestTime"])
    assert events[event_type]["isBase64Encoded"] is False


def test_connected_at_is_the_same_in_every_event(events: dict[str, Any]) -> None:
    """connectedAt is in milliseconds and does not change.

    Source: https://gist.github.com/noid11/4aa8933d0b5cdbcc09d377c5d65d28c1
    """
    connected_at = {event["requestContext"]["connectedAt"] for event in events.values()}
    assert len(connected_at) == 1
    assert connected_at.pop() > 1_600_000_000_000


def test_connect_event_has_the_handshake(events: dict[str, Any]) -> None:
    """A CONNECT event has headers in the client's case, the query, and no body.

    Source: https://gist.github.com/noid11/4aa8933d0b5cdbcc09d377c5d65d28c1
    """
    event = events["CONNECT"]
    assert {"Host", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "X-Forwarded-For"} <= set(event["headers"])
    assert {"X-Amzn-Trace-Id", "X-Forwarded-Port", "X-Forwarded-Proto"} <= set(event["headers"])
    assert event["multiValueHeaders"]["Sec-WebSocket-Version"] == ["13"]
    assert event["queryStringParameters"] == {"a": "1"}
    assert event["multiValueQueryStringParameters"] == {"a": ["1"]}
    assert "body" not in event
    assert event["requestContext"].get("messageId") is None


def test_connect_event_without_a_query_has_no_query_fields(api: Api, observer: Client) -> None:
    """A CONNECT event has query parameters only if the URL has a query.

    Source: https://gist.github.com/noid11/4aa8933d0b5cdbcc09d377c5d65d28c1
    """
    with Client(api.url) as client:
        event = observer.events(client.connection_id)[0]
    assert not {"queryStringParameters", "multiValueQueryStringParameters"} & set(event)


def test_message_event_has_a_body_and_nothing_of_the_handshake(events: dict[str, Any]) -> None:
    """A MESSAGE event has a body and a messageId, but neither headers nor query.

    Source: https://gist.github.com/noid11/4aa8933d0b5cdbcc09d377c5d65d28c1
    """
    event = events["MESSAGE"]
    assert set(event) == {"requestContext", "body", "isBase64Encoded"}
    assert event["body"] == '{"text": "hello"}'
    assert event["requestContext"]["messageId"]


def test_disconnect_event_has_code_reason_and_few_headers(events: dict[str, Any]) -> None:
    """A DISCONNECT event has the close code and reason, four mostly empty headers, and no messageId.

    Source: published events; aws-lambda-powertools utilities/parser/models/apigw_websocket.py
    """
    event = events["DISCONNECT"]
    assert set(event["headers"]) == {"Host", "x-api-key", "X-Forwarded-For", "x-restapi"}
    assert isinstance(event["requestContext"]["disconnectStatusCode"], int)
    assert isinstance(event["requestContext"]["disconnectReason"], str)
    assert event["requestContext"].get("messageId") is None
    assert not {"body", "queryStringParameters"} & set(event)


@pytest.mark.parametrize("event_type", ["CONNECT", "MESSAGE", "DISCONNECT"])
def test_events_are_not_http_events(events: dict[str, Any], event_type: str) -> None:
    """No WebSocket event has version, path or httpMethod.

    Source: published events
    """
    assert not {"version", "path", "httpMethod"} & set(events[event_type])
