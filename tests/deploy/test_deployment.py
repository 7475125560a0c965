"""The whole deployment in MiniStack with IAM enforced: deploy, trade, lose a consumer, redeploy, destroy.

One story in order, since each step needs the one before; the steps are tests so that a failure names itself.
"""

import copy
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from websockets.sync.client import ClientConnection, connect

from infra.deploy.deployment import Deployment, QueueNotEmptyError, database_options
from infra.deploy.packaging import Package
from infra.deploy.smoke import smoke_order
from tests.deploy.conftest import APP_DIR
from tests.deploy.emulated_cloud import EmulatedCloud
from tests.deploy.rights import RIGHTS, Right, Trial, tried, without

PATIENCE_S = 60
# A warm function answers a ping in a tenth of it.
UNHEARD_S = 2


@dataclass
class Stage:
    emulator: EmulatedCloud
    deployment: Deployment
    said: list[str]
    outputs: dict[str, str]

    @property
    def websocket_url(self) -> str:
        return self.emulator.cloud.websocket_url(self.outputs)

    @property
    def rest_url(self) -> str:
        return self.emulator.cloud.rest_url(self.outputs)


@pytest.fixture(scope="module")
def stage(emulator: EmulatedCloud, built: Package, make_database: Callable[[], str]) -> Stage:
    said: list[str] = []
    options = {
        "AuthMode": "none",
        "EmulatorUrl": emulator.cloud.endpoint,
        "JwksUrl": "",
        **database_options(make_database()),
    }
    deployment = Deployment(emulator.cloud, "dev", options, app_dir=APP_DIR, say=said.append)
    return Stage(emulator, deployment, said, deployment.deploy(for_ministack(built)))


def for_ministack(built: Package) -> Package:
    """Return the package with an action that MiniStack asks for and AWS does not have: batches are sent as messages."""
    template = copy.deepcopy(built.template)
    for resource in template["Resources"].values():
        for policy in (
            resource["Properties"].get("Policies", []) if resource["Type"] == "AWS::IAM::Role" else []
        ):
            for statement in policy["PolicyDocument"]["Statement"]:
                if "sqs:SendMessage" in statement["Action"]:
                    statement["Action"].append("sqs:SendMessageBatch")
    return replace(built, template=template)


def frames_until_final(socket: ClientConnection) -> list[dict[str, Any]]:
    deadline = time.monotonic() + PATIENCE_S
    frames: list[dict[str, Any]] = []
    while not frames or frames[-1].get("status") not in {"confirmed", "failed"}:
        frames.append(json.loads(socket.recv(timeout=deadline - time.monotonic())))
    return frames


def test_deployed_stage_takes_an_order_to_confirmed(stage: Stage) -> None:
    frames = smoke_order(stage.websocket_url, token=None, say=stage.said.append)
    statuses = [frame["status"] for frame in frames if frame["type"] == "order"]
    assert statuses == ["pending", "routing", "routed", "building", "submitted", "confirmed"]


def test_order_in_the_connection_url_is_executed(stage: Stage) -> None:
    with connect(
        f"{stage.websocket_url}?inputToken=SOL&outputToken=USDC&amount=0.01", open_timeout=PATIENCE_S
    ) as socket:
        assert frames_until_final(socket)[-1]["status"] == "confirmed"


def test_rest_and_websocket_of_a_stage_show_the_same_order(stage: Stage) -> None:
    body = {"inputToken": "SOL", "outputToken": "USDC", "amount": "0.01"}
    answer = httpx.post(f"{stage.rest_url}/orders", json=body, timeout=PATIENCE_S)
    assert answer.status_code == 202, answer.text
    order_id = answer.json()["orderId"]
    with connect(f"{stage.websocket_url}?orderId={order_id}", open_timeout=PATIENCE_S) as socket:
        assert frames_until_final(socket)[-1]["orderId"] == order_id


def test_deployed_stage_says_that_it_is_ready(stage: Stage) -> None:
    answer = httpx.get(f"{stage.rest_url}/health/ready", timeout=PATIENCE_S)
    assert answer.json() == {"status": "ok", "database": "ok", "queue": "ok"}


@pytest.fixture(scope="module")
def trials(stage: Stage) -> dict[Right, Trial]:
    return tried(stage.emulator.cloud, RIGHTS)


@pytest.mark.parametrize("right", RIGHTS, ids=str)
def test_function_fails_without_any_one_of_its_rights(trials: dict[Right, Trial], right: Right) -> None:
    trial = trials[right]
    assert not right.is_fine(trial.without)
    assert right.is_fine(trial.restored), trial.restored


def test_order_is_refused_without_the_right_to_send_it(stage: Stage) -> None:
    with (
        without(stage.emulator.cloud, "websocket_message", "SendOrders"),
        connect(stage.websocket_url, open_timeout=PATIENCE_S) as socket,
    ):
        socket.send(
            json.dumps({"action": "submit", "inputToken": "SOL", "outputToken": "USDC", "amount": "0.01"})
        )
        assert json.loads(socket.recv(PATIENCE_S))["code"] == "SERVICE_UNAVAILABLE"


