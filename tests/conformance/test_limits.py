"""Sizes and times that a connection may not exceed."""

import json
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic

import pytest
from websockets.exceptions import ConnectionClosed

from chalice_offline.gateway import GatewayLimits
from tests.conformance.client import TIME_LIMIT_S, Client
from tests.conformance.conftest import Api, Deploy

FRAME_BYTES_MAX = 32 * 1024
MESSAGE_BYTES_MAX = 128 * 1024


def message_of(size: int) -> str:
    """Return an order of exactly ``size`` bytes."""
    empty = len(json.dumps({"do": "sleep", "seconds": 0, "padding": ""}))
    return json.dumps({"do": "sleep", "seconds": 0, "padding": "x" * (size - empty)})


def fragments(text: str) -> list[str]:
    """Cut a message into frames of the greatest size allowed."""
    return [text[i : i + FRAME_BYTES_MAX] for i in range(0, len(text), FRAME_BYTES_MAX)]


def test_frame_of_32_kb_is_delivered(api: Api) -> None:
    """A frame of 32 KB passes.

    Source: apigateway-execution-service-websocket-limits-table.html
    """
    with Client(api.url) as client:
        client.socket.send(message_of(FRAME_BYTES_MAX))
        assert client.receive() == "awake"


def test_frame_beyond_32_kb_closes_with_1009(api: Api) -> None:
    """A frame of more than 32 KB closes the connection with 1009.

    Source: api-gateway-known-issues.html, apigateway-execution-service-websocket-limits-table.html
    """
    with Client(api.url) as client:
        client.socket.send(message_of(FRAME_BYTES_MAX + 1))
        assert client.closed().code == 1009


def test_message_of_128_kb_in_frames_is_delivered(api: Api) -> None:
    """A message of 128 KB passes when its frames are 32 KB or less.

    Source: apigateway-execution-service-websocket-limits-table.html
    """
    with Client(api.url) as client:
        client.socket.send(fragments(message_of(MESSAGE_BYTES_MAX)))
        assert client.receive() == "awake"


def test_message_beyond_128_kb_closes_with_1009(api: Api) -> None:
    """A message of more than 128 KB closes the connection with 1009.

    Source: apigateway-execution-service-websocket-limits-table.html
    """
    with Client(api.url) as client:
        with suppress(ConnectionClosed):  # the gateway need not wait for the last, empty frame
            client.socket.send(fragments(message_of(MESSAGE_BYTES_MAX + 1)))
        assert client.closed().code == 1009


def test_binary_message_closes_with_1003(api: Api) -> None:
    """A binary message closes the connection with 1003.

    Source: websocket-api-develop-binary-media-types.html
    """
    with Client(api.url) as client:
        client.socket.send(b"{}")
        assert client.closed().code == 1003


def test_idle_connection_is_closed_with_1001(restless: Iterator[Api]) -> None:
    """A connection idle for ten minutes is closed with 1001 "Going away", and $disconnect gets that.

    Source: captured on AWS; apigateway-execution-service-websocket-limits-table.html
    """
    assert any(map(_ends_when_idle, restless))


def _ends_when_idle(api: Api) -> bool:
    """Return False if the machine was too slow to say a word before the connection was idle for too long."""
    with Client(api.url) as client:
        try:
            connection_id = client.connection_id
        except ConnectionClosed:
            return False
        end = client.closed(within_s=api.idle_s + TIME_LIMIT_S)
    context = None
    while context is None:
        # On a busy machine the one who asks may be idle for too long as well.
        with suppress(ConnectionClosed), Client(api.url) as observer:
            context = observer.disconnect_event(connection_id)["requestContext"]
    assert (end.code, end.reason) == (1001, "Going away")
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1001, "Going away")
    return True


@pytest.mark.parametrize("direction", ["from the client", "to the client"])
def test_messages_keep_a_connection_from_being_idle(deploy: Deploy, direction: str) -> None:
    """Messages in either direction count as activity.

    Source: https://www.hotsock.io/docs/connections/keep-alive/
    """
    # A machine may be too busy to send a message before so short a time is over: it is given more then.
    assert any(_stays_open(deploy, direction, idle_s=idle_s) for idle_s in (0.5, 2.0, 8.0, 32.0))


def _stays_open(deploy: Deploy, direction: str, *, idle_s: float) -> bool:
    """Return whether messages keep a connection open; False also if one came too late for that."""
    short = deploy(limits=GatewayLimits(idle_s=idle_s))
    late_s, last = 0.0, monotonic()
    try:
        with Client(short.url) as client, Client(short.url) as other:
            connection_id = client.connection_id
            for _ in range(4):
                other.ask(do="sleep", seconds=0.4 * idle_s)
                if direction == "from the client":
                    client.send(do="return", payload={"statusCode": 200})
                else:
                    assert other.call_back("POST", connection_id, data='"still there"')["status"] == 200
                    assert client.receive() == "still there"
                late_s, last = max(late_s, monotonic() - last), monotonic()
            return bool(client.ask(do="sleep", seconds=0) == "awake")
    except ConnectionClosed:
        if max(late_s, monotonic() - last) < idle_s:
            raise
        return False


def test_connection_ends_at_its_maximum_duration(deploy: Deploy) -> None:
    """A connection is closed after two hours even if it is busy.

    Source: apigateway-execution-service-websocket-limits-table.html; the code 1001 is not documented
    """
    short = deploy(limits=GatewayLimits(duration_s=0.5))
    with Client(short.url) as client:
        with suppress(ConnectionClosed):  # a busy machine takes longer to say a word
            client.send(do="sleep", seconds=0.1)
        assert client.closed().code == 1001
