"""CloudFormation by change sets: look at what would change, then do exactly that."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from infra.deploy.json_types import JsonObject

_CAPABILITIES: Final = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")
BODY_MAX_BYTES: Final = 51_200
"""Of a template in a request (CloudFormation quotas)."""

AWAY_S: Final = 300.0
"""How long a network, or the service, may be away while a stack is changed: that goes on without it."""

_TAG: Final = {"Key": "application", "Value": "orderflow"}
"""Every stack of ours has it: another application may have taken a name that is ours."""

_REVIEWED: Final = "REVIEW_IN_PROGRESS"  # of a stack that has only a change set yet
_UNDER_WAY: Final = "_IN_PROGRESS"
_BEGUN: Final = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"})
# A stack of such a status has nothing, or what its rollback left, and can only be deleted.
_FAILED_CREATION: Final = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"})
# What such a stack wants before it can be brought up to date, which CloudFormation's refusal does not say.
_STUCK: Final = {
    "UPDATE_ROLLBACK_FAILED": "once what keeps it is away: "
    "aws cloudformation continue-update-rollback --stack-name {name}",
    "DELETE_FAILED": "`make destroy` goes on with it, once what keeps it is away",
}
# Of a service that answers, and has too much to do (botocore has tried again by then).
_BUSY: Final = frozenset(
    {"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"}
)

_TIME_LIMIT_S: Final = 45 * 60
"""An Aurora cluster with its proxy takes a quarter of an hour."""

_GOES_ON: Final = """\
CloudFormation goes on by itself with what has begun; the next `make deploy` or `make destroy` waits for that.
To look on:
  aws cloudformation describe-stack-events --stack-name {name}"""
_TAKEN_BACK: Final = """
To take the update back:
  aws cloudformation cancel-update-stack --stack-name {name}"""


class StackError(RuntimeError):
    """CloudFormation gave up, in its own words."""


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that a change set adds, modifies or removes.

    Attributes:
        replaced: Whether another resource takes its place, in CloudFormation's words: ``True``, ``False`` or
            ``Conditional``.
        condition: What has to be true of the stage for it; empty if nothing.
    """

    action: str
    kind: str
    logical_id: str
    replaced: str = "False"
    condition: str = ""


def additions(template: JsonObject) -> tuple[Change, ...]:
    """Return what a stack that does not exist yet would be made of."""
    return tuple(
        Change("Add", resource["Type"], logical_id, condition=resource.get("Condition", ""))
        for logical_id, resource in template["Resources"].items()
    )