def test_client_hears_nothing_without_the_right_to_post(stage: Stage) -> None:
    ping = json.dumps({"action": "ping"})
    with connect(stage.websocket_url, open_timeout=PATIENCE_S) as socket:
        with without(stage.emulator.cloud, "websocket_message", "PostFrames"):
            socket.send(json.dumps({"action": "ping", "requestId": "unheard"}))
            with pytest.raises(TimeoutError):
                socket.recv(UNHEARD_S)
        socket.send(ping)
        assert json.loads(socket.recv(PATIENCE_S)) == {"type": "pong", "requestId": None}


def test_deploying_the_same_again_changes_no_function(stage: Stage, built: Package) -> None:
    functions = stage.emulator.cloud.client("lambda")
    before = {each["FunctionName"]: each["RevisionId"] for each in functions.list_functions()["Functions"]}
    stage.deployment.deploy(for_ministack(built))
    after = {each["FunctionName"]: each["RevisionId"] for each in functions.list_functions()["Functions"]}
    assert after == before


def test_redeployment_brings_new_code_and_keeps_partial_batch_responses(
    stage: Stage, built: Package, tmp_path: Path
) -> None:
    changed = replace(
        for_ministack(built), archive=with_changed_health(built.archive, tmp_path / "changed.zip")
    )
    stage.deployment.deploy(changed)
    assert httpx.get(f"{stage.rest_url}/health", timeout=PATIENCE_S).json() == {
        "status": "ok",
        "release": "2",
    }
    mappings = stage.emulator.cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert [each["FunctionResponseTypes"] for each in mappings] == [["ReportBatchItemFailures"]] * 2
    assert smoke_order(stage.websocket_url, token=None, say=stage.said.append)[-1]["status"] == "confirmed"


def test_order_that_its_consumer_never_finishes_is_failed_by_the_dead_letters(stage: Stage) -> None:
    sqs, functions = stage.emulator.cloud.client("sqs"), stage.emulator.cloud.client("lambda")
    queue = stage.outputs["OrdersQueueUrl"]
    redrive = json.loads(
        sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]["RedrivePolicy"]
    )
    impatient = {"VisibilityTimeout": "1", "RedrivePolicy": json.dumps({**redrive, "maxReceiveCount": "1"})}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes=impatient)
    consumer = "orderflow-dev-execute_orders"
    environment = functions.get_function_configuration(FunctionName=consumer)["Environment"]["Variables"]
    lost = {**environment, "DATABASE_SECRET_ARN": environment["DATABASE_SECRET_ARN"] + "x"}
    functions.update_function_configuration(FunctionName=consumer, Environment={"Variables": lost})
    with connect(stage.websocket_url, open_timeout=PATIENCE_S) as socket:
        socket.send(
            json.dumps({"action": "submit", "inputToken": "SOL", "outputToken": "USDC", "amount": "0.01"})
        )
        assert frames_until_final(socket)[-1]["status"] == "failed"


def test_stage_with_messages_is_not_destroyed_unless_told(stage: Stage) -> None:
    queue = stage.outputs["OrdersQueueUrl"]
    stage.emulator.cloud.client("sqs").send_message(QueueUrl=queue, MessageBody="{}", DelaySeconds=900)
    with pytest.raises(QueueNotEmptyError):
        stage.deployment.destroy(loses_messages=False)


def test_destroyed_stage_leaves_no_stack_and_no_function(stage: Stage) -> None:
    stage.deployment.destroy(loses_messages=True)
    cloud = stage.emulator.cloud
    active = cloud.client("cloudformation").list_stacks(
        StackStatusFilter=["CREATE_COMPLETE", "UPDATE_COMPLETE"]
    )
    assert [stack["StackName"] for stack in active["StackSummaries"]] == ["orderflow-artifacts"]
    assert cloud.client("lambda").list_functions()["Functions"] == []
    assert cloud.client("secretsmanager").list_secrets()["SecretList"] == []
    with pytest.raises(ClientError, match="NonExistent"):
        cloud.client("sqs").get_queue_attributes(
            QueueUrl=stage.outputs["OrdersQueueUrl"], AttributeNames=["All"]
        )


def with_changed_health(archive: Path, target: Path) -> Path:
    """Return a package in which GET /health names a release."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename.startswith("chalicelib/handlers/__pycache__/rest."):
                continue
            if entry.filename == "chalicelib/handlers/rest.py":
                changed = content.replace(
                    b'return _answer({"status": "ok"})', b'return _answer({"status": "ok", "release": "2"})'
                )
                assert changed != content
                content = changed
            new.writestr(entry, content)
    return target
