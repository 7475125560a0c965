"""LocalStack.

Without a token, on this machine without Docker, the queues' stack in it and the local runtime in
front of it; with one, as far as MiniStack can stand in for it, the whole application.

LocalStack's packages need a Python 3.13 of their own and are pinned by date: its requirements
have no upper bounds. ``LOCALSTACK_PYTHON`` names an interpreter that has them; without it the
test installs nothing and is skipped.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from chalice_offline.services.privileges import die_with_parent
from infra.deploy.__main__ import main
from infra.deploy.cloud import Cloud, Target
from infra.deploy.deployment import Deployment
from infra.deploy.packaging import Package
from infra.deploy.stacks import stacks
from tests.deploy.emulated_cloud import EmulatedCloud, emulated_cloud, until_it_answers
from tests.deploy.image import unpack_image
from tests.deploy.refusing_proxy import refusing
from tests.deploy.stage import APP_DIR, smoke_frames
from tests.support.ports import free_port

LOCALSTACK_PYTHON = os.environ.get("LOCALSTACK_PYTHON")
TIME_LIMIT_S = 120
QUEUES = ("orderflow-dev-orders", "orderflow-dev-orders-dlq")


@contextmanager
def localstack(folder: Path) -> Iterator[str]:
    """Run LocalStack on loopback; yield its endpoint."""
    assert LOCALSTACK_PYTHON is not None
    port = free_port()
    settings = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        # The default server listens on every address, whatever its settings say.
        "GATEWAY_SERVER": "hypercorn",
        "DNS_ADDRESS": "0",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "LS_LOG": "warning",
    }
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            (LOCALSTACK_PYTHON, "-m", "localstack.runtime.main"),
            env=settings,
            cwd=folder,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
    try:
        until_it_answers(f"http://127.0.0.1:{port}/_localstack/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        # It waits for connections that clients of this process keep, and has nothing to save.
        server.kill()
        server.wait()


@contextmanager
def ministack_without_websocket_apis(folder: Path) -> Iterator[str]:
    """Run what stands in for a LocalStack without a token: who may not list APIs is told as much."""
    with emulated_cloud(folder) as running, refusing("/v2/apis", running.cloud.endpoint) as endpoint:
        yield endpoint


@pytest.fixture(
    params=[
        pytest.param(
            localstack,
            marks=pytest.mark.skipif(
                LOCALSTACK_PYTHON is None,
                reason="LOCALSTACK_PYTHON does not name a Python 3.13 with localstack-core[runtime]==4.14.0",
            ),
        ),
        ministack_without_websocket_apis,
    ],
    ids=["localstack", "ministack"],
)
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The emulator in question; MiniStack stands in where LocalStack is not,
    so that the test itself is tested.
    """
    with request.param(tmp_path) as running:
        yield running


def deployed(endpoint: str, *options: str) -> str:
    arguments = ("--stage", "dev", "--target", "localstack", "--database-url", "postgresql:///", *options)
    done = CliRunner().invoke(main, arguments, env={"AWS_ENDPOINT_URL": endpoint}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@contextmanager
def runtime(endpoint: str, database_url: str, folder: Path) -> Iterator[str]:
    """Run the local runtime on the emulator's queues, from what the image holds; yield its WebSocket URL."""
    shell = {
        **os.environ,
        "AWS_ENDPOINT_URL": endpoint,
        # Not those of the shell that runs the tests, nor moto's.
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "DATABASE_URL": database_url,
        "ORDERFLOW_HOME": str(folder / "home"),
        "ORDERFLOW_PORT": "0",
    }
    log_path = folder / "runtime.log"
    command = (sys.executable, "-m", "infra.run", "start", "--no-reload")
    with (
        log_path.open("wb") as log,
        subprocess.Popen(
            command,
            cwd=unpack_image(folder / "image"),
            env=shell,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(signal.SIGTERM),
        ) as process,
    ):
        try:
            yield announced_url(log_path, process)
        finally:
            process.terminate()


def announced_url(log_path: Path, process: subprocess.Popen[bytes]) -> str:
    """Wait for the line that the runtime gives people to paste."""
    deadline = time.monotonic() + TIME_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        if found := re.search(r"wscat -c (ws://\S+)", log_path.read_text()):
            return found[1]
        time.sleep(0.05)
    raise RuntimeError(log_path.read_text())


def test_queues_deploy_by_cloudformation_with_their_redrive_and_go_again(endpoint: str) -> None:
    planned = deployed(endpoint)
    assert "orderflow-dev-queues: create" in planned
    assert "LOCALSTACK_AUTH_TOKEN" in planned
    assert f"AWS_ENDPOINT_URL={endpoint} make run" in deployed(endpoint, "--yes")
    sqs = Cloud.of(Target.LOCALSTACK, {"AWS_ENDPOINT_URL": endpoint}).client("sqs")
    orders, dead_letters = (
        sqs.get_queue_attributes(
            QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], AttributeNames=["All"]
        )
        for name in QUEUES
    )
    redrive = json.loads(orders["Attributes"]["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == dead_letters["Attributes"]["QueueArn"]
    assert int(redrive["maxReceiveCount"]) == 40
    deployed(endpoint, "--destroy", "--yes")
    assert sqs.list_queues().get("QueueUrls", []) == []


def test_whole_application_is_planned_where_there_are_websocket_apis(
    emulator: EmulatedCloud, built: Package
) -> None:
    cloud = Cloud.of(Target.LOCALSTACK, {"AWS_ENDPOINT_URL": emulator.cloud.endpoint})
    deployment = Deployment(cloud, "dev", {}, app_dir=APP_DIR, say=lambda _: None)
    planned = {plan.name: {change.kind for change in plan.changes} for plan in deployment.plan(built)}
    assert "AWS::ApiGatewayV2::Api" in planned["orderflow-dev-app"]
    assert list(planned) == [stack.name for stack in stacks(Target.MINISTACK, "dev")]


def test_database_that_containers_do_not_reach_is_refused_before_anything_is_deployed(
    emulator: EmulatedCloud,
) -> None:
    arguments = ("--target", "localstack", "--database-url", "postgresql://a:b@127.0.0.1:5432/c", "--yes")
    done = CliRunner().invoke(main, arguments, env={"AWS_ENDPOINT_URL": emulator.cloud.endpoint})
    assert done.exit_code == 2
    assert "host.docker.internal" in done.output


def test_runtime_in_front_of_the_emulators_queues_takes_an_order_to_confirmed(
    endpoint: str, make_database: Callable[[], str], tmp_path: Path
) -> None:
    with runtime(endpoint, make_database(), tmp_path) as url:
        assert smoke_frames(url)[-1]["status"] == "confirmed"
