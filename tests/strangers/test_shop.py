"""An app that asks AWS for a parameter while it is imported, and keeps what it is told in a bucket."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.support.instance import REPOSITORY, TIME_LIMIT_S, Instance

SHOP = REPOSITORY / "tests" / "strangers" / "shop"


def a_shop(state_dir: Path, **shell: str) -> Instance:
    return Instance(SHOP, state_dir, "--no-reload", "--verbose", environment=shell)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with a_shop(tmp_path_factory.mktemp("shop") / "state") as instance:
        yield instance


def call(instance: Instance, method: str, path: str, document: Any = None) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{instance.port}/api/{path}",
        None if document is None else json.dumps(document).encode(),
        {"Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=TIME_LIMIT_S) as answer:
        return json.load(answer)


def test_parameter_that_on_start_makes_is_there_when_the_app_is_imported(shop: Instance) -> None:
    assert call(shop, "PUT", "orders/1", {"tea": 2}) == {"prices": "tea=3"}


def test_object_is_asked_for_by_its_head_and_read(shop: Instance) -> None:
    call(shop, "PUT", "orders/2", {"tea": 5})
    assert call(shop, "GET", "orders/2") == {"size": 10, "order": {"tea": 5}}
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        call(shop, "GET", "orders/3")
    refused.value.close()


def command(
    instance: Instance, *arguments: str, event: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chalice_offline", *arguments, "--state-dir", str(instance.state_dir)],
        cwd=REPOSITORY,
        input=event,
        capture_output=True,
        text=True,
        check=False,
    )


def test_function_without_a_trigger_is_invoked_from_the_command_line(shop: Instance) -> None:
    priced = command(shop, "invoke", "price", "--event", "-", event='{"name": "tea"}')
    assert (priced.returncode, priced.stdout) == (0, '"3"\n')
    failed = command(shop, "invoke", "shop-dev-price", "--event", "-", event='{"name": "cake"}')
    assert (failed.returncode, json.loads(failed.stdout)["errorType"]) == (1, "KeyError")


def test_unknown_name_is_answered_by_the_names_that_there_are(shop: Instance) -> None:
    unknown = command(shop, "invoke", "prices")
    assert unknown.returncode == 1
    assert unknown.stderr == "error: no function 'prices'; there are: api_handler, price, total\n"
    unsent = command(shop, "send", "jobs", "{}")
    assert (unsent.returncode, unsent.stderr) == (1, "error: no queue 'jobs'; there are: none\n")


def test_message_is_sent_to_a_fifo_queue_by_hand_however_often_it_is_the_same(shop: Instance) -> None:
    status = json.loads((shop.state_dir / "status.json").read_text())
    credentials = {name.lower(): value for name, value in status["credentials"].items()}
    sqs = boto3.client("sqs", region_name="us-east-1", endpoint_url=status["sqs_endpoint"], **credentials)
    url = sqs.create_queue(QueueName="late.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    sent = [command(shop, "send", "late.fifo", "x").stdout.strip() for _ in range(2)]
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5)["Messages"]
    assert [each["MessageId"] for each in received] == sent


def test_function_invokes_another_by_the_name_that_it_is_deployed_under(shop: Instance) -> None:
    asked = command(shop, "invoke", "total", "--event", "-", event='{"name": "tea", "count": 4}')
    assert (asked.returncode, asked.stdout) == (0, "12\n"), asked.stderr


def test_log_of_a_function_is_read_from_another_terminal(shop: Instance) -> None:
    command(shop, "invoke", "price", "--event", "-", event='{"name": "coffee"}')
    shop.line("price [ERROR] KeyError: 'coffee'")
    shown = command(shop, "logs", "--function", "price", "--function", "runtime")
    assert "price [ERROR] KeyError: 'coffee'" in shown.stdout
    assert "api_handler" not in shown.stdout
    raw = command(shop, "logs", "--json")
    assert "\n[ERROR] KeyError: 'coffee'\n" in raw.stdout
    assert "\nready in " in f"\n{raw.stdout}"


def test_command_without_an_instance_says_what_to_do(tmp_path: Path) -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "chalice_offline", "tick", "x", "--state-dir", str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 1
    assert asked.stderr.startswith("error: no instance is running")


def test_emulator_keeps_its_address_and_what_it_holds_from_run_to_run(tmp_path: Path) -> None:
    with a_shop(tmp_path) as first:
        address = first.line("AWS http://127.0.0.1:").partition("  ")[0]
        assert address == f"AWS {first.status()['sqs_endpoint']}"
        call(first, "PUT", "orders/kept", {"tea": 1})
        first.line("request method=PUT path=/api/orders/kept status=200")
    # The next one is started by a shell that has read the first one's ``aws.env``.
    with a_shop(tmp_path, AWS_ENDPOINT_URL=address.removeprefix("AWS ")) as again:
        assert again.line("AWS http://127.0.0.1:").partition("  ")[0] == address
        assert f"AWS {again.status()['sqs_endpoint']}" == address
        assert call(again, "GET", "orders/kept")["order"] == {"tea": 1}
