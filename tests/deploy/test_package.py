"""What is deployed: the packaged template, its policies and its archive, before anything takes it."""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.console_files import FOLDER
from infra.deploy.cloud import Target
from infra.deploy.cloudformation import BODY_MAX_BYTES
from infra.deploy.json_types import JsonObject
from infra.deploy.metrics import REST
from infra.deploy.packaging import CHALICE, SIZE_MAX_BYTES, Package
from infra.deploy.stacks import stacks, stage_values, template
from infra.deploy.template import ONLY_BESIDE_CHALICE, TemplateError, finished, functions_of, pinned
from infra.deploy.variables import BYTES_MAX as VARIABLES_MAX_BYTES
from infra.deploy.variables import variables_of, with_later
from tests.deploy.stage import APP_DIR

CFN_LINT = (str(Path(sys.executable).with_name("cfn-lint")),)
VISIBILITY_PER_TIME_OUT = 6  # L/with-sqs: at least six times the function's time-out


def resources(built: Package, kind: str) -> dict[str, Any]:
    return {name: each for name, each in built.template["Resources"].items() if each["Type"] == kind}


def statements(built: Package) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, role in resources(built, "AWS::IAM::Role").items():
        for policy in role["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


def consumer_event(built: Package, function: str) -> dict[str, Any]:
    (event,) = functions_of(built.template)[function]["Properties"]["Events"].values()
    properties: dict[str, Any] = event["Properties"]
    return properties


def needs(built: Package, logical_id: str) -> set[str]:
    """Return what CloudFormation makes or changes before this resource."""
    found, left = set[str](), [logical_id]
    while left:
        resource = built.template["Resources"][left.pop()]
        own = {
            name for name in mentioned(resource.get("Properties", {})) if name in built.template["Resources"]
        }
        own |= set(listed(resource.get("DependsOn", [])))
        left += own - found
        found |= own
    return found


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def mentioned(value: Any) -> Iterator[str]:
    """Yield what a ``Ref``, ``Fn::GetAtt`` or ``Fn::Sub`` names, however deep."""
    if isinstance(value, list):
        for each in value:
            yield from mentioned(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            match name:
                case "Ref":
                    yield each
                case "Fn::GetAtt":
                    yield each[0]
                case "Fn::Sub":
                    yield from re.findall(r"\$\{([A-Za-z0-9]+)", listed(each)[0])
            yield from mentioned(each)


@pytest.mark.parametrize("function", ["ExecuteOrders", "SettleDeadLetters"])
def test_consumers_report_the_messages_of_a_batch_that_failed(built: Package, function: str) -> None:
    assert consumer_event(built, function)["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_consumer_takes_ten_orders_at_a_time_and_has_a_ceiling(built: Package) -> None:
    event = consumer_event(built, "ExecuteOrders")
    assert event["BatchSize"] == 10
    assert event["ScalingConfig"]["MaximumConcurrency"]["Fn::FindInMap"][0] == "ConsumerConcurrency"
    assert all(each["Maximum"] >= 2 for each in built.template["Mappings"]["ConsumerConcurrency"].values())


def test_message_stays_hidden_for_six_times_what_its_consumer_may_take(built: Package) -> None:
    queues = template("queues")["Resources"]
    for queue, function in (("OrdersQueue", "ExecuteOrders"), ("OrdersDeadLetterQueue", "SettleDeadLetters")):
        time_out = functions_of(built.template)[function]["Properties"]["Timeout"]
        assert queues[queue]["Properties"]["VisibilityTimeout"] >= VISIBILITY_PER_TIME_OUT * time_out


def test_dead_letters_are_kept_longer_than_orders_and_both_are_encrypted() -> None:
    queues = {name: each["Properties"] for name, each in template("queues")["Resources"].items()}
    orders, dead_letters = queues["OrdersQueue"], queues["OrdersDeadLetterQueue"]
    assert dead_letters["MessageRetentionPeriod"] > orders["MessageRetentionPeriod"]
    assert orders["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["OrdersDeadLetterQueue", "Arn"]}
    assert orders["RedrivePolicy"]["maxReceiveCount"] >= 5
    assert orders["SqsManagedSseEnabled"]
    assert dead_letters["SqsManagedSseEnabled"]


def test_websocket_stage_is_ws_and_deploys_itself_when_a_route_changes(built: Package) -> None:
    (stage,) = resources(built, "AWS::ApiGatewayV2::Stage").values()
    assert stage["Properties"]["StageName"] == "ws"
    assert stage["Properties"]["AutoDeploy"] is True
    assert built.template["Resources"]["WebsocketAPIDeployment"]["Condition"] == "Never"


def test_message_route_gives_clients_the_functions_answer_on_aws_alone_and_if_asked_to(
    built: Package,
) -> None:
    found = built.template["Resources"]
    (route_response,) = resources(built, "AWS::ApiGatewayV2::RouteResponse").values()
    assert route_response["Condition"] == "AnswersInResult"
    assert route_response["Properties"]["RouteResponseKey"] == "$default"
    route = found[route_response["Properties"]["RouteId"]["Ref"]]["Properties"]
    assert route["RouteKey"] == "$default"
    assert route["RouteResponseSelectionExpression"]["Fn::If"][:2] == ["AnswersInResult", "$default"]
    others = [name for name, each in resources(built, "AWS::ApiGatewayV2::Route").items()
              if "RouteResponseSelectionExpression" in each["Properties"]]  # fmt: skip
    assert others == ["WebsocketMessageRoute"]
    variables = built.template["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["ROUTE_RESPONSES"] == {"Fn::If": ["AnswersInResult", "1", "0"]}
    assert built.template["Parameters"]["RouteResponses"]["Default"] == "0"
    on_aws, is_wanted = built.template["Conditions"]["AnswersInResult"]["Fn::And"]
    assert on_aws == {"Fn::Not": [{"Condition": "OnEmulator"}]}
    assert is_wanted == {"Fn::Equals": [{"Ref": "RouteResponses"}, "1"]}


def test_function_answers_in_its_result_only_once_the_route_response_is_there(built: Package) -> None:
    before_function = needs(built, "WebsocketMessage")
    assert {"WebsocketMessageRoute", "WebsocketMessageRouteResponse"} <= before_function
    assert "WebsocketMessage" not in before_function


def test_stage_opens_once_a_first_frame_can_be_answered(built: Package) -> None:
    assert {"WebsocketMessage", "WebsocketMessageRouteResponse"} <= needs(built, "WebsocketAPIStage")


def test_integration_of_the_message_route_names_its_function_as_it_is_named(built: Package) -> None:
    uri = built.template["Resources"]["WebsocketMessageAPIIntegration"]["Properties"]["IntegrationUri"]
    name = functions_of(built.template)["WebsocketMessage"]["Properties"]["FunctionName"]["Fn::Sub"]
    assert uri["Fn::Sub"].endswith(f":function:{name}/invocations")


def test_rest_stage_is_api_and_metrics_find_it_by_a_name_of_its_own(built: Package) -> None:
    api = built.template["Resources"]["RestAPI"]["Properties"]
    watched = dict(REST.dimensions)
    assert api["StageName"] == watched["Stage"] == "api"
    # Which of the two names a definition's import keeps, AWS does not say.
    assert api["Name"]["Fn::Sub"] == api["DefinitionBody"]["info"]["title"]["Fn::Sub"] == watched["ApiName"]


def test_connecting_asks_the_authorizer_wherever_tokens_are_used(built: Package) -> None:
    route = built.template["Resources"]["WebsocketConnectRoute"]["Properties"]
    assert route["AuthorizationType"] == {"Fn::If": ["UsesJwt", "CUSTOM", "NONE"]}
    assert route["AuthorizerId"]["Fn::If"][1] == {"Ref": "ConnectAuthorizer"}


def test_every_function_has_a_role_and_a_log_with_an_end_of_its_own(built: Package) -> None:
    functions = functions_of(built.template)
    roles = [each["Properties"]["Role"]["Fn::GetAtt"][0] for each in functions.values()]
    assert len(set(roles)) == len(functions)
    logs = {
        each["Properties"]["LogGroupName"]["Fn::Sub"]
        for each in resources(built, "AWS::Logs::LogGroup").values()
    }
    names = {each["Properties"]["FunctionName"]["Fn::Sub"] for each in functions.values()}
    assert logs == {f"/aws/lambda/{name}" for name in names}
    assert all(
        each["Properties"]["RetentionInDays"] for each in resources(built, "AWS::Logs::LogGroup").values()
    )


def test_lambda_writes_levels_and_lets_our_metrics_through(built: Package) -> None:
    logging = built.template["Globals"]["Function"]["LoggingConfig"]
    assert logging["LogFormat"] == "JSON"
    # Metrics are lines without a level, which Lambda takes for INFO.
    assert logging.get("ApplicationLogLevel", "INFO") == "INFO"
    own = [each["Properties"] for each in functions_of(built.template).values()]
    assert not [each for each in own if "LoggingConfig" in each]


def test_no_policy_reaches_beyond_its_stage_region_and_account(built: Package) -> None:
    for role, statement in statements(built):
        resource = statement["Resource"]["Fn::Sub"]
        assert resource.startswith("arn:${AWS::Partition}:"), (role, resource)
        # The ARN of a bucket has neither: its name has.
        place = (
            "-${AWS::AccountId}-${AWS::Region}/"
            if ":s3:::" in resource
            else "${AWS::Region}:${AWS::AccountId}:"
        )
        assert place in resource, (role, resource)
        assert "${Stage}" in resource or "${WebsocketAPI}/ws/" in resource, (role, resource)
        if ":s3:::" in resource:
            # One that was deleted leaves its name, which can be guessed, to any account.
            own = {"StringEquals": {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}}
            assert statement.get("Condition") == own, (role, resource)
        assert all("*" not in action for action in statement["Action"]), (role, statement)


def test_package_leaves_out_what_only_chalices_own_deployment_needs(built: Package) -> None:
    sids = {statement["Sid"] for _, statement in statements(built)}
    assert sids & ONLY_BESIDE_CHALICE == set()
    written = {
        statement["Sid"]
        for path in (APP_DIR / ".chalice").glob("policy-*.json")
        for statement in json.loads(path.read_text(encoding="utf-8"))["Statement"]
    }
    assert written - sids == ONLY_BESIDE_CHALICE


def test_whoever_sends_orders_may_find_their_queue_without_being_told_its_address() -> None:
    for path in (APP_DIR / ".chalice").glob("policy-*.json"):
        allowed = json.loads(path.read_text(encoding="utf-8"))["Statement"]
        resources = {each["Sid"]: each["Resource"] for each in allowed}
        if "SendOrders" in resources:
            assert resources["SendOrders"] in resources["FindQueues"], path.name


def test_only_those_who_consume_a_queue_may_take_messages_from_it(built: Package) -> None:
    takers = {role for role, each in statements(built) if "sqs:ReceiveMessage" in each["Action"]}
    assert takers == {"ExecuteOrdersRole", "SettleDeadLettersRole"}


def test_only_the_function_that_signs_may_read_the_wallet_seed(built: Package) -> None:
    readers = {role for role, each in statements(built) if "wallet-seed" in each["Resource"]["Fn::Sub"]}
    assert readers == {"ExecuteOrdersRole"}


def test_only_functions_that_ask_nodes_may_read_their_addresses(built: Package) -> None:
    readers = {role for role, each in statements(built) if "solana-nodes" in each["Resource"]["Fn::Sub"]}
    assert readers == {"ApiHandlerRole", "ExecuteOrdersRole", "MatchPricesRole", "SettleDeadLettersRole"}


def test_no_secret_is_in_a_functions_environment(built: Package) -> None:
    variables = built.template["Globals"]["Function"]["Environment"]["Variables"]
    assert "DATABASE_URL" not in variables
    assert "WALLET_SEED" not in variables


def test_package_is_small_and_carries_what_runs(built: Package) -> None:
    assert built.archive.stat().st_size <= SIZE_MAX_BYTES
    names = zipfile.ZipFile(built.archive).namelist()
    assert {f"chalicelib/{path.relative_to(FOLDER.parent)}" for path in FOLDER.rglob("*.*")} <= set(names)
    assert {
        "app.py",
        "chalicelib/prepare.py",
        "chalicelib/market.toml",
        "chalicelib/tokens.toml",
        "chalicelib/migrations/env.py",
    } <= set(names)
    assert not [name for name in names if name.startswith(("botocore/", "boto3/", "infra/", "tests/"))]
    assert not [name for name in names if name.endswith((".pyi", "/.env"))]


@pytest.fixture(scope="module")
def unpacked(built: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    zipfile.ZipFile(built.archive).extractall(folder)
    return folder


def test_cold_start_loads_neither_the_database_layer_nor_clients_nor_tracing(unpacked: Path) -> None:
    loaded = modules_after("import app", unpacked)
    late = {
        "sqlalchemy",
        "pg8000",
        "alembic",
        "boto3",
        "botocore.session",
        "aws_xray_sdk",
        "cryptography",
        "jwt",
        "asyncio",
    }
    assert late & loaded == set()
    assert not {
        name for name in loaded if name.startswith(("chalicelib.routing", "chalicelib.adapters.postgres"))
    }


def test_package_has_the_bytecode_of_all_that_a_cold_start_imports(unpacked: Path) -> None:
    code = (
        "import app, importlib.util, pathlib\n"
        "files = [getattr(m, '__file__', None) or '' for m in sys.modules.values()]\n"
        "own = {f for f in files if f.startswith(sys.argv[1]) and f.endswith('.py')}\n"
        "cached = importlib.util.cache_from_source\n"
        "print(len(own) > 100, [f for f in own if not pathlib.Path(cached(f)).exists()])"
    )
    assert run_in(unpacked, code) == "True []\n"


def modules_after(statement: str, folder: Path) -> set[str]:
    return set(run_in(folder, f"import sys; {statement}; print(' '.join(sys.modules))").split())


def run_in(folder: Path, code: str) -> str:
    command = (
        sys.executable,
        "-B",
        "-c",
        f"import sys; sys.path.insert(0, sys.argv[1])\n{code}",
        str(folder),
    )
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPYCACHEPREFIX"}
    return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=True).stdout


def test_function_without_a_policy_file_is_refused() -> None:
    function = {
        "Type": "AWS::Serverless::Function",
        "Properties": {"Role": {"Fn::GetAtt": ["DefaultRole", "Arn"]}},
    }
    with pytest.raises(TemplateError, match="Forgotten"):
        finished({"Resources": {"Forgotten": function}})


def a_function(**variables: str) -> JsonObject:
    """Return a function of a packaged template, with these variables."""
    return {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "Role": {"Fn::GetAtt": ["ApiHandlerRole", "Arn"]},
            "Environment": {"Variables": {"STAGE": "dev", **variables}},
        },
    }


def test_variables_of_config_json_reach_functions_beside_those_that_the_stacks_say() -> None:
    functions = {"Api": a_function(PACKED_EVENTS="0", OWN="1"), "Sweep": a_function(PACKED_EVENTS="0")}
    stated = {"Function": {"Environment": {"Variables": {"STAGE": {"Ref": "Stage"}}}}}
    made = finished({"Globals": stated, "Resources": functions})
    shared = made["Globals"]["Function"]["Environment"]["Variables"]
    assert shared == {"STAGE": {"Ref": "Stage"}, "PACKED_EVENTS": "0"}
    assert made["Resources"]["Api"]["Properties"]["Environment"] == {"Variables": {"OWN": "1"}}
    assert "Environment" not in made["Resources"]["Sweep"]["Properties"]


def test_template_has_room_for_all_the_variables_that_functions_may_have(built: Package) -> None:
    region = "ap-southeast-2"
    stage = {**stage_values("prod"), "AuthMode": "jwt"}
    made = json.dumps(variables_of(built.template, with_later(stage, region)))
    body = json.dumps(built.stored_at(f"orderflow-artifacts-123456789012-{region}"), separators=(",", ":"))
    # What a stage's config.json may add is what is left of Lambda's room, and is said once.
    assert len(body) + VARIABLES_MAX_BYTES - len(made) <= BODY_MAX_BYTES


def test_pinning_leaves_nothing_of_a_policy_files_wildcards_but_the_connection() -> None:
    wide = "arn:aws:execute-api:*:*:*/*/POST/@connections/*"
    api = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${WebsocketAPI}"
    assert pinned(wide) == f"{api}/ws/POST/@connections/*"


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="cfn-lint is not there for Python 3.15 yet")
def test_all_templates_pass_cfn_lint(built: Package, tmp_path: Path) -> None:
    paths = []
    kinds = {
        stack.kind
        for target in Target
        for is_beside_chalice in (False, True)
        for stack in stacks(target, "prod", is_beside_chalice=is_beside_chalice)
    }
    for kind in sorted(kinds):
        content = built.stored_at("bucket") if kind == "app" else template(kind)
        path = tmp_path / f"{kind}.json"
        path.write_text(json.dumps(content))
        paths.append(str(path))
    done = subprocess.run((*CFN_LINT, *paths), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_bytecode_that_another_process_is_just_writing_is_passed_over(tmp_path: Path) -> None:
    app_dir, code = tmp_path / "app", "from chalice import Chalice\napp = Chalice('small')\n"
    (app_dir / ".chalice").mkdir(parents=True)
    (app_dir / ".chalice" / "config.json").write_text('{"version": "2.0", "app_name": "small"}')
    (app_dir / "app.py").write_text(f"{code}@app.lambda_function()\ndef f(event, context): pass\n")
    (app_dir / "chalicelib" / "__pycache__").mkdir(parents=True)
    # It has its own name by the time that it is read.
    (app_dir / "chalicelib" / "__pycache__" / "a.cpython-311.pyc.140").symlink_to("gone")
    done = subprocess.run(
        (sys.executable, "-c", CHALICE, "package", str(tmp_path / "out")),
        cwd=app_dir,
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