class CloudFormation:
    """The calls that a deployment needs, each waiting for its end.

    Args:
        poll_s: Between looks at a stack that is changing.
        is_shared: Other applications may be there, with stacks that have the names of ours. An emulator is no
            place for those, and not each of them shows a stack's tags.
    """

    def __init__(self, client: Any, *, poll_s: float, is_shared: bool = True) -> None:
        self._client = client
        self._poll_s = poll_s
        self._is_shared = is_shared

    def outputs(self, name: str) -> dict[str, str] | None:
        """Return a stack's outputs; None if there is no such stack, or one that was never made."""
        stack = self._described(name)
        if stack is None or stack["StackStatus"] in {_REVIEWED, *_FAILED_CREATION}:
            return None
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def parameters(self, name: str) -> dict[str, str]:
        """Return what a stack was deployed with."""
        stack = self._described(name)
        assert stack is not None, "it has outputs"
        return {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])}

    def is_there(self, name: str) -> bool:
        """Return whether there is such a stack, whatever became of its creation."""
        return self._described(name) is not None

    def is_protected(self, name: str) -> bool:
        """Return whether deleting the stack takes another decision first."""
        stack = self._described(name)
        return stack is not None and bool(stack.get("EnableTerminationProtection"))

    def hindrance(self, name: str) -> str | None:
        """Return why the stack cannot be brought up to date now, and what it wants first; None if it can."""
        stack = self._described(name)
        status: str = stack["StackStatus"] if stack is not None else ""
        if wanted := _STUCK.get(status):
            return f"it is {status}; {wanted.format(name=name)}"
        return f"it is {going_on}" if (going_on := self.going_on(name)) else None

    def going_on(self, name: str) -> str | None:
        """Return the status of a stack that is being changed; None if it is not."""
        stack = self._described(name)
        status: str = stack["StackStatus"] if stack is not None else ""
        return status if status.endswith(_UNDER_WAY) and status != _REVIEWED else None

    def settle(self, name: str) -> None:
        """Wait for the end, whatever it is, of what goes on with the stack.

        Raises:
            StackError: It did not end in time, or was not waited for.
        """
        with _told_if_interrupted(name, _GOES_ON):
            self._ended(name, _GOES_ON)

    def planned(self, name: str, template: JsonObject, parameters: Mapping[str, str]) -> tuple[Change, ...]:
        """Return what updating the stack would change; nothing is changed."""
        change_set = self._change_set(name, template, parameters, "UPDATE")
        if change_set is None:
            return ()
        self._client.delete_change_set(ChangeSetName=change_set["ChangeSetId"], StackName=name)
        return tuple(_change(each["ResourceChange"]) for each in change_set.get("Changes", []))

    def deploy(self, name: str, template: JsonObject, parameters: Mapping[str, str]) -> dict[str, str]:
        """Create the stack or bring it up to date; return its outputs.

        Raises:
            StackError: It failed and was rolled back, is of no use before something was done by hand, or its
                end was not waited for.
        """
        self._clear_failed_creation(name)
        if hindrance := self.hindrance(name):
            raise StackError(f"{name} cannot be updated: {hindrance}")
        is_new = self.outputs(name) is None
        change_set = self._change_set(name, template, parameters, "CREATE" if is_new else "UPDATE")
        if change_set is not None:
            goes_on = _GOES_ON if is_new else _GOES_ON + _TAKEN_BACK
            with _told_if_interrupted(name, goes_on):
                # What a failed creation made goes with it, also what outlives a stack: a secret that stayed
                # would have the name that the next creation wants.
                self._client.execute_change_set(
                    ChangeSetName=change_set["ChangeSetId"],
                    StackName=name,
                    # botocore asks again if the answer is lost, and would be refused without one.
                    ClientRequestToken=change_set["Name"],
                    RetainExceptOnCreate=True,
                )
                self._wait(name, goes_on)
        outputs = self.outputs(name)
        assert outputs is not None, "a deployed stack can be described"
        return outputs

    def protect(self, name: str) -> None:
        """Make deleting the stack take two decisions."""
        self._client.update_termination_protection(StackName=name, EnableTerminationProtection=True)

    def delete(self, name: str) -> bool:
        """Delete the stack; return whether there was one.

        Raises:
            StackError: Something in it could not be deleted, or its end was not waited for.
        """
        stack = self._described(name)
        if stack is None:
            return False
        with _told_if_interrupted(name, _GOES_ON):
            self._client.delete_stack(StackName=name)
            self._wait(stack["StackId"], _GOES_ON)
        return True

    def _clear_failed_creation(self, name: str) -> None:
        stack = self._described(name)
        if stack is not None and stack["StackStatus"] in _FAILED_CREATION:
            self.delete(name)

    def _described(self, name: str) -> JsonObject | None:
        try:
            stack: JsonObject = self._client.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        if stack["StackStatus"] == "DELETE_COMPLETE":
            return None
        is_checked = self._is_shared and stack["StackStatus"] != _REVIEWED
        if is_checked and _TAG not in stack.get("Tags", []):
            raise StackError(
                f"{name} was not made by this command: it lacks the tag {_TAG['Key']}={_TAG['Value']}. "
                "If it is of another application, deploy into another account or region"
            )
        return stack

    def _change_set(
        self, name: str, template: JsonObject, parameters: Mapping[str, str], kind: str
    ) -> JsonObject | None:
        """Make a change set and return it; None if it would change nothing."""
        body = json.dumps(template, separators=(",", ":"))
        if len(body.encode()) > BODY_MAX_BYTES:
            raise StackError(
                f"the template of {name} has {len(body.encode())} bytes, the limit is {BODY_MAX_BYTES}"
            )
        change_set_name = f"deploy-{time.time_ns()}"
        made = self._client.create_change_set(
            StackName=name,
            ChangeSetName=change_set_name,
            ClientToken=change_set_name,
            ChangeSetType=kind,
            TemplateBody=body,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=list(_CAPABILITIES),
            Tags=[_TAG],
        )
        deadline = time.monotonic() + _TIME_LIMIT_S
        while True:
            change_set = self._client.describe_change_set(ChangeSetName=made["Id"], StackName=name)
            match change_set["Status"]:
                case "CREATE_COMPLETE":
                    changes = list(self._changes(change_set, made["Id"], name))
                    return {"ChangeSetId": made["Id"], "Name": change_set_name, "Changes": changes}
                case "FAILED" if _is_empty(change_set.get("StatusReason", "")):
                    self._client.delete_change_set(ChangeSetName=made["Id"], StackName=name)
                    return None
                case "FAILED":
                    reasons = [
                        change_set.get("StatusReason", "no reason given"),
                        *self._found_early(made["Id"]),
                    ]
                    raise StackError(f"{name}: {'; '.join(reasons)}")
            self._sleep(deadline, name)

    def _changes(self, page: JsonObject, change_set: str, name: str) -> Iterator[JsonObject]:
        yield from page.get("Changes", [])
        while token := page.get("NextToken"):
            page = self._client.describe_change_set(ChangeSetName=change_set, StackName=name, NextToken=token)
            yield from page.get("Changes", [])

    def _found_early(self, change_set: str) -> list[str]:
        """Return what CloudFormation found wrong before it changed anything, as that a name is taken: the
        reason of a change set names the check alone.
        """
        try:
            answer = self._client.describe_events(ChangeSetName=change_set, Filters={"FailedEvents": True})
        except (BotoCoreError, ClientError):
            return []  # what is known is told all the same
        found = (
            f"{event.get('LogicalResourceId') or event.get('ValidationPath', '')}: {reason}"
            for event in answer["OperationEvents"]
            if (reason := event.get("ValidationStatusReason"))
        )
        return list(found)

    def _wait(self, name: str, goes_on: str) -> None:
        status = self._ended(name, goes_on)
        if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE"}:
            wanted = f"; {_STUCK[status].format(name=name)}" if status in _STUCK else ""
            raise StackError(f"{name} ended as {status}: {'; '.join(self._reasons(name))}{wanted}")

    def _ended(self, name: str, goes_on: str) -> str:
        """Return how what goes on with the stack ended.

        Raises:
            StackError: It did not in time, or cannot be looked at any more, as when keys expire.
        """
        deadline, seen_at = time.monotonic() + _TIME_LIMIT_S, time.monotonic()
        while True:
            try:
                stack = self._described(name)
            except (BotoCoreError, ClientError) as error:
                if not _is_away(error) or time.monotonic() - seen_at > AWAY_S:
                    raise StackError(f"{name}: {error}. {goes_on.format(name=name)}") from error
            else:
                seen_at = time.monotonic()
                status: str = stack["StackStatus"] if stack is not None else "DELETE_COMPLETE"
                if not status.endswith(_UNDER_WAY):
                    return status
            self._sleep(deadline, name)

    def _reasons(self, name: str) -> list[str]:
        """Return why the last operation failed, the first reason first."""
        found = [
            f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
            for event in self._events(name)
            if event["ResourceStatus"].endswith("FAILED") and event.get("ResourceStatusReason")
        ]
        return found[::-1]

    def _events(self, name: str) -> Iterator[JsonObject]:
        """Yield the events of the last operation, the newest first."""
        token: dict[str, str] = {}
        while True:
            page = self._client.describe_stack_events(StackName=name, **token)
            for event in page["StackEvents"]:
                yield event
                if event.get("PhysicalResourceId") == event["StackId"] and event["ResourceStatus"] in _BEGUN:
                    return
            if "NextToken" not in page:
                return
            token = {"NextToken": page["NextToken"]}

    def _sleep(self, deadline: float, name: str) -> None:
        if time.monotonic() > deadline:
            told = _GOES_ON.format(name=name)
            raise StackError(f"{name} is not done after {_TIME_LIMIT_S // 60} minutes. {told}")
        time.sleep(self._poll_s)


@contextmanager
def _told_if_interrupted(name: str, goes_on: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise StackError(f"{name}: interrupted. {goes_on.format(name=name)}") from interrupt


def _is_away(error: BotoCoreError | ClientError) -> bool:
    """Return whether the error says of the network or the service alone that it cannot be asked now."""
    if not isinstance(error, ClientError):
        return isinstance(error, HTTPClientError | NoConnectionError)
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or error.response["Error"]["Code"] in _BUSY


def _is_empty(reason: str) -> bool:
    # The two texts of an update without changes, and the one of a template with a transform.
    return "didn't contain changes" in reason or "No updates are to be performed" in reason


def _change(resource: Mapping[str, str]) -> Change:
    return Change(
        resource["Action"],
        resource["ResourceType"],
        resource["LogicalResourceId"],
        replaced=resource.get("Replacement", "False"),
    )
