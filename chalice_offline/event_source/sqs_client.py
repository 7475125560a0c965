"""A small asynchronous SQS client: the few calls an event source
mapping makes, without blocking the event loop.

boto3 costs about 2 ms of processor time a call and a thread each. The protocol is SQS's JSON one
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html).
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from chalice_offline.event_source.http_client import Headers, HttpClient
from chalice_offline.event_source.post_signer import PostSigner
from chalice_offline.json_text import decoded, encoded
from chalice_offline.services.long_polls import GATHER, Gather

# Limits of one call, by SQS.
RECEIVE_MAX: Final = 10
DELETE_MAX: Final = 10
_CONTENT_TYPE: Final = "application/x-amz-json-1.0"
_HTTP_OK: Final = 200
# A signature is good for five minutes (reference_sigv-create-signed-request.html in the IAM user guide).
_SIGNATURE_REUSED_S: Final = 60.0


class SqsError(RuntimeError):
    """SQS refused a call; ``code`` is its error code without namespace, such as ``QueueDoesNotExist``."""

    def __init__(self, operation: str, code: str, message: str) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.code = code


class SqsClient:
    """Calls one SQS endpoint with one set of credentials. All methods may raise SqsError and OSError.

    Attributes:
        endpoint: Where SQS is.
        can_gather: The endpoint answers a receive that waits as soon as it can, and knows ``Gather``.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        region: str,
        access_key: str,
        secret_key: str,
        can_gather: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.endpoint: Final = endpoint
        self.can_gather: Final = can_gather
        parts = urlsplit(endpoint.rstrip("/"))
        self._path = parts.path or "/"
        self._clock = clock
        self._http = HttpClient(endpoint)
        self._signer = PostSigner(
            parts.netloc,
            self._path,
            region=region,
            access_key=access_key,
            secret_key=secret_key,
        )
        # Of receives, which are all alike and most calls of an idle queue: what was signed when, by body.
        self._signed_receives: dict[bytes, tuple[float, Headers]] = {}

    async def queue_url(self, name: str) -> str:
        """Return the queue's URL; ``QueueDoesNotExist`` if there is none."""
        answer = await self.call("GetQueueUrl", {"QueueName": name})
        return str(answer["QueueUrl"])

    async def hidden_s(self, url: str) -> int:
        """Return a queue's visibility timeout."""
        request = {"QueueUrl": url, "AttributeNames": ["VisibilityTimeout"]}
        answer = await self.call("GetQueueAttributes", request)
        return int(answer["Attributes"]["VisibilityTimeout"])

    async def queue_arn(self, url: str) -> str:
        answer = await self.call("GetQueueAttributes", {"QueueUrl": url, "AttributeNames": ["QueueArn"]})
        return str(answer["Attributes"]["QueueArn"])

    async def receive(
        self, url: str, *, count_max: int, wait_s: int, gather: Gather | None = None
    ) -> list[dict[str, Any]]:
        """Return up to ten messages with all their attributes, waiting up to ``wait_s`` for the first.

        ``gather``: If the endpoint can, for how many of them it waits before that.
        """
        request: dict[str, Any] = {
            "QueueUrl": url,
            "MaxNumberOfMessages": min(count_max, RECEIVE_MAX),
            "WaitTimeSeconds": wait_s,
            "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        if gather is not None and self.can_gather:
            request[GATHER] = {"Count": gather.messages, "Seconds": gather.seconds}
        answer = await self.call("ReceiveMessage", request)
        messages: list[dict[str, Any]] = answer.get("Messages") or []
        return messages

    async def delete(self, url: str, receipt_handles: Sequence[str]) -> list[str]:
        """Delete messages in as few calls as SQS allows; return what went wrong, one text per message."""
        problems: list[str] = []
        for start in range(0, len(receipt_handles), DELETE_MAX):
            handles = receipt_handles[start : start + DELETE_MAX]
            entries = [{"Id": str(index), "ReceiptHandle": handle} for index, handle in enumerate(handles)]
            answer = await self.call("DeleteMessageBatch", {"QueueUrl": url, "Entries": entries})
            problems += [
                f"{failed['Code']}: {failed.get('Message', '')}" for failed in answer.get("Failed") or []
            ]
        return problems

    async def release(self, url: str, receipt_handles: Sequence[str]) -> None:
        """Make messages visible again at once."""
        for handle in receipt_handles:
            request = {"QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": 0}
            await self.call("ChangeMessageVisibility", request)

    async def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make one signed call and return its answer."""
        body = encoded(request)
        status, answer = await self._http.post(self._path, self._headers(operation, body), body)
        document = _document(answer)
        if status != _HTTP_OK:
            code = (
                str(document.get("__type", f"Http{status}"))
                .rpartition("#")[2]
                .removeprefix("AWS.SimpleQueueService.")
            )
            raise SqsError(operation, code, str(document.get("message", document.get("Message", ""))))
        return document

    async def close(self) -> None:
        await self._http.close()

    def _headers(self, operation: str, body: bytes) -> Headers:
        if operation != "ReceiveMessage":
            return self._signed(operation, body)
        # The clock that signatures go by: another one may stand still while a laptop sleeps.
        now = self._clock()
        signed_at, headers = self._signed_receives.get(body, (-math.inf, ()))
        if abs(now - signed_at) > _SIGNATURE_REUSED_S:
            headers = self._signed(operation, body)
            self._signed_receives[body] = now, headers
        return headers

    def _signed(self, operation: str, body: bytes) -> Headers:
        fields = {"content-type": _CONTENT_TYPE, "x-amz-target": f"AmazonSQS.{operation}"}
        return self._signer.headers(fields, body, now=self._clock())


def _document(answer: bytes) -> dict[str, Any]:
    try:
        document = decoded(answer or b"{}")
    except ValueError:
        return {"message": answer[:200].decode("utf-8", "replace")}
    return document if isinstance(document, dict) else {}
