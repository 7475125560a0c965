"""The rights of whoever deploys: those of the calls of our code and of the stacks' resources, and no others.

What CloudFormation does, it does with the caller's rights. Which those are for a type of resource its own
schemas say, by handler, and cfn-lint has them.
"""

import ast
import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import botocore.session
import pytest
from botocore import xform_name
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from samtranslator.translator.transform import transform

from infra.deploy.cloud import Target
from infra.deploy.json_types import JsonObject
from infra.deploy.packaging import Package
from infra.deploy.stacks import stacks

DEPLOY: Final = Path(__file__).parents[2] / "infra" / "deploy"
POLICIES: Final = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted((DEPLOY / "rights").glob("*.json"))
}
POLICY_CHARACTERS_MAX: Final = 6_144
"""Of a managed policy, white space apart (IAM quotas)."""

# What handlers can do beside what our templates ask of them.
UNUSED: Final[Mapping[str, tuple[str, ...]]] = {
    "no table, copy, lock, log, notice, website or inventory of a bucket, and none of its lists of rights": (
        "s3tables:*",
        "s3:*BucketMetadata*Table*",
        "s3:Put*",
        "s3:DeleteBucket?*",
        "s3:DeleteObject",
        "s3:REST.PUT.OBJECT",
        "s3:GetObjectVersion",
        "s3:getObject",
    ),
    "no file system, signature, layer, version, own concurrency or own key of a function": (
        "elasticfilesystem:*",
        "s3files:*",
        "kms:Decrypt",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "lambda:*CodeSigningConfig",
        "lambda:*FunctionConcurrency",
        "lambda:PutFunction*Config",
        "lambda:PutRuntimeManagementConfig",
        "lambda:AssociateRuntimeAlias",
        "lambda:GetLayerVersion",
        "lambda:PassCapacityProvider",
        "lambda:PublishVersion",
    ),
    "no key, delivery, index, token or policy of a log or a topic": (
        "firehose:*",
        "logs:*KmsKey",
        "logs:CreateLogDelivery",
        "logs:Delete*Policy",
        "logs:Put*Policy",
        "logs:PutBearerTokenAuthentication",
        "logs:PutLogGroupDeletionProtection",
        "sns:PutDataProtectionPolicy",
    ),
    "no copy, restore, role, global cluster or HTTP endpoint of a database": (
        "rds:*RoleToDB*",
        "rds:*RoleFromDB*",
        "rds:*HttpEndpoint",
        "rds:Restore*",
        "rds:RemoveFromGlobalCluster",
        "rds:*ReadReplica",
        "rds:*BackupsReplication",
        "rds:RebootDBInstance",
        "rds:CreateDBSnapshot",
        "iam:ListRoles",
    ),
    "no copy of a secret, and none of another kind of database": (
        "secretsmanager:ReplicateSecretToRegions",
        "secretsmanager:RemoveRegionsFromReplication",
        "docdb-elastic:*",
        "redshift*",
    ),
    "no boundary of a role, no policy of an API or of a stack": (
        "iam:*PermissionsBoundary",
        "apigateway:UpdateRestApiPolicy",
        "cloudformation:SetStackPolicy",
    ),
    "no IPv6, VPN, other tenancy, given address or machine of its own": (
        "ec2:AcceptAddressTransfer",
        "ec2:AssociateAddress",
        "ec2:*NatGatewayAddress",
        "ec2:*SubnetCidrBlock",
        "ec2:ModifyVpcTenancy",
        "ec2:CreateVpcEncryptionControl",
        "ec2:*tachVpnGateway",
    ),
}
# Of what UNUSED names by a pattern.
USED: Final = frozenset(
    {
        "lambda:GetFunctionCodeSigningConfig",
        "logs:DeleteRetentionPolicy",
        "logs:PutRetentionPolicy",
        "s3:DeleteBucketPolicy",
        "s3:PutBucketOwnershipControls",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketTagging",
        "s3:PutBucketVersioning",
        "s3:PutEncryptionConfiguration",
        "s3:PutLifecycleConfiguration",
    }
)
# What docs/deploying.md has an operator do when a deployment is stuck.
BY_HAND: Final = frozenset({"cloudformation:CancelUpdateStack", "cloudformation:ContinueUpdateRollback"})
# A call that needs no right, and those of an emulator alone.
FREE: Final = frozenset({"sts:GetCallerIdentity", "apigateway:GetApi", "apigateway:GetApis"})
RENAMED: Final = {"lambda:Invoke": "lambda:InvokeFunction", "s3:HeadObject": "s3:GetObject"}
# The macro that makes the functions that rotate passwords makes a stack of them, within the database's.
MADE_BY_MACROS: Final = {"AWS::SecretsManager-2024-09-16": "AWS::CloudFormation::Stack"}


