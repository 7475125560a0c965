"""A stage is taken down without losing an order, and brought up whatever became of the deployment before."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.config import ConfigurationError
from infra.deploy import deployment
from infra.deploy.cloud import Cloud, Target
from infra.deploy.deployment import Deployment, QueueNotEmptyError
from infra.deploy.packaging import Package
from infra.deploy.protection import ProtectedStageError
from infra.deploy.solana_stage import NO_SOLANA, SolanaStage

QUEUES = "orderflow-dev-queues"
APP = "orderflow-dev-app"
DATABASE = "orderflow-dev-given-database"
MONITORING = "orderflow-dev-monitoring"
ACCOUNT_ID = "123456789012"
GONE = ClientError(
    {"Error": {"Code": "AWS.SimpleQueueService.NonExistentQueue", "Message": "it is gone"}},
    "GetQueueAttributes",
)


class Account:
    """An account with a stage whose clients submit orders for as long as they are let in.

    Attributes:
        stacks: Parameters by name.
        outputs: By name, and by key.
        made: What stacks were made with, or changed to, in their order.
        going_on: Names of those that are being changed, until they were looked at twice.
        has_queues: Whether the queues are there, whatever their stack says.
        protected: What stacks and which database want another decision before they are deleted.
        refused: The stack whose change is refused.
        asked: What the services other than CloudFormation were asked for.
    """

    region_name = "eu-west-1"

    def __init__(self, *stacks: str) -> None:
        self.stacks: dict[str, dict[str, str]] = {name: {} for name in stacks or (APP, DATABASE, QUEUES)}
        self.made: list[tuple[str, dict[str, str]]] = []
        self.going_on: dict[str, int] = {}
        self.waiting = 0
        self.has_queues = True
        self.refused = ""
        self.asked: list[dict[str, Any]] = []
        self.protected: set[str] = set()
        self.outputs: dict[str, dict[str, str]] = {}
        self._asked_for: dict[str, Any] = {}

    def client(self, *_: object, **__: object) -> "Account":
        return self

    def describe_stacks(self, **asked: str) -> dict[str, Any]:
        name = asked["StackName"]
        if name not in self.stacks:
            raise ClientError({"Error": {"Message": f"{name} does not exist"}}, "DescribeStacks")
        left = self.going_on[name] = self.going_on.get(name, 0) - 1
        outputs = self.outputs.get(name, {"OrdersQueueUrl": "orders"})
        return {
            "Stacks": [
                {
                    "StackStatus": "UPDATE_IN_PROGRESS" if left >= 0 else "CREATE_COMPLETE",
                    "StackId": name,
                    "EnableTerminationProtection": name in self.protected,
                    "Tags": [{"Key": "application", "Value": "orderflow"}],
                    "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
                    "Parameters": [
                        {"ParameterKey": key, "ParameterValue": value}
                        for key, value in self.stacks[name].items()
                    ],
                }
            ]
        }

    def create_change_set(self, **asked: Any) -> dict[str, str]:
        if self.going_on.get(asked["StackName"], 0) > 0 or asked["StackName"] == self.refused:
            raise ClientError({"Error": {"Message": "it can not be updated"}}, "CreateChangeSet")
        self._asked_for = asked
        return {"Id": "change"}

    def describe_change_set(self, **_: object) -> dict[str, str]:
        return {"Status": "CREATE_COMPLETE"}

    def delete_change_set(self, **_: object) -> None: ...

    def execute_change_set(self, **_: object) -> None:
        name, template = self._asked_for["StackName"], json.loads(self._asked_for["TemplateBody"])
        given = {each["ParameterKey"]: each["ParameterValue"] for each in self._asked_for["Parameters"]}
        defaults = {key: str(each.get("Default", "")) for key, each in template["Parameters"].items()}
        self.stacks[name] = defaults | given
        self.made.append((name, self.stacks[name]))
        self.outputs[name] = dict.fromkeys(template.get("Outputs", {}), "orders")

    def update_termination_protection(self, **_: object) -> None: ...

    def delete_stack(self, **asked: str) -> None:
        if self.going_on.get(asked["StackName"], 0) > 0:
            raise ClientError({"Error": {"Message": "it cannot be deleted"}}, "DeleteStack")
        del self.stacks[asked["StackName"]]
        if asked["StackName"] == APP:
            self.waiting += 1

    def get_queue_attributes(self, **_: object) -> dict[str, Any]:
        if not self.has_queues:
            raise GONE
        return {"Attributes": {"ApproximateNumberOfMessages": str(self.waiting)}}

    def invoke(self, **_: object) -> dict[str, Any]:
        return {"Payload": io.BytesIO(json.dumps({"revision": "0001"}).encode())}

    def describe_db_clusters(self, **asked: str) -> dict[str, Any]:
        name = asked["DBClusterIdentifier"]
        return {"DBClusters": [{"DBClusterIdentifier": name, "DeletionProtection": name in self.protected}]}

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": ACCOUNT_ID, "Arn": f"arn:aws:iam::{ACCOUNT_ID}:user/ops"}

    def head_object(self, **asked: Any) -> None:
        self.asked.append(asked)
        raise ClientError({"Error": {"Code": "404", "Message": "Not Found"}}, "HeadObject")

    def put_object(self, **asked: Any) -> None:
        self.asked.append(asked)

    def put_secret_value(self, **asked: Any) -> None:
        self.asked.append(asked)


def a_deployment(
    account: Account,
    *,
    stage: str = "dev",
    target: Target = Target.MINISTACK,
    options: dict[str, str] | None = None,
    solana: SolanaStage = NO_SOLANA,
    said: list[str] | None = None,
    enters_mainnet: bool = False,
) -> Deployment:
    cloud = Cloud(target, account, "" if target is Target.AWS else "http://127.0.0.1:4566")
    say = (lambda _: None) if said is None else said.append
    given = {"AuthMode": "jwt", **(options or {})}
    return Deployment(
        cloud,
        stage,
        given,
        app_dir=Path("chalice_app"),
        say=say,
        solana=solana,
        enters_mainnet=enters_mainnet,
    )


@pytest.fixture
def built(tmp_path: Path) -> Package:
    archive = tmp_path / "orderflow.zip"
    archive.write_bytes(b"code")
    parameters = {
        "Stage": {"Type": "String"},
        "Chain": {"Type": "String", "Default": "simulated"},
        "SolanaCluster": {"Type": "String", "Default": ""},
    }
    functions = {"Function": {"Runtime": "python3.13"}}
    outputs = {"WebsocketAPIId": {"Value": "api"}}
    return Package(
        archive, {"Globals": functions, "Parameters": parameters, "Resources": {}, "Outputs": outputs}
    )


def test_queue_that_took_an_order_while_its_stage_was_taken_down_stays_with_the_record() -> None:
    account = Account()
    with pytest.raises(QueueNotEmptyError, match="1 messages in orders"):
        a_deployment(account).destroy(loses_messages=False)
    assert account.stacks.keys() == {DATABASE, QUEUES}


def test_queue_goes_with_its_messages_where_that_is_wanted() -> None:
    account = Account()
    a_deployment(account).destroy(loses_messages=True)
    assert not account.stacks


def test_stage_whose_queues_are_gone_already_is_taken_down_to_its_end() -> None:
    # As after a deletion that failed after the queues, or one that an interrupted command left alone.
    account = Account(QUEUES)
    account.has_queues = False
    a_deployment(account).destroy(loses_messages=False)
    assert not account.stacks


def test_stage_that_something_protects_is_destroyed_from_no_end_and_told_what_takes_that_off() -> None:
    database, cluster = "orderflow-prod-database", "orderflow-prod"
    for protected in ({database}, {cluster}, {database, cluster}):
        account = Account("orderflow-prod-app", database, "orderflow-prod-queues")
        account.outputs[database] = {"DatabaseCluster": cluster}
        account.protected = protected
        for calls in ("plan_destruction", "destroy"):
            stage = a_deployment(account, stage="prod", target=Target.AWS)
            with pytest.raises(ProtectedStageError) as told:
                getattr(stage, calls)(loses_messages=True)
            commands = str(told.value).splitlines()[1:]
            assert sorted(each.rpartition(" ")[2] for each in commands) == sorted(protected)
        assert len(account.stacks) == 3
    account.protected = set()
    a_deployment(account, stage="prod", target=Target.AWS).destroy(loses_messages=True)
    assert not account.stacks


def test_stack_that_is_being_changed_is_waited_for_before_it_is_changed_or_deleted(
    built: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment, "_POLL_AWS_S", 0)
    said: list[str] = []
    account = Account("orderflow-artifacts")
    account.going_on["orderflow-artifacts"] = 3
    a_deployment(account, target=Target.AWS, said=said).deploy(built)
    assert "orderflow-artifacts is UPDATE_IN_PROGRESS: waiting for its end ..." in said
    account = Account(QUEUES)
    account.going_on[QUEUES] = 3
    a_deployment(account).destroy(loses_messages=True)
    assert not account.stacks


def test_plan_says_of_a_stack_that_is_being_changed_that_its_changes_are_not_known_yet(
    built: Package,
) -> None:
    account = Account("orderflow-artifacts")
    account.going_on["orderflow-artifacts"] = 9
    first = next(a_deployment(account, target=Target.AWS).plan(built))
    assert (first.changes, first.doubt) == ((), "it is UPDATE_IN_PROGRESS")


def test_address_of_alarms_is_kept_by_a_deployment_that_names_none_and_goes_when_told(built: Package) -> None:
    account = Account("nothing")
    for named, expected in (
        ({"AlarmEmail": "ops@example.com"}, "ops@example.com"),
        ({}, "ops@example.com"),
        ({"AlarmEmail": ""}, ""),
        ({}, ""),
    ):
        deployment = a_deployment(account, target=Target.AWS, options=named)
        planned = {each.name: each.settings for each in deployment.plan(built)}
        if not named:
            assert "AlarmEmail" not in planned[MONITORING]
        outputs = a_deployment(account, target=Target.AWS, options=named).deploy(built)
        assert account.stacks[MONITORING]["AlarmEmail"] == outputs["AlarmEmail"] == expected


ON_SOLANA = SolanaStage({"Chain": "solana"}, {}, "https://node")
ON_MAINNET = SolanaStage({"Chain": "solana", "SolanaCluster": "mainnet"}, {}, "https://node")


def test_stage_on_solana_is_not_deployed_without_it_and_one_that_never_came_to_it_is(built: Package) -> None:
    account = Account("nothing")
    a_deployment(account, target=Target.AWS).deploy(built)
    account.refused = APP
    with pytest.raises(ClientError):
        a_deployment(account, target=Target.AWS, solana=ON_SOLANA).deploy(built)
    account.refused = ""
    # Its functions still trade on the simulated market, though where nodes are is known.
    a_deployment(account, target=Target.AWS).deploy(built)
    a_deployment(account, target=Target.AWS, solana=ON_SOLANA).deploy(built)
    with pytest.raises(ConfigurationError, match="CHAIN=solana"):
        a_deployment(account, target=Target.AWS).deploy(built)
    # Also while its functions are away, as `make destroy` leaves it if an order came meanwhile.
    del account.stacks[APP]
    with pytest.raises(ConfigurationError, match="CHAIN=solana"):
        next(a_deployment(account, target=Target.AWS).plan(built))


@pytest.mark.parametrize("before", [NO_SOLANA, ON_SOLANA], ids=["simulated", "devnet"])
def test_stage_whose_functions_are_away_with_orders_in_the_queue_does_not_come_to_mainnet_unless_told(
    built: Package, before: SolanaStage
) -> None:
    account = Account("nothing")
    a_deployment(account, target=Target.AWS, solana=before).deploy(built)
    del account.stacks[APP]
    with pytest.raises(ConfigurationError, match="--enter-mainnet"):
        a_deployment(account, target=Target.AWS, solana=ON_MAINNET).deploy(built)
    a_deployment(account, target=Target.AWS, solana=ON_MAINNET, enters_mainnet=True).deploy(built)


@pytest.mark.parametrize("before", [NO_SOLANA, ON_SOLANA], ids=["simulated", "devnet"])
def test_stage_whose_orders_were_for_play_does_not_come_to_mainnet_unless_told(
    built: Package, before: SolanaStage
) -> None:
    # An order at rest would be executed there, with money.
    account = Account("nothing")
    a_deployment(account, target=Target.AWS, solana=before).deploy(built)
    with pytest.raises(ConfigurationError, match="--enter-mainnet"):
        a_deployment(account, target=Target.AWS, solana=ON_MAINNET).deploy(built)
    with pytest.raises(ConfigurationError, match="--enter-mainnet"):
        next(a_deployment(account, target=Target.AWS, solana=ON_MAINNET).plan(built))
    for told in (True, False):
        a_deployment(account, target=Target.AWS, solana=ON_MAINNET, enters_mainnet=told).deploy(built)


def test_stage_on_mainnet_does_not_leave_it(built: Package) -> None:
    # What it has sent there would be looked for elsewhere, not be found, and be told as not executed.
    account = Account("nothing")
    a_deployment(account, target=Target.AWS, solana=ON_MAINNET).deploy(built)
    for told in (False, True):
        with pytest.raises(ConfigurationError, match="trades on mainnet"):
            a_deployment(account, target=Target.AWS, solana=ON_SOLANA, enters_mainnet=told).deploy(built)


def test_database_is_protected_only_once_it_is_there_so_that_a_creation_that_fails_leaves_nothing(
    built: Package,
) -> None:
    account = Account("nothing")
    for _ in range(2):
        a_deployment(account, stage="prod", target=Target.AWS).deploy(built)
    protected = [made["IsProtected"] for name, made in account.made if name == "orderflow-prod-database"]
    assert protected == ["false", "true", "true"]


def test_package_is_put_into_no_bucket_of_another_account(built: Package) -> None:
    account = Account("nothing")
    a_deployment(account, target=Target.AWS).deploy(built)
    assert [each["ExpectedBucketOwner"] for each in account.asked] == [ACCOUNT_ID, ACCOUNT_ID]
