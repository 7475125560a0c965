"""The orders queue on SQS, spoken to in its JSON protocol.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pydantic_core import to_json

from chalicelib.adapters.aws_endpoint import Endpoint, NoAnswerError
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import JsonObject
from chalicelib.logs import logger
from chalicelib.services.ports import QueueMessage

BATCH_MAX: Final = 10
"""Entries per batch request (SQS quotas)."""

_CONTENT_TYPE: Final = "application/x-amz-json-1.0"
_OK: Final = 200
_PASSING: Final = frozenset({429, 500, 502, 503, 504})
_TIME_LIMIT_S: Final = 5.0
# A client waits for its acknowledgement meanwhile, and can ask again itself.
_RETRY_DELAYS_S: Final = (0.05, 0.2)
_SHOWN_BYTES_MAX: Final = 200


class SqsError(Exception):
    """SQS refused a call, or did not answer."""


class SqsOrderQueue:
    """``OrderQueue`` on SQS. Messages carry the account as their group: a fair queue on a standard queue."""

    def __init__(
        self, endpoint: Endpoint, queue_url: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._endpoint = endpoint
        self._queue_url = queue_url
        self._sleep = sleep

    def send(self, messages: Sequence[QueueMessage]) -> None:
        try:
            if len(messages) == 1:
                self._send_one(messages[0])
                return
            for start in range(0, len(messages), BATCH_MAX):
                self._send_batch(messages[start : start + BATCH_MAX])
        except SqsError as error:
            raise RetryableError("the queue did not take the message") from error

    def check(self) -> None:
        try:
            self._call("GetQueueAttributes", {"AttributeNames": ["QueueArn"]})
        except SqsError as error:
            raise RetryableError("the queue does not answer") from error

    def retry_in(self, seconds: Mapping[str, int]) -> None:
        wanted = list(seconds.items())
        for start in range(0, len(wanted), BATCH_MAX):
            try:
                self._change_visibility(wanted[start : start + BATCH_MAX])
            except SqsError:
                # The queue's own visibility time-out brings the messages back, only later.
                logger.warning("visibility not changed", exc_info=True)

    def _send_one(self, message: QueueMessage) -> None:
        answer = self._call("SendMessage", _content(message))
        if b'"MessageId"' not in answer:
            raise SqsError("whoever answered did not say that it has the message")

    def _send_batch(self, messages: Sequence[QueueMessage]) -> None:
        entries = [{"Id": str(index), **_content(message)} for index, message in enumerate(messages)]
        answer = self._call("SendMessageBatch", {"Entries": entries})
        if json.loads(answer).get("Failed"):
            raise SqsError("some messages were refused")

    def _change_visibility(self, seconds: Sequence[tuple[str, int]]) -> None:
        changes = [{"ReceiptHandle": handle, "VisibilityTimeout": each} for handle, each in seconds]
        if len(changes) == 1:
            self._call("ChangeMessageVisibility", changes[0])
            return
        # IAM knows no action of this name: the right to change one message's is the right to change several.
        entries = [{"Id": str(index), **change} for index, change in enumerate(changes)]
        answer = self._call("ChangeMessageVisibilityBatch", {"Entries": entries})
        if failed := json.loads(answer).get("Failed"):
            raise SqsError(f"{len(failed)} of {len(entries)} messages keep their time-out")

    def _call(self, operation: str, request: JsonObject) -> bytes:
        named = {"QueueUrl": self._queue_url, **request}
        return call_sqs(self._endpoint, operation, named, sleep=self._sleep)


def find_queue_url(endpoint: Endpoint, name: str) -> str:
    """Return the URL of the queue of that name.

    Raises:
        RetryableError: There is none, or no answer.
    """
    try:
        return str(json.loads(call_sqs(endpoint, "GetQueueUrl", {"QueueName": name}))["QueueUrl"])
    except SqsError as error:
        raise RetryableError(f"the queue {name} was not found") from error


def call_sqs(
    endpoint: Endpoint, operation: str, request: JsonObject, *, sleep: Callable[[float], None] = time.sleep
) -> bytes:
    """Make one call and return its answer, a JSON document; a passing fault is tried again, so that a message may
    be sent twice.

    Raises:
        SqsError: It was refused, or there was no answer each time.
    """
    headers = {"content-type": _CONTENT_TYPE, "x-amz-target": f"AmazonSQS.{operation}"}
    body = to_json(request)
    for delay_s in (*_RETRY_DELAYS_S, None):
        try:
            answer = endpoint.request("POST", "/", body, headers=headers, time_limit_s=_TIME_LIMIT_S)
        except NoAnswerError:
            problem = "no answer"
        else:
            if answer.status == _OK:
                return answer.body
            problem = f"{answer.status}: {answer.body[:_SHOWN_BYTES_MAX].decode(errors='replace')}"
            # Throttling is a 400 in this protocol.
            if answer.status not in _PASSING and b"Throttl" not in answer.body:
                break
        if delay_s is not None:
            sleep(delay_s)
    raise SqsError(f"{operation}: {problem}")


def _content(message: QueueMessage) -> JsonObject:
    return {
        "MessageBody": message.body,
        "MessageGroupId": _group(message.account_id),
        "DelaySeconds": message.delay_s,
    }


def _group(account_id: str) -> str:
    """Return the account in the alphabet of a MessageGroupId: ASCII letters, digits and punctuation."""
    return (
        account_id
        if account_id.isascii() and account_id.isprintable() and " " not in account_id
        else (account_id.encode().hex())
    )
