"""Clients that the shell's AWS settings do not reach."""

import pytest
from botocore.config import Config

from chalice_offline.aws_client import local_client
from tests.fakes.http_server import scripted_server

AWS = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
_NO_QUEUES = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\n"
    b"Connection: close\r\n\r\n{}"
)


def test_profile_that_is_not_there_or_anothers_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.setenv(name, "work")
    client = local_client("sqs", "http://127.0.0.1:9", AWS)
    assert (client.meta.region_name, client.meta.endpoint_url) == ("eu-west-1", "http://127.0.0.1:9")
    assert client._request_signer._credentials.access_key == "key"


def test_shells_settings_for_the_internet_lead_no_request_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that listened to them would ask the proxy, or refuse the endpoint."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "AWS_ENDPOINT_URL_SQS"):
        monkeypatch.setenv(name, "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    with scripted_server(_NO_QUEUES) as server:
        once = Config(retries={"total_max_attempts": 1})
        client = local_client("sqs", server.address.geturl(), AWS, config=once)
        assert "QueueUrls" not in client.list_queues()
        assert server.connections == 1
