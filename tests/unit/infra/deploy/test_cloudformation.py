"""A stack whose creation failed, one that is left in the middle, and what is said of either."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from infra.deploy import cloudformation
from infra.deploy.cloudformation import CloudFormation, StackError

NAME = "orderflow-prod-database"
EVENTS_PER_PAGE = 2
OURS = [{"Key": "application", "Value": "orderflow"}]
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
        return {"Stacks": [{"StackStatus": self._status, "StackId": NAME, "Tags": OURS}]}

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


class Slow:
    """CloudFormation of an account with one stack, which is changed while it is looked at ``looks`` times.

    Attributes:
        at_look: Called at each look, as for what comes between.
        began: What it was told to do.
    """

    def __init__(self, status: str, end: str, *, looks: int = 3) -> None:
        self.status, self._end, self._looks = status, end, looks
        self.at_look: Callable[[], None] = lambda: None
        self.began: list[str] = []
        self.tags = OURS

    def describe_stacks(self, **_: object) -> dict[str, Any]:
        if self.status.endswith("_IN_PROGRESS"):
            self.at_look()
            self._looks -= 1
            self.status = self.status if self._looks else self._end
        return {"Stacks": [{"StackStatus": self.status, "StackId": NAME, "Tags": self.tags}]}

    def create_change_set(self, **_: object) -> dict[str, str]:
        return {"Id": "change"}

    def describe_change_set(self, **_: object) -> dict[str, Any]:
        return {"Status": "CREATE_COMPLETE"}

    def execute_change_set(self, **_: object) -> None:
        self.began.append("update")
        self.status = "UPDATE_IN_PROGRESS"

    def describe_stack_events(self, **_: object) -> dict[str, Any]:
        return {"StackEvents": []}

    def delete_stack(self, **_: object) -> None:
        self.began.append("delete")
        self.status = "DELETE_IN_PROGRESS"


def raising(error: BaseException) -> Callable[[], None]:
    def look() -> None:
        raise error

    return look


EXPIRED = ClientError({"Error": {"Code": "ExpiredToken", "Message": "it is expired"}}, "DescribeStacks")
AWAY = EndpointConnectionError(endpoint_url="https://cloudformation.eu-west-1.amazonaws.com")


@pytest.mark.parametrize(("error", "why"), [(KeyboardInterrupt(), "interrupted"), (EXPIRED, "ExpiredToken")])
def test_command_that_ends_in_the_middle_says_that_the_update_goes_on_and_how_to_see_and_to_take_it_back(
    error: BaseException, why: str
) -> None:
    account = Slow("CREATE_COMPLETE", "UPDATE_COMPLETE")
    account.at_look = raising(error)
    with pytest.raises(StackError) as told:
        CloudFormation(account, poll_s=0).deploy(NAME, TEMPLATE, {})
    assert why in str(told.value)
    assert "goes on" in str(told.value)
    assert f"aws cloudformation describe-stack-events --stack-name {NAME}" in str(told.value)
    assert f"aws cloudformation cancel-update-stack --stack-name {NAME}" in str(told.value)


def test_command_that_ends_amid_a_deletion_says_that_it_goes_on_and_nothing_of_taking_it_back() -> None:
    account = Slow("CREATE_COMPLETE", "DELETE_COMPLETE")
    account.at_look = raising(KeyboardInterrupt())
    with pytest.raises(StackError, match="goes on") as told:
        CloudFormation(account, poll_s=0).delete(NAME)
    assert "cancel" not in str(told.value)


def test_network_that_is_away_for_a_while_ends_no_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Slow("CREATE_COMPLETE", "UPDATE_COMPLETE", looks=2)
    faults = [AWAY, AWAY]

    def look() -> None:
        if faults:
            raise faults.pop()

    account.at_look = look
    CloudFormation(account, poll_s=0).deploy(NAME, TEMPLATE, {})
    monkeypatch.setattr(cloudformation, "AWAY_S", 0)
    account.at_look = raising(AWAY)
    with pytest.raises(StackError, match=r"eu-west-1.*goes on"):
        CloudFormation(account, poll_s=0).deploy(NAME, TEMPLATE, {})


@pytest.mark.parametrize("end", ["UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"])
def test_stack_that_is_being_changed_is_waited_for_whatever_becomes_of_it(end: str) -> None:
    account = Slow("UPDATE_IN_PROGRESS", end)
    stacks = CloudFormation(account, poll_s=0)
    assert stacks.going_on(NAME) == "UPDATE_IN_PROGRESS"
    stacks.settle(NAME)
    assert account.status == end
    assert stacks.going_on(NAME) is None


def test_all_changes_of_a_plan_are_shown_however_many_answers_they_come_in() -> None:
    class Paging(Slow):
        def describe_change_set(self, **asked: object) -> dict[str, Any]:
            page = int(str(asked.get("NextToken", 0)))
            kind = {
                "Action": "Modify",
                "ResourceType": "AWS::SQS::Queue",
                "LogicalResourceId": f"Queue{page}",
            }
            change = {**kind, "LogicalResourceId": f"Queue{page}"}
            more = {"NextToken": str(page + 1)} if page < 2 else {}
            return {"Status": "CREATE_COMPLETE", "Changes": [{"ResourceChange": change}], **more}

        def delete_change_set(self, **_: object) -> None: ...

    planned = CloudFormation(Paging("CREATE_COMPLETE", ""), poll_s=0).planned(NAME, TEMPLATE, {})
    assert [each.logical_id for each in planned] == ["Queue0", "Queue1", "Queue2"]


def test_stack_of_another_application_is_neither_changed_nor_deleted_nor_read() -> None:
    account = Slow("CREATE_COMPLETE", "UPDATE_COMPLETE")
    account.tags = [{"Key": "application", "Value": "another"}]
    stacks = CloudFormation(account, poll_s=0)
    for call in (
        lambda: stacks.deploy(NAME, TEMPLATE, {}),
        lambda: stacks.delete(NAME),
        lambda: stacks.outputs(NAME),
    ):
        with pytest.raises(StackError, match="application=orderflow"):
            call()
    assert account.began == []
    # An emulator may show no tags.
    CloudFormation(account, poll_s=0, is_shared=False).deploy(NAME, TEMPLATE, {})
    assert account.began == ["update"]


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ("UPDATE_ROLLBACK_FAILED", f"aws cloudformation continue-update-rollback --stack-name {NAME}"),
        ("DELETE_FAILED", "make destroy"),
    ],
)
def test_stack_that_is_stuck_is_told_with_what_leads_on(status: str, wanted: str) -> None:
    account = Slow(status, "DELETE_COMPLETE")
    stacks = CloudFormation(account, poll_s=0)
    assert wanted in str(stacks.hindrance(NAME))
    with pytest.raises(StackError, match=status) as told:
        stacks.deploy(NAME, TEMPLATE, {})
    assert wanted in str(told.value)
    assert account.began == []


def test_update_whose_rollback_fails_is_told_with_what_leads_on() -> None:
    account = Slow("CREATE_COMPLETE", "UPDATE_ROLLBACK_FAILED")
    with pytest.raises(StackError, match="continue-update-rollback"):
        CloudFormation(account, poll_s=0).deploy(NAME, TEMPLATE, {})


def failing(code: str, status: int) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": "not now"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "DescribeStacks")


@pytest.mark.parametrize("error", [failing("Throttling", 400), failing("ServiceUnavailable", 503)])
def test_service_that_has_too_much_to_do_for_a_while_ends_no_deployment(error: ClientError) -> None:
    account = Slow("CREATE_COMPLETE", "UPDATE_COMPLETE", looks=2)
    faults = [error, error]

    def look() -> None:
        if faults:
            raise faults.pop()

    account.at_look = look
    CloudFormation(account, poll_s=0).deploy(NAME, TEMPLATE, {})
    assert account.status == "UPDATE_COMPLETE"


def test_change_set_that_is_refused_before_anything_is_changed_is_told_with_what_was_found() -> None:
    # As of a secret that outlived its stack: the change set's own reason names the check alone.
    class Refusing(Slow):
        can_tell = True

        def describe_change_set(self, **_: object) -> dict[str, Any]:
            return {"Status": "FAILED", "StatusReason": "validation failed: [ResourceExistenceCheck]"}

        def describe_events(self, **asked: object) -> dict[str, Any]:
            if not self.can_tell:
                raise failing("AccessDenied", 403)
            assert asked["ChangeSetName"] == "change"
            return {
                "OperationEvents": [
                    {"EventType": "STACK_EVENT"},
                    {"LogicalResourceId": "Login", "ValidationStatusReason": "the name is taken"},
                ]
            }

    account = Refusing("CREATE_COMPLETE", "")
    stacks = CloudFormation(account, poll_s=0)
    with pytest.raises(StackError, match=r"ResourceExistenceCheck.*Login: the name is taken"):
        stacks.deploy(NAME, TEMPLATE, {})
    account.can_tell = False
    with pytest.raises(StackError, match="ResourceExistenceCheck"):
        stacks.deploy(NAME, TEMPLATE, {})


def test_call_whose_answer_is_lost_may_be_made_again_as_botocore_does() -> None:
    # Without a token the second one is refused: the change set is there, or is being carried out, already.
    tokens: list[object] = []

    class Recording(Slow):
        def create_change_set(self, **asked: object) -> dict[str, str]:
            tokens.append(asked["ClientToken"])
            return super().create_change_set()

        def execute_change_set(self, **asked: object) -> None:
            tokens.append(asked["ClientRequestToken"])
            super().execute_change_set()

    for _ in range(2):
        account = Recording("CREATE_COMPLETE", "UPDATE_COMPLETE")
        CloudFormation(account, poll_s=0).deploy(NAME, TEMPLATE, {})
    first, second = tokens[:2], tokens[2:]
    assert first[0] == first[1] != second[0] == second[1]