class NoManagedPolicies:
    """What SAM looks names of managed policies up in; ours are ARNs."""

    def load(self) -> dict[str, str]:
        return {}


def resource_types(built: Package) -> set[str]:
    """Return the types of all resources of a stage on AWS, however it is deployed."""
    found: set[str] = set()
    for is_beside_chalice in (False, True):
        for stack in stacks(Target.AWS, "prod", is_beside_chalice=is_beside_chalice, is_on_solana=True):
            template = stack.template or expanded(built.stored_at("bucket"))
            found |= {resource["Type"] for resource in template["Resources"].values()}
            if "Transform" in template:
                found.add(MADE_BY_MACROS[template["Transform"]])
    return found


def expanded(template: JsonObject) -> JsonObject:
    """Return a template of SAM's as CloudFormation sees it."""
    values = {name: each.get("Default", "x") for name, each in template["Parameters"].items()}
    with pytest.MonkeyPatch.context() as shell:
        # It wants one, and asks nothing there.
        shell.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        done: JsonObject = transform(template, values, NoManagedPolicies())
    return done


def rights_of_types(types: set[str]) -> set[str]:
    unused = [pattern for patterns in UNUSED.values() for pattern in patterns]
    found = {
        action
        for kind in types
        for name, handler in PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind)
        .schema["handlers"]
        .items()
        if name != "list"
        for action in handler.get("permissions", ())
    }
    return {
        each for each in found if each in USED or not any(fnmatchcase(each, pattern) for pattern in unused)
    }


def rights_of_calls() -> set[str]:
    """Return the actions of all calls of AWS's services in the code of a deployment."""
    trees = [ast.parse(path.read_text("utf-8")) for path in sorted(DEPLOY.glob("*.py"))]
    called = {
        node.func.attr: node
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    clients = [
        node.args[0].value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "client"
        and isinstance(node.args[0], ast.Constant)
    ]
    assert "cloudformation" in clients
    found = set()
    for service in map(str, clients):
        model = botocore.session.get_session().get_service_model(service)
        prefix = "apigateway" if service == "apigatewayv2" else service
        for operation in model.operation_names:
            if xform_name(operation) in called:
                found.add(f"{prefix}:{operation}")
    return {RENAMED.get(each, each) for each in found} - FREE


def statements() -> Iterator[dict[str, Any]]:
    for policy in POLICIES.values():
        yield from policy["Statement"]


def test_whoever_deploys_may_do_what_the_code_and_the_stacks_do_and_nothing_else(built: Package) -> None:
    needed = rights_of_types(resource_types(built)) | rights_of_calls() | BY_HAND
    allowed = {action for each in statements() for action in each["Action"]}
    assert sorted(needed - allowed) == []
    assert sorted(allowed - needed) == []


def test_what_is_said_to_be_unused_is_what_a_handler_could_do(built: Package) -> None:
    every = {
        action
        for kind in resource_types(built)
        for handler in PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind)
        .schema["handlers"]
        .values()
        for action in handler.get("permissions", ())
    }
    patterns = [each for patterns in UNUSED.values() for each in patterns] + sorted(USED)
    assert [each for each in patterns if not any(fnmatchcase(action, each) for action in every)] == []


@pytest.mark.parametrize("name", POLICIES)
def test_policy_of_whoever_deploys_fits_into_a_managed_policy(name: str) -> None:
    policy = POLICIES[name]
    assert len("".join(json.dumps(policy).split())) <= POLICY_CHARACTERS_MAX
    sids = [each["Sid"] for each in policy["Statement"]]
    assert len(set(sids)) == len(sids)


def test_roles_are_given_to_functions_and_the_database_alone_and_no_secret_but_the_logins_is_read() -> None:
    passes = [each for each in statements() if "iam:PassRole" in each["Action"]]
    assert [each["Condition"]["StringEquals"]["iam:PassedToService"] for each in passes] == [
        ["lambda.amazonaws.com", "rds.amazonaws.com"]
    ]
    reads = [each["Resource"] for each in statements() if "secretsmanager:GetSecretValue" in each["Action"]]
    assert reads == [["arn:aws:secretsmanager:*:*:secret:orderflow/*/database*"]]
    signs = [each for each in statements() if {"kms:Sign", "kms:*"} & set(each["Action"])]
    assert signs == []
