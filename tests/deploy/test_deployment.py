"""The whole deployment in MiniStack with IAM enforced: deploy, trade, redeploy, lose a consumer, destroy.

One story in order, since each step needs the one before; the steps are tests so that a failure names itself.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from chalicelib.config import ConfigurationError
from infra.cli.orderflow import orderflow
from infra.deploy.__main__ import main as deploy
from infra.deploy.deployment import QueueNotEmptyError
from infra.deploy.metrics import FUNCTIONS
from infra.deploy.packaging import Package
from infra.deploy.solana_stage import solana_stage
from tests.deploy.events import (
    ORDER,
    SCHEDULE,
    an_order_of_this_stage,
    order_event,
    queue_event,
    rest_event,
)
from tests.deploy.rights import (
    Answer,
    Right,
    answered_well,
    finished_all,
    invoked,
    renew_environment,
    rights_in_policies,
    swept,
    without,
)
from tests.deploy.stage import Stage, smoke_frames, with_changed_health, with_files
from tests.security.tokens import AUDIENCE, ISSUER, SECRET, token
from tests.unit.infra.chain.running import running

TIME_LIMIT_S = 120


def frames_until_final(socket: ClientConnection) -> list[dict[str, Any]]:
    deadline = time.monotonic() + TIME_LIMIT_S
    frames: list[dict[str, Any]] = []
    while not frames or frames[-1].get("status") not in {"confirmed", "failed"}:
        frames.append(json.loads(socket.recv(timeout=deadline - time.monotonic())))
    return frames


def test_deployed_stage_takes_an_order_to_confirmed(stage: Stage) -> None:
    frames = smoke_frames(stage.websocket_url)
    statuses = [frame["status"] for frame in frames if frame["type"] == "order"]
    assert statuses == ["pending", "routing", "routed", "building", "submitted", "confirmed"]


def test_order_in_the_connection_url_is_executed(stage: Stage) -> None:
    with connect(
        f"{stage.websocket_url}?inputToken=SOL&outputToken=USDC&amount=0.01", open_timeout=TIME_LIMIT_S
    ) as socket:
        assert frames_until_final(socket)[-1]["status"] == "confirmed"


def test_rest_and_websocket_of_a_stage_show_the_same_order(stage: Stage) -> None:
    answer = httpx.post(f"{stage.rest_url}/orders", json=ORDER, timeout=TIME_LIMIT_S)
    assert answer.status_code == 202, answer.text
    order_id = answer.json()["orderId"]
    with connect(f"{stage.websocket_url}?orderId={order_id}", open_timeout=TIME_LIMIT_S) as socket:
        assert frames_until_final(socket)[-1]["orderId"] == order_id


def test_deployed_stage_serves_the_console_with_its_files_and_what_its_pages_ask_for(stage: Stage) -> None:
    with httpx.Client(timeout=TIME_LIMIT_S) as client:
        page = client.get(f"{stage.rest_url}/console")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "default-src" in page.headers["content-security-policy"]
        for name in re.findall(r'(?:href|src)="([^"]+\.(?:js|mjs|css|svg))"', page.text):
            own = client.get(str(httpx.URL(f"{stage.rest_url}/console").join(name)))
            assert own.status_code == 200, name
        for asked in (
            "markets",
            "orders?limit=5",
            "operator/health",
            "operator/dead-letters",
            "operator/audit",
        ):
            found = client.get(f"{stage.rest_url}/{asked}")
            assert found.status_code == 200, (asked, found.text)
        health = client.get(f"{stage.rest_url}/operator/health").json()
    assert health["problems"] == {}
    assert [queue["name"].rpartition("-")[2] for queue in health["queues"]] == ["orders", "dlq"]


def shell_of(stage: Stage) -> dict[str, str | None]:
    """Return what a shell needs to reach the cloud, and nothing of what the stage was deployed with."""
    key = stage.cloud.session.get_credentials()
    return {
        "AWS_ENDPOINT_URL": stage.cloud.endpoint,
        "AWS_ACCESS_KEY_ID": key.access_key,
        "AWS_SECRET_ACCESS_KEY": key.secret_key,
        "DATABASE_URL": None,
    }


def test_plan_of_a_destruction_names_the_stacks_and_needs_nothing_of_what_they_were_deployed_with(
    stage: Stage, tmp_path: Path
) -> None:
    # Half of what Solana asks for, and no cloud of this folder's own, whose database would be found.
    shell = {**shell_of(stage), "CHAIN": "solana", "ORDERFLOW_HOME": str(tmp_path)}
    planned = CliRunner().invoke(deploy, ["--destroy", "--target", "ministack"], env=shell)
    assert planned.exit_code == 0, planned.output
    *stacks, last = [line for line in planned.stdout.splitlines() if not line.startswith(" ")]
    assert stacks[0] == "orderflow-dev-monitoring: delete"
    assert "orderflow-dev-app: delete" in stacks
    assert "orderflow-dev-solana-nodes: delete" not in stacks
    assert stacks[-1] == "orderflow-dev-queues: delete"
    assert last == "Nothing was changed. Delete everything of dev by adding --yes."
    described = stage.cloud.client("cloudformation").describe_stacks(StackName="orderflow-dev-app")
    assert described["Stacks"][0]["StackStatus"].endswith("COMPLETE")


def test_operators_shell_reads_the_record_with_what_the_stage_says_of_itself(stage: Stage) -> None:
    shell = shell_of(stage)
    printed = CliRunner().invoke(deploy, ["--shell", "--target", "ministack"], env=shell)
    said = dict(re.findall(r"(\w+)=([^\s\"]+)(?:\s|$)", printed.stdout))
    assert said.keys() >= {"STAGE", "AWS_REGION", "DATABASE_SECRET_ARN", "ARCHIVE_URL"}
    assert 'WALLET_SEED="$(aws secretsmanager get-secret-value --secret-id ' in printed.stdout
    shown = CliRunner().invoke(orderflow, ["--json", "orders", "--account", "local"], env={**shell, **said})
    assert [each["status"] for each in json.loads(shown.stdout)] == ["confirmed"] * 3


def test_deployed_stage_says_that_it_is_ready(stage: Stage) -> None:
    answer = httpx.get(f"{stage.rest_url}/health/ready", timeout=TIME_LIMIT_S)
    assert answer.json() == {"status": "ok", "database": "ok", "queue": "ok", "prices": "ok"}


def test_deployed_functions_leave_out_what_lambda_says_of_an_invocation_that_went_well(stage: Stage) -> None:
    functions = stage.cloud.client("lambda")
    names = [f"orderflow-dev-{name}" for name in FUNCTIONS]
    found = [functions.get_function_configuration(FunctionName=name)["LoggingConfig"] for name in names]
    assert {(each["LogFormat"], each["SystemLogLevel"]) for each in found} == {("JSON", "WARN")}


def test_deploying_the_same_again_changes_no_function(stage: Stage, built: Package) -> None:
    functions = stage.cloud.client("lambda")
    before = {each["FunctionName"]: each["RevisionId"] for each in functions.list_functions()["Functions"]}
    stage.deploy(built)
    after = {each["FunctionName"]: each["RevisionId"] for each in functions.list_functions()["Functions"]}
    assert after == before


def test_redeployment_brings_new_code_and_keeps_partial_batch_responses(
    stage: Stage, built: Package, tmp_path: Path
) -> None:
    archive = with_changed_health(built.archive, tmp_path / "changed.zip")
    tokens = {"AuthMode": "jwt", "JwtSecret": SECRET, "JwtIssuer": ISSUER, "JwtAudience": AUDIENCE}
    stage.deploy(replace(built, archive=archive), tokens)
    answer = httpx.get(f"{stage.rest_url}/health", timeout=TIME_LIMIT_S)
    assert answer.json() == {"status": "ok", "release": "2"}
    mappings = stage.cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert [each["FunctionResponseTypes"] for each in mappings] == [["ReportBatchItemFailures"]] * 2


def test_stage_that_asks_for_tokens_takes_an_order_of_one_who_has_one(stage: Stage) -> None:
    frames = smoke_frames(stage.websocket_url, token())
    assert frames[-1]["status"] == "confirmed"


@pytest.mark.parametrize(
    ("claims", "status"),
    # AWS answers 401 to each; MiniStack takes an authorizer's "Unauthorized" for a failure of it.
    [(None, 401), ({"exp": 1}, 500), ({"aud": "others"}, 500)],
    ids=["none", "expired", "foreign"],
)
def test_stage_that_asks_for_tokens_refuses_a_connection_without_a_good_one(
    stage: Stage, claims: dict[str, Any] | None, status: int
) -> None:
    headers = {} if claims is None else {"Authorization": f"Bearer {token(**claims)}"}
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(stage.websocket_url, additional_headers=headers, open_timeout=TIME_LIMIT_S),
    ):
        pass
    assert refused.value.response.status_code == status


def test_stage_that_asks_for_tokens_refuses_a_request_without_one(stage: Stage) -> None:
    assert httpx.get(f"{stage.rest_url}/orders", timeout=TIME_LIMIT_S).status_code == 401


@pytest.fixture(scope="module")
def stage_on_solana(
    stage: Stage, built: Package, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Right]]:
    """The stage from here on: it trades on a chain of this machine. Yield the right to read where that is."""
    folder = tmp_path_factory.mktemp("solana")
    pools = folder / "pools"
    with running(folder / "chain", "--seed", "--block-ms", "100", "--pools-file", str(pools)) as chain:
        url = f"http://127.0.0.1:{chain.port}"
        settings = {"CHAIN": "solana", "SOLANA_RPC_URLS": url, "SOLANA_POOLS_FILE": str(pools)}
        solana = solana_stage(settings, is_emulated=True)
        archive = with_files(built.archive, folder / "package.zip", solana.files)
        stage.deploy(replace(built, archive=archive), solana=solana)
        # A cold start of the consumer takes longer than its six seconds on a machine that is busy.
        renew_environment(stage.cloud, "execute_orders")
        rights = (each for each in rights_in_policies() if each.sid == "ReadSolanaNodes")
        yield {each.function: each for each in rights}


def test_stage_on_solana_takes_an_order_to_confirmed_with_the_rights_of_its_roles(
    stage: Stage, stage_on_solana: dict[str, Right]
) -> None:
    frames = smoke_frames(stage.websocket_url, token())
    assert frames[-1]["status"] == "confirmed"
    assert frames[-1]["networkFeeLamports"] > 0
    nodes = stage.cloud.client("lambda").get_function_configuration(
        FunctionName="orderflow-dev-execute_orders"
    )
    assert "127.0.0.1" not in nodes["Environment"]["Variables"].get("SOLANA_RPC_URLS", "")
    assert stage_on_solana.keys() == {"api_handler", "execute_orders", "match_prices", "settle_dead_letters"}


def test_stage_on_solana_shows_markets_and_matches_prices_without_a_key_that_signs(
    stage: Stage, stage_on_solana: dict[str, Right]
) -> None:
    headers = {"Authorization": f"Bearer {token()}"}
    markets = httpx.get(f"{stage.rest_url}/markets", headers=headers, timeout=TIME_LIMIT_S)
    assert markets.status_code == 200, markets.text
    rests = {**ORDER, "type": "limit", "limitPrice": "100000"}
    with connect(stage.websocket_url, additional_headers=headers, open_timeout=TIME_LIMIT_S) as socket:
        socket.send(json.dumps({"action": "submit", **rests}))
        while json.loads(socket.recv(TIME_LIMIT_S)).get("status") != "open":
            pass
        # Prices are looked at for it alone.
        assert_it_takes(stage, stage_on_solana["match_prices"], SCHEDULE, swept)
        socket.send(json.dumps({"action": "cancelAll"}))
        while json.loads(socket.recv(TIME_LIMIT_S)).get("status") != "canceled":
            pass
    event = rest_event("GET", "/health/ready")
    assert_it_takes(stage, stage_on_solana["api_handler"], event, answered_well)


def test_stage_on_solana_settles_dead_letters_without_a_key_that_signs(
    stage: Stage, stage_on_solana: dict[str, Right]
) -> None:
    letter = queue_event("orderflow-dev-orders-dlq", "not a message of ours")
    assert_it_takes(stage, stage_on_solana["settle_dead_letters"], letter, finished_all)
    order = order_event(an_order_of_this_stage())
    assert_it_takes(stage, stage_on_solana["execute_orders"], order, finished_all)


def test_stage_on_solana_is_never_deployed_as_one_of_the_simulated_market(
    stage: Stage, stage_on_solana: dict[str, Right], built: Package
) -> None:
    assert stage_on_solana
    # As a shell that lacks CHAIN would: its orders would end as confirmed, and nothing have executed them.
    with pytest.raises(ConfigurationError, match="CHAIN=solana"):
        stage.deploy(built)
    with pytest.raises(ConfigurationError, match="CHAIN=solana"):
        next(stage.deployment.plan(built))


def assert_it_takes(
    stage: Stage, right: Right, event: dict[str, Any], is_fine: Callable[[Answer], bool]
) -> None:
    """Assert that a function does its work, and does not without the right."""
    with without(stage.cloud, right):
        renew_environment(stage.cloud, right.function)
        assert not is_fine(invoked(stage.cloud, right.function, event)), right
    answer = invoked(stage.cloud, right.function, event)
    assert is_fine(answer), answer


def test_order_that_its_consumer_never_finishes_is_failed_by_the_dead_letters(stage: Stage) -> None:
    sqs, functions = stage.cloud.client("sqs"), stage.cloud.client("lambda")
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
    headers = {"Authorization": f"Bearer {token()}"}
    with connect(stage.websocket_url, additional_headers=headers, open_timeout=TIME_LIMIT_S) as socket:
        socket.send(json.dumps({"action": "submit", **ORDER}))
        assert frames_until_final(socket)[-1]["status"] == "failed"


def test_stage_with_messages_is_not_destroyed_unless_told(stage: Stage) -> None:
    queue = stage.outputs["OrdersQueueUrl"]
    stage.cloud.client("sqs").send_message(QueueUrl=queue, MessageBody="{}", DelaySeconds=900)
    with pytest.raises(QueueNotEmptyError):
        stage.deployment.destroy(loses_messages=False)


def test_destroyed_stage_leaves_no_stack_and_no_function(stage: Stage) -> None:
    stage.deployment.destroy(loses_messages=True)
    cloud = stage.cloud
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
