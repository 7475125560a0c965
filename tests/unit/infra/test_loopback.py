"""What is asked directly, and what through the shell's proxy."""

import pytest
from botocore.exceptions import ProxyConnectionError

from infra.cli.client import request
from infra.cli.queues import _client
from infra.deploy.cloud import Cloud, Target
from infra.deploy.smoke import SmokeOrderError, smoke_order
from infra.loopback import past_proxies
from tests.fakes.http_server import scripted_server

_NO_QUEUES = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\n"
    b"Connection: close\r\n\r\n{}"
)


@pytest.fixture(autouse=True)
def shell_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_MAX_ATTEMPTS", "1"),
    ):
        monkeypatch.setenv(name, value)


def test_emulator_on_this_machine_is_asked_past_the_shells_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_server(_NO_QUEUES, _NO_QUEUES) as server:
        endpoint = server.address.geturl()
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        deployed = Cloud.of(Target.MINISTACK, {"AWS_ENDPOINT_URL": endpoint})
        for client in (_client("local"), deployed.client("sqs")):
            assert "QueueUrls" not in client.list_queues()


def test_aws_is_asked_through_the_shells_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    deployed = Cloud.of(Target.AWS, {"AWS_REGION": "eu-west-1"})
    for client in (_client("local"), deployed.client("sqs")):
        with pytest.raises(ProxyConnectionError):
            client.list_queues()
    assert past_proxies("https://sqs.eu-west-1.amazonaws.com") == {}


def test_engine_elsewhere_is_asked_through_the_shells_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_server(
        b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{"canceled":2}'
    ) as proxy:
        monkeypatch.setenv("http_proxy", proxy.address.geturl())
        monkeypatch.setenv("HTTP_PROXY", proxy.address.geturl())
        assert request("DELETE", "http://engine.invalid/api/orders", None) == {"canceled": 2}


def test_smoke_order_for_this_machine_goes_past_the_shells_proxy() -> None:
    with scripted_server(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n") as server:
        url = f"ws://{server.address.netloc}/ws"
        with pytest.raises(SmokeOrderError, match="refused with 401"):
            smoke_order(url, token=None, say=print)
