"""What a command asks of an instance that runs: by its status file, and with AWS's own client."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalice_offline.aws_client import local_client
from chalice_offline.schedules.runner import scheduled_event
from chalice_offline.uuids import new_uuid
from chalice_offline.variables import ACCOUNT

_UNKNOWN_NAME: Final = frozenset(
    {"ResourceNotFoundException", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}
)
# A function may take as long as Lambda lets it, and is not invoked again because it is slow.
_CONFIG = Config(read_timeout=905, connect_timeout=5, retries={"total_max_attempts": 1})


class AskingError(RuntimeError):
    """There is no process to ask, or the answer is an error; the message says which."""


class _UnknownNameError(AskingError):
    """What was asked for is not there."""


class Instance:
    """An instance, by its state directory."""

    def __init__(self, state_dir: Path) -> None:
        """Raises ``AskingError``: none is ready there."""
        try:
            self._status: Mapping[str, Any] = json.loads((state_dir / "status.json").read_text())
        except FileNotFoundError:
            raise AskingError(
                f"no instance is running with {state_dir}; start one, or name it with --state-dir"
            ) from None

    def invoke(self, function_name: str, payload: bytes) -> tuple[bytes, bool]:
        """Run a function once; return what it answered, and whether that is a failure."""
        try:
            answer = self._call(
                "lambda", self._status["url"], "invoke", FunctionName=function_name, Payload=payload
            )
        except _UnknownNameError:
            raise _nothing_named("function", function_name, self._status["functions"]) from None
        return answer["Payload"].read(), "FunctionError" in answer

    def send(self, queue: str, body: str) -> str:
        """Send a message to a queue, by its name or its logical id in the template; return its id.

        To a FIFO queue all go in one group, behind each other, and none is taken for another's repetition.
        """
        name = self._status["queues"].get(queue, queue)
        endpoint = self._status["sqs_endpoint"]
        message = {"QueueUrl": f"{endpoint}/{ACCOUNT}/{name}", "MessageBody": body}
        if name.endswith(".fifo"):
            message |= {"MessageGroupId": "by-hand", "MessageDeduplicationId": new_uuid()}
        try:
            sent = self._call("sqs", endpoint, "send_message", **message)
        except _UnknownNameError:
            raise _nothing_named("queue", queue, self._status["queues"].values()) from None
        return str(sent["MessageId"])

    def tick(self, schedule: str) -> tuple[bytes, bool]:
        """Run a schedule's function now, as ``invoke`` does."""
        schedules = self._status["schedules"]
        if schedule not in schedules:
            raise _nothing_named("schedule", schedule, schedules)
        region = self._status["region"]
        event = scheduled_event(schedule, datetime.now(UTC), region=region, account=ACCOUNT)
        return self.invoke(schedule, json.dumps(event).encode())

    def _call(self, service: str, endpoint: str, operation: str, **arguments: Any) -> Any:
        aws = {**self._status["credentials"], "AWS_REGION": self._status["region"]}
        client = local_client(service, endpoint, aws, config=_CONFIG)
        try:
            return getattr(client, operation)(**arguments)
        except ClientError as error:
            is_unknown = error.response.get("Error", {}).get("Code") in _UNKNOWN_NAME
            raise (_UnknownNameError if is_unknown else AskingError)(str(error)) from error
        except BotoCoreError as error:
            raise AskingError(str(error)) from error


def _nothing_named(kind: str, name: str, there_are: Iterable[str]) -> AskingError:
    return AskingError(f"no {kind} {name!r}; there are: {', '.join(sorted(there_are)) or 'none'}")
