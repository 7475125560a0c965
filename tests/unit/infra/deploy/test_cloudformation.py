"""A stack whose creation failed, and what is said of a failure."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.deploy.cloudformation import CloudFormation, StackError

NAME = "orderflow-prod-database"
EVENTS_PER_PAGE = 2
TEMPLATE = {"Resources": {"Login": {"Type": "AWS::SecretsManager::Secret", "DeletionPolicy": "Retain"}}}


class Account:
    """CloudFormation of an account with one stack, which makes a secret of a fixed name, and then may fail.

    Attributes:
        failure: Why what comes after the secret cannot be made; empty if it can.
    """

    def __init__(self) -> None:
        self.failure = ""
        self._status = ""
        self._has_secret = False
        self._events: list[dict[str, str]] = []

    def describe_stacks(self, **_: object) -> dict[str, Any]:
        if not self._status:
            raise ClientError({"Error": {"Message": f"{NAME} does not exist"}}, "DescribeStacks")
        return {"Stacks": [{"StackStatus": self._status, "StackId": NAME}]}

    def create_change_set(self, **asked: Any) -> dict[str, str]:
        kind: str = asked["ChangeSetType"]
        if kind == "CREATE":
            self._status = "REVIEW_IN_PROGRESS"
        return {"Id": kind}

    def describe_change_set(self, **_: object) -> dict[str, str]:
        return {"Status": "CREATE_COMPLETE"}

    def execute_change_set(self, **asked: Any) -> None:
        self._tell(f"{asked['ChangeSetName']}_IN_PROGRESS", NAME, "User Initiated")
        failure = "the secret is there already" if self._has_secret else self.failure
        self._has_secret = True
        if not failure:
            self._status = f"{asked['ChangeSetName']}_COMPLETE"
            return
        self._tell("CREATE_FAILED", "Proxy", failure)
        self._tell("ROLLBACK_IN_PROGRESS", NAME, "")
        self._tell("DELETE_COMPLETE", "Writer", "")
        self._status = "ROLLBACK_COMPLETE"
        self._has_secret = not asked.get("RetainExceptOnCreate", False)

    def delete_stack(self, **_: object) -> None:
        self._status = ""

    def describe_stack_events(self, **asked: str) -> dict[str, Any]:
        begin = int(asked.get("NextToken", "0"))
        end = begin + EVENTS_PER_PAGE
        more = {"NextToken": str(end)} if end < len(self._events) else {}
        return {"StackEvents": self._events[begin:end], **more}

    def _tell(self, status: str, logical_id: str, reason: str) -> None:
        told = {"ResourceStatus": status, "LogicalResourceId": logical_id, "ResourceStatusReason": reason}
        self._events.insert(0, {"StackId": NAME, "PhysicalResourceId": logical_id, **told})


def test_stack_whose_creation_failed_is_made_by_the_next_deployment() -> None:
    account = Account()
    stacks = CloudFormation(account, poll_s=0)
    account.failure = "the zone offers no proxy"
    with pytest.raises(StackError):
        stacks.deploy(NAME, TEMPLATE, {})
    account.failure = ""
    assert stacks.deploy(NAME, TEMPLATE, {}) == {}


def test_stack_whose_creation_failed_is_planned_as_one_to_create_and_is_there_to_be_deleted() -> None:
    account = Account()
    stacks = CloudFormation(account, poll_s=0)
    assert not stacks.is_there(NAME)
    account.failure = "the zone offers no proxy"
    with pytest.raises(StackError):
        stacks.deploy(NAME, TEMPLATE, {})
    assert stacks.outputs(NAME) is None
    assert stacks.is_there(NAME)


def test_reason_of_a_failure_is_told_however_many_events_came_after_it_and_no_older_one() -> None:
    account = Account()
    stacks = CloudFormation(account, poll_s=0)
    for failure in ("the zone offers no proxy", "the quota of addresses is used up"):
        account.failure = failure
        with pytest.raises(StackError) as told:
            stacks.deploy(NAME, TEMPLATE, {})
        assert str(told.value) == f"{NAME} ended as ROLLBACK_COMPLETE: Proxy: {failure}"
