"""The @connections management API."""

import http.client
import os
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from chalice_offline.gateway import CallbackSignatures, GatewayLimits
from tests.conformance.client import TIME_LIMIT_S, Client
from tests.conformance.conftest import DEPLOYED_URL, Api, Deploy

MESSAGE_BYTES_MAX = 128 * 1024
NEVER_ASSIGNED = "AAAAAAAAAAAAAAA="
VERIFIED = {"callback_signatures": CallbackSignatures.VERIFIED, "credentials": {"probe": "probe"}}


def test_post_sends_the_data_as_a_text_frame(api: Api, observer: Client) -> None:
    """POST answers 200, and the client receives the data as text.

    Source: apigateway-how-to-call-websocket-api-connections.html
    """
    with Client(api.url) as client:
        answer = observer.call_back("POST", client.connection_id, data="grüße")
        assert (answer["status"], client.socket.recv(timeout=TIME_LIMIT_S)) == (200, "grüße")


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
        assert (answer["status"], len(client.socket.recv(timeout=TIME_LIMIT_S))) == (200, MESSAGE_BYTES_MAX)


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
        # The client library reads ahead of recv() until it holds some messages; after that nothing is read.
        posts = (observer.call_back("POST", connection_id, size=MESSAGE_BYTES_MAX) for _ in range(400))
        refused = next(answer for answer in posts if answer["status"] != 200)
        sleeper.vanish()
    assert (refused["status"], refused["Error"]["Code"]) == (429, "LimitExceededException")


def test_unsigned_request_is_forbidden(start: Deploy) -> None:
    """A management request without an AWS signature is answered with 403.

    Source: apigateway-websocket-control-access-iam.html
    """
    api = Api(DEPLOYED_URL) if DEPLOYED_URL else start(callback_signatures=CallbackSignatures.SIGNED)
    address = urlsplit(api.http_url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.netloc)
    connection.request("GET", f"{address.path}/@connections/AAAAAAAAAAAAAAA%3D")
    response = connection.getresponse()
    connection.close()
    assert response.status == 403
    assert response.headers["x-amzn-ErrorType"]


def test_wrong_signature_is_forbidden(start: Deploy) -> None:
    """A management request that is signed with a wrong secret is answered with 403 InvalidSignatureException.

    Source: https://repost.aws/knowledge-center/api-gateway-iam-sigv4-mismatch
    """
    credentials = boto3.Session().get_credentials()
    if DEPLOYED_URL and credentials is None:
        pytest.skip("needs an access key of the account")
    api = Api(DEPLOYED_URL) if DEPLOYED_URL else start(**VERIFIED)
    key = credentials.access_key if DEPLOYED_URL and credentials else "probe"
    with pytest.raises(ClientError) as refused:
        management_client(api.http_url, key, "wrong").get_connection(ConnectionId=NEVER_ASSIGNED)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_right_signature_is_let_through(deploy: Deploy) -> None:
    """A management request that is signed with the right secret is obeyed.

    Source: apigateway-websocket-control-access-iam.html
    """
    api = deploy(**VERIFIED)
    with Client(api.url) as client:
        management = management_client(api.http_url, "probe", "probe")
        management.post_to_connection(ConnectionId=client.connection_id, Data=b"hello")
        assert client.socket.recv(timeout=TIME_LIMIT_S) == "hello"
        management.delete_connection(ConnectionId=client.connection_id)
        assert client.closed().code == 1000


def test_answers_carry_a_request_id(observer: Client) -> None:
    """Every answer has a request id, which botocore reads from x-amzn-RequestId.

    Source: botocore, parsers.py (ResponseMetadata)
    """
    ids = [observer.call_back("GET", NEVER_ASSIGNED)["requestId"] for _ in range(2)]
    assert all(ids)
    assert len(set(ids)) == 2


def test_stage_given_twice_finds_no_method(deploy: Deploy) -> None:
    """A path that repeats the stage is refused with 403 "No method found matching route".

    Source: https://github.com/aws-samples/simple-websockets-chat-app/issues/40
    """
    assert refused_at(deploy().http_url + "/ws") == (
        403,
        f"No method found matching route ws/@connections/{NEVER_ASSIGNED} for http method GET",
    )


def test_stage_left_out_is_forbidden(deploy: Deploy) -> None:
    """A path without the stage is refused with 403 "Forbidden".

    Source: https://github.com/aws/aws-sdk-php/issues/1955
    """
    assert refused_at(deploy().http_url.removesuffix("/ws")) == (403, "Forbidden")


def refused_at(endpoint: str) -> tuple[int, str]:
    """Ask for a connection at an address that is none of the API's; return the answer's status and text."""
    with pytest.raises(ClientError) as refused:
        management_client(endpoint, "probe", "probe").get_connection(ConnectionId=NEVER_ASSIGNED)
    answer = refused.value.response
    assert answer["ResponseMetadata"]["RequestId"], "as on every answer"
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def management_client(endpoint: str, access_key: str, secret_key: str) -> Any:
    """Return a boto3 client of the management API."""
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=endpoint,
        region_name=os.environ.get("AWS_REGION", "us-east-1"),
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(retries={"max_attempts": 0}),
    )
