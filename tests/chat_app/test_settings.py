"""What a project's ``local.toml`` sets is what the gateway does."""

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support.instance import REPOSITORY, TIME_LIMIT_S, Instance

SETTINGS_APP = REPOSITORY / "tests" / "chat_app" / "settings_app"
NEVER_ASSIGNED = "AAAAAAAAAAAAAAA="


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with Instance(SETTINGS_APP, tmp_path_factory.mktemp("settings") / "state") as instance:
        yield instance


@pytest.fixture
def client(instance: Instance) -> Iterator[ClientConnection]:
    with connect(f"ws://127.0.0.1:{instance.port}/live", open_timeout=TIME_LIMIT_S) as client:
        yield client


def management_status(instance: Instance, access_key: str, secret_key: str) -> int:
    """Ask for a connection that never was; return the answer's status."""
    management = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=f"http://127.0.0.1:{instance.port}/live",
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(retries={"max_attempts": 0}),
    )
    with pytest.raises(ClientError) as refused:
        management.get_connection(ConnectionId=NEVER_ASSIGNED)
    status: int = refused.value.response["ResponseMetadata"]["HTTPStatusCode"]
    return status


def test_route_response_gives_the_sender_the_body(client: ClientConnection) -> None:
    client.send("hello")
    assert str(client.recv(timeout=TIME_LIMIT_S)).startswith("hello ")


def test_function_is_let_through_where_signatures_are_verified(client: ClientConnection) -> None:
    client.send("call back")
    assert client.recv(timeout=TIME_LIMIT_S) == "called back"


def test_client_with_a_wrong_secret_is_refused(instance: Instance) -> None:
    known = instance.status()["aws"]
    key, secret = known["AWS_ACCESS_KEY_ID"], known["AWS_SECRET_ACCESS_KEY"]
    assert management_status(instance, key, secret) == 410
    assert management_status(instance, key, "wrong") == 403
    assert management_status(instance, "test", "test") == 403


def test_handler_that_outlasts_the_integration_timeout_is_reported(client: ClientConnection) -> None:
    client.send("sleep")
    assert json.loads(client.recv(timeout=TIME_LIMIT_S))["message"] == "Endpoint request timed out"


def test_idle_connection_is_closed_when_its_time_is_up(client: ClientConnection) -> None:
    with pytest.raises(ConnectionClosed) as closed:
        client.recv(timeout=TIME_LIMIT_S)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "Going away")


def test_authorizer_that_the_app_does_not_have_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text((SETTINGS_APP / "app.py").read_text())
    (tmp_path / ".chalice").mkdir()
    config = (SETTINGS_APP / ".chalice" / "config.json").read_text()
    (tmp_path / ".chalice" / "config.json").write_text(config)
    (tmp_path / ".chalice" / "local.toml").write_text('[gateway]\nauthorizer = "nobody"')
    instance = Instance(tmp_path, tmp_path / "state")
    try:
        assert instance.line("gateway.authorizer: the app has no function 'nobody'")
    finally:
        assert instance.stop() != 0
