"""Which stacks a stage consists of, and each one's parameters."""

import pytest

from chalicelib.config import ConfigurationError
from infra.deploy.__main__ import _options
from infra.deploy.alarms import ALARMS
from infra.deploy.cloud import Cloud, Target
from infra.deploy.cloudformation import additions
from infra.deploy.deployment import database_options
from infra.deploy.stacks import (
    MissingValueError,
    Stack,
    changed_parameters,
    parameters,
    queues_only,
    stacks,
    stage_values,
)

STACK = Stack("orderflow-dev-app", "app", None)


def kinds(target: Target) -> list[str]:
    return [stack.kind for stack in stacks(target, "dev")]


def test_database_is_prepared_before_any_function_has_new_code() -> None:
    for target in (Target.AWS, Target.MINISTACK):
        assert kinds(target).index("migration") < kinds(target).index("app")


def test_aws_has_a_network_and_a_database_of_its_own() -> None:
    assert {"network", "database"} <= set(kinds(Target.AWS))
    assert "given_database" not in kinds(Target.AWS)


def test_localstack_takes_what_ministack_does_and_without_websocket_apis_the_queues_alone() -> None:
    assert kinds(Target.LOCALSTACK) == kinds(Target.MINISTACK)
    assert [stack.name for stack in queues_only("dev")] == ["orderflow-dev-queues"]


def test_stacks_beside_chalice_prepare_the_database_and_leave_out_code_and_alarms() -> None:
    beside = [stack.kind for stack in stacks(Target.AWS, "dev", is_beside_chalice=True)]
    assert beside[-2:] == ["migration", "beside_chalice"]
    assert set(kinds(Target.AWS)) - set(beside) == {"app", "monitoring"}


@pytest.mark.parametrize(
    ("target", "endpoint", "found"),
    [
        (Target.LOCALSTACK, "http://127.0.0.1:4999", "http://localhost.localstack.cloud:4999"),
        (Target.LOCALSTACK, "http://localhost", "http://localhost.localstack.cloud:4566"),
        (Target.LOCALSTACK, "http://stack.example:4566", "http://stack.example:4566"),
        (Target.MINISTACK, "http://127.0.0.1:4999", "http://127.0.0.1:4999"),
    ],
)
def test_functions_in_containers_find_localstack_under_its_own_name(
    target: Target, endpoint: str, found: str
) -> None:
    assert Cloud.of(target, {"AWS_ENDPOINT_URL": endpoint}).endpoint_of_functions == found


def test_parameters_come_by_name_and_defaults_stay_with_the_template() -> None:
    declared = {"Parameters": {"Stage": {}, "Size": {"Default": 1}}}
    assert parameters(STACK, declared, {"Stage": "dev", "Other": "x"}) == {"Stage": "dev"}


def test_parameter_that_nothing_decides_is_named() -> None:
    with pytest.raises(MissingValueError, match="orderflow-dev-app has no value for SubnetIds"):
        parameters(STACK, {"Parameters": {"SubnetIds": {}}}, {"Stage": "dev"})


def test_parameters_that_a_shell_no_longer_names_are_shown_to_get_their_defaults_and_secrets_are_not() -> (
    None
):
    declared = {
        "Parameters": {
            "AlarmEmail": {"Default": ""},
            "ConnectionsPerSecond": {"Default": 500},
            "PackageKey": {},
            "JwtSecret": {"Default": "", "NoEcho": True},
            "New": {"Default": ""},
        }
    }
    before = {
        "AlarmEmail": "ops@example.com",
        "ConnectionsPerSecond": "500",
        "PackageKey": "a.zip",
        "JwtSecret": "****",
    }
    assert changed_parameters(declared, before, {"PackageKey": "b.zip", "JwtSecret": "new"}) == {
        "AlarmEmail": ("ops@example.com", ""),
        "PackageKey": ("a.zip", "b.zip"),
    }


def test_prod_is_protected_and_pays_nobodys_trades() -> None:
    values = stage_values("prod")
    assert values["IsProtected"] == "true"
    assert values["MarketFaucet"] == "0"


def test_prod_writes_no_line_for_each_event_unless_it_is_asked_to() -> None:
    assert stage_values("prod")["LogLevel"] == "WARNING"
    assert stage_values("dev").get("LogLevel", "INFO") == "INFO"


def test_database_url_becomes_parameters_with_its_password_decoded() -> None:
    options = database_options("postgresql://app:p%40ss@db.example:5433/orders?sslmode=disable")
    assert options == {
        "DatabaseHostname": "db.example",
        "DatabasePort": "5433",
        "DatabaseName": "orders",
        "DatabaseUser": "app",
        "DatabasePassword": "p@ss",
        "DatabaseSslMode": "disable",
    }


