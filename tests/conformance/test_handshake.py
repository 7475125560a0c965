"""What becomes of the upgrade request."""

import pytest

from tests.conformance.client import Client, refusal
from tests.conformance.conftest import Api, Deploy


@pytest.mark.parametrize("status", [200, 201])
def test_success_status_from_connect_accepts(api: Api, status: int) -> None:
    """A 2xx status from $connect accepts the connection.

    Source: statuses captured on AWS; apigateway-websocket-api-route-keys-connect-disconnect.html
    """
    with Client(api.url, status=status) as client:
        assert client.ask()["requestContext"]["eventType"] == "MESSAGE"


@pytest.mark.parametrize("status", [301, 401, 403, 501])
def test_other_status_from_connect_is_the_clients_answer(api: Api, status: int) -> None:
    """Any other status from $connect answers the upgrade request as it is.

    Source: statuses captured on AWS (301, 401, 501)
    """
    assert refusal(api.url, status=status).response.status_code == status


def test_exception_in_connect_is_502(api: Api) -> None:
    """An exception in $connect answers the upgrade request with 502.

    Source: captured on AWS
    """
    assert refusal(api.url, **{"raise": 1}).response.status_code == 502


def test_api_without_connect_route_accepts_everybody(deploy: Deploy) -> None:
    """Without a $connect route every connection is accepted.

    Source: apigateway-websocket-api-route-keys-connect-disconnect.html ("integration for $connect is
        optional")
    """
    api = deploy(manifest={"websocket_handlers": {"$default": "websocket_message"}})
    with Client(api.url) as client:
        assert client.ask()["requestContext"]["routeKey"] == "$default"


def test_upgrade_is_pending_until_connect_has_answered(api: Api, observer: Client) -> None:
    """A callback during $connect finds no connection: 410.

    Source: https://repost.aws/knowledge-center/410-gone-api-gateway
    """
    with Client(api.url, post=1) as client:
        callbacks = [r["callback"] for r in observer.events(client.connection_id) if "callback" in r]
        assert [answer["status"] for answer in callbacks] == [410]


def test_subprotocol_of_the_connect_answer_is_the_one_agreed(api: Api) -> None:
    """The Sec-WebSocket-Protocol header of the $connect answer reaches the client.

    Source: websocket-connect-route-subprotocol.html
    """
    with Client(api.url, ["soap", "mqtt"], subprotocol="mqtt") as client:
        assert client.socket.subprotocol == "mqtt"


def test_no_subprotocol_is_agreed_when_connect_names_none(api: Api) -> None:
    """The gateway does not choose a subprotocol by itself.

    Source: websocket-connect-route-subprotocol.html
    """
    with Client(api.url, ["mqtt"]) as client:
        assert client.socket.subprotocol is None


def test_unknown_stage_is_refused(api: Api) -> None:
    """A stage that does not exist is refused with 403.

    Source: apigateway-websocket-api-route-keys-connect-disconnect.html
    """
    assert refusal(f"{api.root}/nosuchstage").response.status_code == 403


def test_url_beyond_4096_characters_is_refused(api: Api) -> None:
    """An upgrade request with a URL of more than 4,096 characters is refused.

    Source: apigateway-execution-service-websocket-limits-table.html; which 4xx it is, is not documented
    """
    assert 400 <= refusal(api.url, padding="x" * 4200).response.status_code < 500
