"""Security rules over every template of a deployment to AWS. What AWS
encrypts by itself (secrets, logs) needs no rule.

The same ground as checkov's rules, whose pins exclude ours; it runs
beside them where ``CHECKOV`` says how to start it.
"""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.deploy.cloud import Target
from infra.deploy.json_types import JsonObject
from infra.deploy.packaging import Package
from infra.deploy.stacks import stacks, stage_values

CHECKOV = shlex.split(os.environ.get("CHECKOV", ""))
CHECKOV_CONFIG = Path(__file__).parents[2] / "infra" / "deploy" / "checkov.yaml"
INSECURE = {"Bool": {"aws:SecureTransport": "false"}}
# A key's own policy is about that key alone, whatever it says.
MAY_SAY_EVERYTHING = {"DatabaseKey", "DeskKey"}
# It owns the wallets: another seed is other wallets. The nodes' addresses are what their provider says.
NEVER_ROTATED = {"WalletSeed", "SolanaNodes"}
KEEPS_DATA = {"AWS::RDS::DBCluster", "AWS::SecretsManager::Secret", "AWS::KMS::Key", "AWS::S3::Bucket"}
BACKUP_DAYS_MIN = 7
ROTATION_DAYS_MAX = 90


@pytest.fixture(scope="module")
def templates(built: Package) -> dict[str, JsonObject]:
    return {
        stack.kind: stack.template or built.stored_at("bucket")
        for stack in stacks(Target.AWS, "prod", is_on_solana=True)
    }


@pytest.fixture(scope="module")
def resources(templates: dict[str, JsonObject]) -> dict[str, JsonObject]:
    found = [item for template in templates.values() for item in template["Resources"].items()]
    assert len(dict(found)) == len(found), (
        "logical ids are unique over all stacks, so that rules can name them"
    )
    return dict(found)


def of_type(resources: dict[str, JsonObject], *kinds: str) -> dict[str, JsonObject]:
    found = {name: each["Properties"] for name, each in resources.items() if each["Type"] in kinds}
    assert found, f"nothing is of type {kinds}"
    return found


def statements(value: Any) -> Iterator[JsonObject]:
    """Yield every policy statement in a resource, however deep."""
    if isinstance(value, dict):
        if "Effect" in value:
            yield value
        else:
            for each in value.values():
                yield from statements(each)
    elif isinstance(value, list):
        for each in value:
            yield from statements(each)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_queues_bucket_and_database_are_encrypted_at_rest(resources: dict[str, JsonObject]) -> None:
    assert all(each["SqsManagedSseEnabled"] for each in of_type(resources, "AWS::SQS::Queue").values())
    assert all("BucketEncryption" in each for each in of_type(resources, "AWS::S3::Bucket").values())
    for cluster in of_type(resources, "AWS::RDS::DBCluster").values():
        assert cluster["StorageEncrypted"] is True
        assert cluster["KmsKeyId"] == {"Ref": "DatabaseKey"}


def test_queues_and_bucket_refuse_calls_in_the_clear(resources: dict[str, JsonObject]) -> None:
    policies = of_type(resources, "AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy")
    assert {resources[name]["Condition"] for name in policies} == {"OnAws"}
    refusing = [
        covered["Ref"]
        for policy in policies.values()
        for covered in listed(policy.get("Queues", policy.get("Bucket")))
        if any(
            each["Effect"] == "Deny" and each["Principal"] == "*" and each["Condition"] == INSECURE
            for each in statements(policy)
        )
    ]
    assert set(refusing) == of_type(resources, "AWS::SQS::Queue", "AWS::S3::Bucket").keys()


def test_database_and_proxy_refuse_connections_in_the_clear(resources: dict[str, JsonObject]) -> None:
    assert all(each["RequireTLS"] is True for each in of_type(resources, "AWS::RDS::DBProxy").values())
    groups = of_type(resources, "AWS::RDS::DBClusterParameterGroup").values()
    assert all(each["Parameters"]["rds.force_ssl"] == "1" for each in groups)