def test_emulator_is_reached_with_test_credentials_whatever_the_shell_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
    cloud = Cloud.of(Target.LOCALSTACK, {"AWS_ENDPOINT_URL": "http://127.0.0.1:4999"})
    client = cloud.client("sqs")
    assert client.meta.endpoint_url == "http://127.0.0.1:4999"
    assert cloud.session.get_credentials().access_key == "test"


def test_aws_is_reached_although_the_shell_names_an_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4999")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    cloud = Cloud.of(Target.AWS, {"AWS_ENDPOINT_URL": "http://127.0.0.1:4999"})
    assert cloud.client("sqs").meta.endpoint_url == "https://sqs.eu-west-1.amazonaws.com"


def test_region_on_aws_is_the_one_that_the_shell_names_by_either_name_and_has_to_be_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "nowhere")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        cloud = Cloud.of(Target.AWS, {name: "eu-central-1"})
        assert cloud.client("sqs").meta.region_name == "eu-central-1"
    with pytest.raises(ConfigurationError, match="AWS_REGION"):
        Cloud.of(Target.AWS, {})


def test_service_that_hangs_is_waited_for_a_minute_and_the_migration_for_as_long_as_a_function_may_take() -> (
    None
):
    cloud = Cloud.of(Target.AWS, {"AWS_REGION": "eu-west-1"})
    assert cloud.client("cloudformation").meta.config.read_timeout == 60
    assert cloud.client("lambda").meta.config.read_timeout > 900


@pytest.mark.parametrize(
    ("named", "expected"),
    [(None, {}), ("ops@example.com", {"AlarmEmail": "ops@example.com"}), ("none", {"AlarmEmail": ""})],
)
def test_address_of_alarms_is_decided_by_a_shell_that_names_one_or_says_none(
    named: str | None, expected: dict[str, str]
) -> None:
    cloud = Cloud.of(Target.AWS, {"AWS_REGION": "eu-west-1"})
    given = dict.fromkeys(("log_level", "metrics", "system_log_level", "route_responses"))
    issuer = {"jwks_url": "https://issuer", "jwt_issuer": "issuer", "jwt_audience": "orderflow"}
    options = _options(cloud, {**given, **issuer, "alarm_email": named})
    assert {name: value for name, value in options.items() if name == "AlarmEmail"} == expected


def test_addresses_of_an_emulated_stage_lead_to_the_emulator() -> None:
    cloud = Cloud.of(Target.MINISTACK, {"AWS_ENDPOINT_URL": "http://127.0.0.1:4999"})
    outputs = {"WebsocketAPIId": "abc", "RestAPIId": "def"}
    assert cloud.websocket_url(outputs) == "ws://127.0.0.1:4999/_aws/execute-api/abc/ws"
    assert cloud.rest_url(outputs) == "http://127.0.0.1:4999/_aws/execute-api/def/api"


class Gateway:
    """A session and a client of LocalStack's, which gives each API a port of its own."""

    def client(self, *_: object, **__: object) -> "Gateway":
        return self

    def get_api(self, **_: str) -> dict[str, str]:
        return {"ApiEndpoint": "ws://localhost:4510"}


def test_websocket_api_of_localstack_is_reached_at_its_own_port() -> None:
    cloud = Cloud(Target.LOCALSTACK, Gateway(), "http://127.0.0.1:4566")
    assert cloud.websocket_url({"WebsocketAPIId": "abc"}) == "ws://localhost:4510/ws"


def test_alarms_have_names_of_their_own() -> None:
    assert len({alarm.name for alarm in ALARMS}) == len(ALARMS)


@pytest.mark.parametrize(
    ("metric", "least"),
    [
        ("ApproximateNumberOfMessagesVisible", 1),
        ("ApproximateAgeOfOldestMessage", 1),
        ("Errors", 6),
        ("Throttles", 2),
        ("ExecutionError", 1),
        ("Duration", 2),
    ],
)
def test_what_can_go_wrong_has_an_alarm(metric: str, least: int) -> None:
    assert sum(alarm.metric == metric for alarm in ALARMS) >= least


def test_first_dead_letter_rings_at_once() -> None:
    (alarm,) = (alarm for alarm in ALARMS if alarm.metric == "ApproximateNumberOfMessagesVisible")
    assert (alarm.threshold, alarm.bad, alarm.of) == (0, 1, 1)


def test_latencies_are_judged_by_their_slowest_hundredth() -> None:
    assert {alarm.statistic for alarm in ALARMS if alarm.metric == "Duration"} == {"p99"}


def test_plan_of_a_new_stack_lists_its_resources_and_what_each_depends_on() -> None:
    resources = {"Reader": {"Type": "AWS::RDS::DBInstance", "Condition": "HasReader"}}
    (change,) = additions({"Resources": resources})
    assert (change.action, change.logical_id, change.condition) == ("Add", "Reader", "HasReader")
