"""How connections end, and what $disconnect gets."""

from tests.conformance.client import Client
from tests.conformance.conftest import Api


def disconnect_facts(observer: Client, connection_id: str) -> tuple[int, str]:
    context = observer.disconnect_event(connection_id)["requestContext"]
    return context["disconnectStatusCode"], context["disconnectReason"]


def test_close_code_of_the_client_reaches_disconnect(api: Api, observer: Client) -> None:
    """The client's close code reaches $disconnect.

    Source: captured on AWS (1001 with an empty reason, a closed browser tab)
    """
    with Client(api.url) as client:
        connection_id = client.connection_id
        client.socket.close(1001)
    assert disconnect_facts(observer, connection_id) == (1001, "")


def test_close_without_a_code_is_1005(api: Api, observer: Client) -> None:
    """A close frame without a code reaches $disconnect as 1005 "Client-side close frame status not set".

    Source: captured on AWS, in many published $disconnect events
    """
    with Client(api.url) as client:
        connection_id = client.connection_id
        masked_empty_close_frame = bytes([0x88, 0x80, 0, 0, 0, 0])
        client.socket.socket.sendall(masked_empty_close_frame)
        facts = disconnect_facts(observer, connection_id)
    assert facts == (1005, "Client-side close frame status not set")


def test_connection_lost_without_a_close_frame_runs_disconnect(api: Api, observer: Client) -> None:
    """A connection that just ends runs $disconnect with 1006.

    Source: RFC 6455 7.1.5; AWS promises no more than its best effort
    """
    with Client(api.url) as client:
        connection_id = client.connection_id
        client.vanish()
    assert disconnect_facts(observer, connection_id)[0] == 1006


def test_delete_closes_with_1000_and_runs_disconnect(api: Api, observer: Client) -> None:
    """DELETE closes with 1000 "Connection Closed Normally", and $disconnect gets the same.

    Source: https://github.com/boto/boto3/issues/3789
    """
    with Client(api.url) as client:
        connection_id = client.connection_id
        answer = observer.call_back("DELETE", connection_id)
        end = client.closed()
    assert answer["status"] == 204
    assert (end.code, end.reason) == (1000, "Connection Closed Normally")
    assert disconnect_facts(observer, connection_id) == (1000, "Connection Closed Normally")


def test_disconnect_runs_after_the_connection_is_closed(api: Api, observer: Client) -> None:
    """A callback from $disconnect finds the connection gone: 410.

    Source: apigateway-websocket-api-route-keys-connect-disconnect.html
    """
    with Client(api.url) as client:
        connection_id = client.connection_id
    observer.disconnect_event(connection_id)
    callbacks = [r["callback"] for r in observer.events(connection_id) if "callback" in r]
    assert [answer["status"] for answer in callbacks] == [410]