def test_nobody_outside_reaches_bucket_database_or_functions(resources: dict[str, JsonObject]) -> None:
    for bucket in of_type(resources, "AWS::S3::Bucket").values():
        assert list(bucket["PublicAccessBlockConfiguration"].values()) == [True] * 4
    for instance in of_type(resources, "AWS::RDS::DBInstance").values():
        assert instance["PubliclyAccessible"] is False
    groups = of_type(resources, "AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress").values()
    entries = [entry for group in groups for entry in group.get("SecurityGroupIngress", [group])]
    assert not [entry for entry in entries if {"CidrIp", "CidrIpv6"} & entry.keys()]
    assert "AWS::Lambda::Url" not in {each["Type"] for each in resources.values()}
    for permission in of_type(resources, "AWS::Lambda::Permission").values():
        assert "SourceArn" in permission, "an API of any account could invoke it"


def test_private_subnets_have_no_way_in_from_the_internet(resources: dict[str, JsonObject]) -> None:
    routes = of_type(resources, "AWS::EC2::Route")
    assert {name for name, each in routes.items() if "GatewayId" in each} == {"PublicDefaultRoute"}
    associations = of_type(resources, "AWS::EC2::SubnetRouteTableAssociation").values()
    open_to_it = {
        each["SubnetId"]["Ref"] for each in associations if each["RouteTableId"] == {"Ref": "PublicRoutes"}
    }
    assert open_to_it == {"PublicSubnetA", "PublicSubnetB"}


def test_what_is_allowed_names_its_actions_and_resources(resources: dict[str, JsonObject]) -> None:
    for name, resource in resources.items():
        for each in statements(resource) if name not in MAY_SAY_EVERYTHING else ():
            if each["Effect"] == "Allow":
                assert not [action for action in listed(each["Action"]) if "*" in action], (name, each)
                assert "*" not in listed(each.get("Resource", [])), (name, each)
                assert each.get("Principal") != "*", (name, each)


def test_only_services_take_on_roles(resources: dict[str, JsonObject]) -> None:
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        for each in statements(role["AssumeRolePolicyDocument"]):
            assert set(each["Principal"]) == {"Service"}, name


def test_every_log_ends(resources: dict[str, JsonObject]) -> None:
    assert all("RetentionInDays" in each for each in of_type(resources, "AWS::Logs::LogGroup").values())


def test_functions_that_change_passwords_have_names_that_the_rights_are_for_and_logs_that_end(
    resources: dict[str, JsonObject],
) -> None:
    # AWS makes them, and their logs, by names of its own unless they are given.
    logs = [each["LogGroupName"] for each in of_type(resources, "AWS::Logs::LogGroup").values()]
    schedules = of_type(resources, "AWS::SecretsManager::RotationSchedule").values()
    names = [each["HostedRotationLambda"]["RotationLambdaName"]["Fn::Sub"] for each in schedules]
    assert len(set(names)) == len(names)
    for name in names:
        assert name.startswith("orderflow-${Stage}-database-")
        assert {"Fn::Sub": f"/aws/lambda/{name}"} in logs


def test_data_outlives_its_stack(resources: dict[str, JsonObject]) -> None:
    for name, each in resources.items():
        if each["Type"] in KEEPS_DATA:
            kept = {each.get("DeletionPolicy"), each.get("UpdateReplacePolicy")}
            assert kept in ({"Retain"}, {"Snapshot"}), name


@pytest.mark.parametrize(("stage", "is_protected"), [("dev", "false"), ("prod", "true")])
def test_database_is_backed_up_and_prod_is_protected(
    templates: dict[str, JsonObject], stage: str, is_protected: str
) -> None:
    declared = templates["database"]["Parameters"]
    defaults = {name: each["Default"] for name, each in declared.items() if "Default" in each}
    told = defaults | stage_values(stage)
    assert int(told["BackupRetentionDays"]) >= BACKUP_DAYS_MIN
    assert told["IsProtected"] == is_protected
    cluster = templates["database"]["Resources"]["Cluster"]["Properties"]
    assert cluster["DeletionProtection"] == {"Ref": "IsProtected"}
    assert cluster["BackupRetentionPeriod"] == {"Ref": "BackupRetentionDays"}


