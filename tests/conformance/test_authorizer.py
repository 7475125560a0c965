"""A REQUEST authorizer in front of $connect."""

import pytest

from tests.conformance.client import Client, refusal
from tests.conformance.conftest import Api, Deploy


@pytest.fixture
def guarded(deploy: Deploy) -> Api:
    """An API whose authorizer looks at the query parameter ``token``."""
    return deploy(
        manifest={"authorizer_function": "authorize"},
        authorizer_identity_sources=("route.request.querystring.token",),
    )


def test_context_of_the_authorizer_is_in_every_event(guarded: Api) -> None:
    """What an authorizer returns is in requestContext.authorizer of every event of the connection.

    Source: apigateway-websocket-api-lambda-auth.html; https://github.com/boto/boto3/issues/3789; how long it
    took is in captured events of connections, not in those of their ends.
    """
    with Client(guarded.url, token="allow") as observer:
        with Client(guarded.url, token="allow") as client:
            message = client.ask()
            connection_id = message["requestContext"]["connectionId"]
        disconnect = observer.disconnect_event(connection_id)
        connect = observer.events(connection_id)[0]
    for event in (connect, message, disconnect):
        authorizer = event["requestContext"]["authorizer"]
        assert authorizer["principalId"] == "somebody"
        assert authorizer["type"] == "REQUEST"
        assert authorizer["methodArn"].endswith("/$connect")
        assert authorizer["number"] == "7", "context values arrive as strings"

    assert isinstance(connect["requestContext"]["authorizer"]["integrationLatency"], int)
    assert "integrationLatency" not in disconnect["requestContext"]["authorizer"]


def test_denied_client_gets_403(guarded: Api) -> None:
    """A policy that denies refuses the upgrade with 403.

    Source: apigateway-websocket-api-route-keys-connect-disconnect.html
    """
    assert refusal(guarded.url, token="deny").response.status_code == 403


def test_missing_identity_source_is_401(guarded: Api) -> None:
    """A request without the identity source is refused with 401, and the authorizer is not asked.

    Source: apigateway-websocket-api-lambda-auth.html
    """
    assert refusal(guarded.url).response.status_code == 401


def test_failing_authorizer_is_500(guarded: Api) -> None:
    """An authorizer that fails refuses the upgrade with 500.

    Source: api-gateway-lambda-authorizer-output.html
    """
    assert refusal(guarded.url, token="nonsense").response.status_code == 500
