"""A stack in the emulator: what ``resources.json`` declares."""

import json
import time
from collections.abc import Iterable, Mapping
from itertools import takewhile
from typing import Any, Final

from chalice_offline.aws_client import local_client
from chalice_offline.project.inspection import ProjectError

_TIMEOUT_S: Final = 60.0
_POLL_S: Final = 0.1
_BEGINNING: Final = "User Initiated"
"""The reason of the event that an attempt to create or change a stack begins with."""


def ensure_stack(
    name: str, template: Mapping[str, Any], endpoint: str, aws: Mapping[str, str]
) -> dict[str, str]:
    """Create a stack, or bring it to its template; return its outputs. It blocks: call it in a thread.

    Args:
        aws: Region and credentials, as environment variables.

    Raises:
        ProjectError: The emulator could not create it, with its reason.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # as in aws_client

    client = local_client("cloudformation", endpoint, aws)
    arguments = {
        "StackName": name,
        "TemplateBody": json.dumps(template),
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
    }
    try:
        try:
            client.create_stack(**arguments)
        except client.exceptions.AlreadyExistsException:
            _update(client, arguments)
        return _outputs(client, name)
    except (ClientError, BotoCoreError) as error:
        raise ProjectError(f"resources.json: {error}") from error


def _update(client: Any, arguments: Mapping[str, Any]) -> None:
    try:
        client.update_stack(**arguments)
    except client.exceptions.ClientError as error:
        if "No updates" not in str(error):
            raise


def _outputs(client: Any, name: str) -> dict[str, str]:
    """Wait until a stack is as asked for; return its outputs."""
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        (stack,) = client.describe_stacks(StackName=name)["Stacks"]
        status = stack["StackStatus"]
        if status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
            return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
        if not status.endswith("_IN_PROGRESS") or time.monotonic() > deadline:
            events = client.describe_stack_events(StackName=name)["StackEvents"]
            raise ProjectError(f"resources.json: {why_not(status, events)}")
        time.sleep(_POLL_S)


def why_not(status: str, events: Iterable[Mapping[str, Any]]) -> str:
    """Return why a stack is not as asked for.

    Args:
        events: The stack's, latest first, those of earlier attempts last.
    """
    attempt = takewhile(lambda event: event.get("ResourceStatusReason") != _BEGINNING, events)
    failed = [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason') or event['ResourceStatus']}"
        for event in attempt
        if event["ResourceStatus"].endswith("_FAILED")
    ]
    told = ": ".join(part for part in (status, "; ".join(reversed(failed))) if part)
    if not status.startswith("UPDATE"):
        return told
    return f"{told.rstrip('.')}. The command reset wipes what is kept, and what is declared is made anew"
