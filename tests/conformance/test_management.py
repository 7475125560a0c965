"""The @connections management API."""

import http.client
from datetime import datetime
from urllib.parse import urlsplit

from infra.local.gateway import GatewayLimits
from tests.conformance.client import Client
from tests.conformance.conftest import DEPLOYED_URL, Api, Deploy

MESSAGE_BYTES_MAX = 128 * 1024
NEVER_ASSIGNED = "AAAAAAAAAAAAAAA="


def test_post_sends_the_data_as_a_text_frame(api: Api, observer: Client) -> None:
    """POST answers 200, and the client receives the data as text.

    Source: apigateway-how-to-call-websocket-api-connections.html
    """
    with Client(api.url) as client:
        answer = observer.call_back("POST", client.connection_id, data="grüße")
        assert (answer["status"], client.socket.recv(timeout=10)) == (200, "grüße")


def test_get_describes_the_connection(api: Api, observer: Client) -> None:
    """GET answers with the times of connection and last activity, and the client's identity.

    Source: botocore, apigatewaymanagementapi/2018-11-29
    """
    with Client(api.url) as client:
        answer = observer.call_back("GET", client.connection_id)
    connected_at, last_active_at = (
        datetime.fromisoformat(answer[f]) for f in ("ConnectedAt", "LastActiveAt")
    )
    assert answer["status"] == 200
    assert connected_at <= last_active_at
    assert set(answer["Identity"]) == {"SourceIp", "UserAgent"}


def test_unknown_connection_is_gone(observer: Client) -> None:
    """A well-formed id that no connection has is answered with 410 GoneException.

    Source: botocore, apigatewaymanagementapi/2018-11-29; https://github.com/localstack/localstack/issues/4694
    """
    for method in ("POST", "GET", "DELETE"):
        answer = observer.call_back(method, NEVER_ASSIGNED)
        assert (answer["status"], answer["Error"]["Code"]) == (410, "GoneException"), method


def test_malformed_connection_id_is_a_bad_request(observer: Client) -> None:
    """A malformed id is answered with 400 BadRequestException "Invalid connectionId".

    Source: https://github.com/dherault/serverless-offline/issues/749
    """
    answer = observer.call_back("POST", "not-an-id")
    assert answer["status"] == 400
    assert answer["Error"] == {"Code": "BadRequestException", "Message": "Invalid connectionId"}


def test_post_of_128_kb_is_delivered(api: Api, observer: Client) -> None:
    """POST takes 131,072 bytes.

    Source: botocore, apigatewaymanagementapi/2018-11-29 (Data, max 131072)
    """
    with Client(api.url) as client:
        answer = observer.call_back("POST", client.connection_id, size=MESSAGE_BYTES_MAX)
        assert (answer["status"], len(client.socket.recv(timeout=10))) == (200, MESSAGE_BYTES_MAX)


def test_long_post_arrives_in_frames_of_32_kb(api: Api, observer: Client) -> None:
    """A callback of more than 32 KB arrives in frames of 32 KB or less.

    Source: apigateway-execution-service-websocket-limits-table.html
    """
    with Client(api.url) as client:
        observer.call_back("POST", client.connection_id, size=100_000)
        frames = list(client.socket.recv_streaming(decode=False))
    assert b"".join(frames) == b"x" * 100_000
    assert max(map(len, frames)) <= 32 * 1024


def test_post_beyond_128_kb_is_too_large(api: Api, observer: Client) -> None:
    """POST of more than 128 KB is answered with 413 PayloadTooLargeException.

    Source: botocore, apigatewaymanagementapi/2018-11-29
    """
    with Client(api.url) as client:
        answer = observer.call_back("POST", client.connection_id, size=MESSAGE_BYTES_MAX + 1)
    assert (answer["status"], answer["Error"]["Code"]) == (413, "PayloadTooLargeException")


def test_post_to_a_client_that_does_not_read_is_refused_in_the_end(deploy: Deploy) -> None:
    """POST is answered with 429 LimitExceededException when the client's buffer is full.

    Source: botocore, apigatewaymanagementapi/2018-11-29
    """
    api = deploy(limits=GatewayLimits(outbound_bytes_max=MESSAGE_BYTES_MAX))
    with Client(api.url) as observer, Client(api.url) as sleeper:
        connection_id = sleeper.connection_id
        # The client library reads ahead of recv() until it holds some messages; after that nobody reads.
        posts = (observer.call_back("POST", connection_id, size=MESSAGE_BYTES_MAX) for _ in range(400))
        refused = next(answer for answer in posts if answer["status"] != 200)
        sleeper.vanish()
    assert (refused["status"], refused["Error"]["Code"]) == (429, "LimitExceededException")


def test_unsigned_request_is_forbidden(start: Deploy) -> None:
    """A management request without an AWS signature is answered with 403.

    Source: apigateway-websocket-control-access-iam.html
    """
    api = Api(DEPLOYED_URL) if DEPLOYED_URL else start(signed_callbacks_only=True)
    address = urlsplit(api.http_url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.netloc)
    connection.request("GET", f"{address.path}/@connections/AAAAAAAAAAAAAAA%3D")
    response = connection.getresponse()
    connection.close()
    assert response.status == 403
    assert response.headers["x-amzn-ErrorType"]
