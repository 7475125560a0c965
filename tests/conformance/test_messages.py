"""What a client sees after it sent a message."""

from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus

from tests.conformance.client import TIME_LIMIT_S, Client
from tests.conformance.conftest import Api, Deploy

WITH_CUSTOM_ROUTE = {
    "websocket_handlers": {
        "$connect": "websocket_connect",
        "$default": "websocket_message",
        "greet": "websocket_message",
    }
}


@pytest.mark.parametrize("status", [200, 301, 401, 501])
def test_body_of_the_handler_is_discarded(api: Api, status: int) -> None:
    """Without a route response nothing goes to the client, whatever the handler returns.

    Source: captured on AWS; apigateway-websocket-api-routes-integrations.html
    """
    with Client(api.url) as client:
        client.send(do="return", payload={"statusCode": status, "body": '"never seen"'})
        answers = [client.ask(do="sleep", seconds=0.1), client.ask(do="sleep", seconds=0)]
        assert answers == ["awake", "awake"]


def test_body_of_the_handler_reaches_the_sender_over_a_route_response(deploy: Deploy) -> None:
    """With a route response the handler's body goes to the client.

    Source: apigateway-websocket-api-route-response.html
    """
    api = deploy(route_responses=frozenset({"$default"}))
    with Client(api.url) as client:
        client.send(do="return", payload={"statusCode": 200, "body": '"seen"'})
        assert client.receive() == "seen"


def test_exception_in_a_handler_gives_an_error_frame(api: Api) -> None:
    """An exception in a handler gives the frame "Internal server error"; the connection stays open.

    Source: captured on AWS
    """
    with Client(api.url) as client:
        frame = client.ask(do="raise")
        assert frame.pop("requestId").endswith("=")
        assert frame == {"message": "Internal server error", "connectionId": client.connection_id}


def test_slow_handler_gives_a_timeout_frame(impatient: Iterator[Api]) -> None:
    """A handler that outlasts the integration timeout gives the frame "Endpoint request timed out".

    Source: https://github.com/aws/chalice/issues/1406
    """
    assert any(map(_tells_of_a_slow_handler, impatient))


def _tells_of_a_slow_handler(api: Api) -> bool:
    """Return False if the machine was too slow for $connect, which has no more time than other handlers."""
    try:
        connected = Client(api.url)
    except InvalidStatus as refused:
        if refused.response.status_code != 504:
            raise
        return False
    with connected as client:
        client.send(do="sleep", seconds=1.7 * api.integration_timeout_s)
        frame = client.socket.recv(timeout=api.integration_timeout_s + TIME_LIMIT_S)
        assert '"Endpoint request timed out"' in str(frame)
        assert client.receive() == "awake", "the handler itself goes on"
    return True


def test_message_without_a_route_gives_a_forbidden_frame(deploy: Deploy) -> None:
    """A message that no route takes gives the frame "Forbidden"; the connection stays open.

    Source: https://github.com/aws-samples/simple-websockets-chat-app/issues/24
    """
    api = deploy(manifest={"websocket_handlers": {"greet": "websocket_message"}})
    with Client(api.url) as client:
        frame = client.ask(action="nosuchroute")
        connection_id = client.ask(action="greet")["requestContext"]["connectionId"]
        assert frame.pop("requestId").endswith("=")
        assert frame == {"message": "Forbidden", "connectionId": connection_id}


@pytest.mark.parametrize("text", ["not json", "[1]", '"greet"', "{"])
def test_message_that_is_no_json_object_goes_to_default(deploy: Deploy, text: str) -> None:
    """A message that is not a JSON object goes to $default.

    Source: websocket-api-develop-routes.html
    """
    api = deploy(manifest=WITH_CUSTOM_ROUTE)
    with Client(api.url) as client:
        client.socket.send(text)
        event = client.receive()
        assert (event["requestContext"]["routeKey"], event["body"]) == ("$default", text)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("$request.body.action", {"action": "greet"}),
        ("$request.body.a.b", {"a": {"b": "greet"}}),
        ("${request.body.a}e${request.body.b}", {"a": "gr", "b": "et"}),
    ],
)
def test_selection_expression_chooses_the_route(deploy: Deploy, expression: str, message: object) -> None:
    """The selection expression may name a nested path, or concatenate paths and text.

    Source: apigateway-websocket-api-selection-expressions.html
    """
    api = deploy(manifest=WITH_CUSTOM_ROUTE, route_selection_expression=expression)
    assert isinstance(message, dict)
    with Client(api.url) as client:
        assert client.ask(**message)["requestContext"]["routeKey"] == "greet"
        assert client.ask()["requestContext"]["routeKey"] == "$default"


@pytest.mark.parametrize("key", ["$connect", "$disconnect"])
def test_predefined_routes_cannot_be_named(deploy: Deploy, key: str) -> None:
    """A message cannot reach $connect or $disconnect.

    Source: websocket-api-develop-routes.html
    """
    api = deploy(manifest=WITH_CUSTOM_ROUTE)
    with Client(api.url) as client:
        assert client.ask(action=key)["requestContext"]["routeKey"] == "$default"
