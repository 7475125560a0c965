"""The orders queue on SQS."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import RetryableError
from chalicelib.logs import logger
from chalicelib.services.ports import QueueMessage

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

BATCH_MAX: Final = 10
"""Entries per SendMessageBatch (SQS quotas)."""


class SqsOrderQueue:
    """``OrderQueue`` on SQS. Messages carry the account as their group: a fair queue on a standard queue."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def send(self, messages: Sequence[QueueMessage]) -> None:
        try:
            if len(messages) == 1:
                self._send_one(messages[0])
            else:
                for start in range(0, len(messages), BATCH_MAX):
                    self._send_batch(messages[start : start + BATCH_MAX])
        except (ClientError, BotoCoreError) as error:
            raise RetryableError("the queue did not take the message") from error

    def check(self) -> None:
        try:
            self._client.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=["QueueArn"])
        except (ClientError, BotoCoreError) as error:
            raise RetryableError("the queue does not answer") from error

    def retry_in(self, receipt_handle: str, seconds: int) -> None:
        try:
            self._client.change_message_visibility(
                QueueUrl=self._queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
            )
        except (ClientError, BotoCoreError):
            # The queue's own visibility time-out brings the message back, only later.
            logger.warning("visibility not changed", exc_info=True)

    def _send_one(self, message: QueueMessage) -> None:
        self._client.send_message(
            QueueUrl=self._queue_url,
            MessageBody=message.body,
            MessageGroupId=_group(message.account_id),
            DelaySeconds=message.delay_s,
        )

    def _send_batch(self, messages: Sequence[QueueMessage]) -> None:
        answer = self._client.send_message_batch(
            QueueUrl=self._queue_url,
            Entries=[_entry(index, message) for index, message in enumerate(messages)],
        )
        if answer.get("Failed"):
            raise RetryableError("the queue did not take every message")


def _entry(index: int, message: QueueMessage) -> "SendMessageBatchRequestEntryTypeDef":
    return {
        "Id": str(index),
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