def test_package_is_there_for_as_long_as_a_stage_may_be_rolled_back_to_it(
    resources: dict[str, JsonObject],
) -> None:
    # CloudFormation fetches it again when the next deployment fails, however long after this one that comes.
    assert "Expiration" not in json.dumps(resources["Artifacts"])


def test_logins_and_keys_are_rotated(resources: dict[str, JsonObject]) -> None:
    attached = {
        name: each["SecretId"]["Ref"]
        for name, each in of_type(resources, "AWS::SecretsManager::SecretTargetAttachment").items()
    }
    rotated = set()
    for schedule in of_type(resources, "AWS::SecretsManager::RotationSchedule").values():
        assert schedule["RotationRules"]["AutomaticallyAfterDays"] <= ROTATION_DAYS_MAX
        rotated.add(attached[schedule["SecretId"]["Ref"]])
    assert rotated == of_type(resources, "AWS::SecretsManager::Secret").keys() - NEVER_ROTATED
    # A key that signs is an address: KMS rotates none of that kind.
    keys = [each for each in of_type(resources, "AWS::KMS::Key").values() if "KeySpec" not in each]
    assert all(each["EnableKeyRotation"] for each in keys)


def test_consumer_alone_signs_with_the_desks_key_and_nothing_but_raw_messages(
    resources: dict[str, JsonObject],
) -> None:
    signing = [
        each
        for each in statements(resources["DeskKey"]["Properties"])
        if "kms:Sign" in listed(each["Action"])
    ]
    (only,) = signing
    assert only["Principal"] == {"AWS": {"Fn::GetAtt": ["ExecuteOrdersRole", "Arn"]}}
    assert only["Condition"]["StringEquals"] == {
        "kms:SigningAlgorithm": "ED25519_SHA_512",
        "kms:MessageType": "RAW",
    }


def test_no_secret_is_written_in_a_template(templates: dict[str, JsonObject]) -> None:
    for kind, template in templates.items():
        for name, parameter in template.get("Parameters", {}).items():
            if re.search(r"(Password|Secret|Token|Seed)$", name):
                assert parameter["NoEcho"] is True, (kind, name)
                assert not parameter.get("Default"), (kind, name)
        for name, resource in template["Resources"].items():
            if resource["Type"] == "AWS::SecretsManager::Secret":
                assert "SecretString" not in resource["Properties"], (kind, name)


def test_no_function_has_a_secret_among_its_variables_on_aws(templates: dict[str, JsonObject]) -> None:
    variables = templates["app"]["Globals"]["Function"]["Environment"]["Variables"]
    secret = {name for name in variables if re.search(r"(PASSWORD|SECRET|SEED|TOKEN|DATABASE_URL)$", name)}
    assert secret == {"JWT_SECRET"}
    assert "SOLANA_RPC_URLS" not in variables
    assert variables["JWT_SECRET"]["Fn::If"] == ["OnEmulator", {"Ref": "JwtSecret"}, {"Ref": "AWS::NoValue"}]


def test_stage_that_asks_nobody_for_a_token_exists_on_emulators_alone(
    templates: dict[str, JsonObject],
) -> None:
    app = templates["app"]
    assert {"Condition": "OnEmulator"} in app["Conditions"]["IsOpen"]["Fn::And"]
    variables = app["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["STAGE"] == {"Fn::If": ["IsOpen", "local", {"Ref": "Stage"}]}


@pytest.mark.skipif(
    not CHECKOV, reason="CHECKOV does not say how to run checkov 3, which has pins of its own"
)
def test_checkov_finds_nothing_that_is_not_accepted(templates: dict[str, JsonObject], tmp_path: Path) -> None:
    for kind, template in templates.items():
        (tmp_path / f"{kind}.json").write_text(json.dumps(template))
    command = (*CHECKOV, "--config-file", str(CHECKOV_CONFIG), "--directory", str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
