"""A stage that something protects is told with every command that takes that off."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.deploy.cloudformation import CloudFormation
from infra.deploy.protection import ProtectedStageError, require_unprotected

CLUSTER = "orderflow-prod"
OURS = [{"Key": "application", "Value": "orderflow"}]


class Account:
    def __init__(self, *protected: str, error: str = "") -> None:
        self._protected = protected
        self._error = error

    def describe_stacks(self, **asked: str) -> dict[str, Any]:
        name = asked["StackName"]
        found = {"StackStatus": "CREATE_COMPLETE", "Tags": OURS}
        return {"Stacks": [{**found, "EnableTerminationProtection": name in self._protected}]}

    def describe_db_clusters(self, **asked: str) -> dict[str, Any]:
        if self._error:
            raise ClientError({"Error": {"Code": self._error, "Message": "no"}}, "DescribeDBClusters")
        name = asked["DBClusterIdentifier"]
        return {"DBClusters": [{"DBClusterIdentifier": name, "DeletionProtection": name in self._protected}]}


def look(account: Account, cluster: str | None = CLUSTER) -> None:
    require_unprotected(CloudFormation(account, poll_s=0), ["app", "queues"], account, cluster)


@pytest.mark.parametrize("protected", [("app",), ("app", "queues", CLUSTER), (CLUSTER,)])
def test_all_that_protects_is_told_at_once(protected: tuple[str, ...]) -> None:
    with pytest.raises(ProtectedStageError) as told:
        look(Account(*protected))
    commands = str(told.value).splitlines()[1:]
    assert [each.rpartition(" ")[2] for each in commands] == list(protected)


def test_stage_without_protection_may_go() -> None:
    look(Account())
    look(Account(CLUSTER), cluster=None)


def test_database_that_is_gone_already_protects_nothing_and_one_that_may_not_be_looked_at_is_told() -> None:
    look(Account(error="DBClusterNotFoundFault"))
    with pytest.raises(ClientError):
        look(Account(error="AccessDenied"))
