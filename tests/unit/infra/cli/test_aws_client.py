"""Commands that ask AWS, of a service that accepts connections and answers nothing."""

import socket
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from infra.cli import aws_client
from infra.cli.orderflow import orderflow


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service that hangs: the system accepts connections in its name."""
    for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL_SQS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(aws_client, "TIME_LIMIT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }.items():
            monkeypatch.setenv(name, value)
        yield url


@pytest.mark.parametrize(
    ("command", "service"),
    [
        ("queues", "SQS"),
        ("dead-letters redrive --yes", "SQS"),
        ("--database-secret login orders", "Secrets Manager"),
    ],
)
def test_service_that_does_not_answer_is_named_with_its_address(
    endpoint: str, command: str, service: str
) -> None:
    result = CliRunner().invoke(orderflow, command.split())

    assert result.exit_code == 1
    assert f"{service} does not answer: " in result.output
    assert endpoint in result.output


def test_service_that_cannot_be_reached_is_named_as_well_as_one_that_hangs(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nothing = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", nothing)

    result = CliRunner().invoke(orderflow, ["queues"])

    assert "SQS does not answer: " in result.output
    assert nothing in result.output
    assert endpoint not in result.output
