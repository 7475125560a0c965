"""The orders queue on SQS, spoken to in its JSON protocol.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from hashlib import md5
from typing import Final, NamedTuple, NoReturn

from pydantic_core import from_json, to_json

from chalicelib.adapters.aws.endpoint import Endpoint, EndpointAnswer
from chalicelib.adapters.aws.http_request import NoAnswerError, NotSentError
from chalicelib.adapters.time_left import TimeLeft, time_left
from chalicelib.domain.errors import RetryableError, UnansweredError
from chalicelib.logs import logger
from chalicelib.services.ports import QueueMessage, Sent
from chalicelib.wire.json_text import JsonObject

BATCH_MAX: Final = 10
"""Entries per batch request (SQS quotas)."""

_CONTENT_TYPE: Final = "application/x-amz-json-1.0"
_OK: Final = 200
_REQUEST_TIMEOUT: Final = 408
_TOO_MANY_REQUESTS: Final = 429
# A client that waits for an acknowledgement has its answer after eight
# seconds at the latest, within the time of every function.
TIME_LIMIT_S: Final = 2.5
# A client waits for its acknowledgement meanwhile, and can ask again itself.
RETRY_DELAYS_S: Final = (0.05, 0.2)
_DELAYS_S: Final = (*RETRY_DELAYS_S, None)
_SHOWN_BYTES_MAX: Final = 200
# As SQS says it in JSON, and as it said it in XML, which emulators may.
_NO_SUCH_QUEUE: Final = re.compile("QueueDoesNotExist|NonExistentQueue")


class SqsError(Exception):
    """SQS refused a call, or could not be asked: it did nothing."""


class SqsUnansweredError(SqsError):
    """SQS may have done what it was asked."""


class _Taken(NamedTuple):
    """What the queue says of a batch of messages, one by one in their order."""

    sent: Sequence[Sent]

    @property
    def is_none(self) -> bool:
        return set(self.sent) == {Sent.REFUSED}

    @property
    def is_all(self) -> bool:
        return set(self.sent) == {Sent.TAKEN}


class _Queue:
    """A queue on SQS, and how it is asked."""

    def __init__(
        self,
        endpoint: Endpoint,
        queue_url: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        time_left: TimeLeft = time_left,
    ) -> None:
        self._endpoint = endpoint
        self._queue_url = queue_url
        self._sleep = sleep
        self._time_left = time_left

    def _tried(self, operation: str, request: JsonObject) -> "Tried":
        named = {"QueueUrl": self._queue_url, **request}
        return try_sqs(self._endpoint, operation, named, sleep=self._sleep, time_left=self._time_left)


class SqsOrderQueue(_Queue):
    """``OrderQueue`` on SQS. Messages carry the account as their group: a fair queue on a standard queue."""

    def send(self, messages: Sequence[QueueMessage]) -> None:
        sent = 0
        try:
            if len(messages) == 1:
                self._send_one(messages[0])
                return
            for start in range(0, len(messages), BATCH_MAX):
                self._send_batch(messages[start : start + BATCH_MAX])
                sent = start + BATCH_MAX
        except SqsUnansweredError as error:
            _note_unsent(len(messages) - sent, error)
            raise UnansweredError("the queue does not say whether it took the message") from error
        except SqsError as error:
            _note_unsent(len(messages) - sent, error)
            if sent:
                raise UnansweredError("the queue took some of the messages") from error
            raise RetryableError("the queue did not take the message") from error

    def send_each(self, messages: Sequence[QueueMessage]) -> Sequence[Sent]:
        found: list[Sent] = []
        for start in range(0, len(messages), BATCH_MAX):
            part = messages[start : start + BATCH_MAX]
            try:
                found += self._try_batch(part).sent
            except SqsError as error:
                is_open = isinstance(error, SqsUnansweredError)
                found += [Sent.UNKNOWN if is_open else Sent.REFUSED] * len(part)
                _note_unsent(len(part), error)
        return found

    def check(self) -> None:
        try:
            self._tried("GetQueueAttributes", {"AttributeNames": ["QueueArn"]})
        except SqsError as error:
            _raise_not_answering(error)

    def retry_in(self, seconds: Mapping[str, int]) -> None:
        wanted = list(seconds.items())
        for start in range(0, len(wanted), BATCH_MAX):
            try:
                self._change_visibility(wanted[start : start + BATCH_MAX])
            except SqsError as error:
                # The queue's own visibility time-out brings the messages back, only later.
                logger.warning("visibility not changed", reason=str(error))

    def _send_one(self, message: QueueMessage) -> None:
        answer = members_of(self._tried("SendMessage", _content(message)).body)
        if "MessageId" not in answer or not _is_as_sent(message, answer):
            raise SqsUnansweredError("the answer does not say that the queue has the message")

    def _send_batch(self, messages: Sequence[QueueMessage]) -> None:
        taken = self._try_batch(messages)
        if taken.is_none:
            raise SqsError("all messages were refused")
        if not taken.is_all:
            raise SqsUnansweredError(f"{taken.sent.count(Sent.TAKEN)} of {len(messages)} messages were taken")

    def _try_batch(self, messages: Sequence[QueueMessage]) -> _Taken:
        """Send up to ten messages in one call, and return what SQS says of each.

        An entry under ``Failed`` "can't be enqueued" (BatchResultErrorEntry); but an earlier try of the same
        call without an answer may have enqueued it, and of an entry in neither list nothing is known.
        """
        sent = {str(index): message for index, message in enumerate(messages)}
        entries = [{"Id": id_, **_content(message)} for id_, message in sent.items()]
        called = self._tried("SendMessageBatch", {"Entries": entries})
        answer = members_of(called.body)
        refused = _ids(_entries(answer, "Failed"))
        taken = _ids(each for each in _entries(answer, "Successful") if _is_among(sent, each))
        if refused:
            logger.warning(
                "messages refused", messages=len(refused), reason=str(answer["Failed"])[:_SHOWN_BYTES_MAX]
            )
        when_refused = Sent.UNKNOWN if called.is_repeated else Sent.REFUSED
        return _Taken(
            [
                Sent.TAKEN if each["Id"] in taken else when_refused if each["Id"] in refused else Sent.UNKNOWN
                for each in entries
            ]
        )

    def _change_visibility(self, seconds: Sequence[tuple[str, int]]) -> None:
        changes = [{"ReceiptHandle": handle, "VisibilityTimeout": each} for handle, each in seconds]
        if len(changes) == 1:
            self._tried("ChangeMessageVisibility", changes[0])
            return
        # IAM knows no action of this name: the right to change one message's is the right to change several.
        entries = [{"Id": str(index), **change} for index, change in enumerate(changes)]
        answer = members_of(self._tried("ChangeMessageVisibilityBatch", {"Entries": entries}).body)
        if failed := _entries(answer, "Failed"):
            raise SqsError(f"{len(failed)} of {len(entries)} messages keep their time-out")


class SqsReceivedMessages(_Queue):
    """``ReceivedMessages`` of a queue on SQS."""

    def delete(self, receipt_handles: Sequence[str]) -> None:
        for start in range(0, len(receipt_handles), BATCH_MAX):
            # IAM knows no action of this name: the right to delete one message covers several.
            entries = [
                {"Id": str(index), "ReceiptHandle": handle}
                for index, handle in enumerate(receipt_handles[start : start + BATCH_MAX])
            ]
            try:
                answer = members_of(self._tried("DeleteMessageBatch", {"Entries": entries}).body)
                failed = _entries(answer, "Failed")
            except SqsError as error:
                logger.warning("messages not deleted", reason=str(error))
                continue
            if failed:
                logger.warning("messages not deleted", count=len(failed))


def find_queue_url(endpoint: Endpoint, name: str) -> str:
    """Return the URL of the queue of that name.

    Raises:
        RetryableError: There is none, or no answer.
    """
    try:
        found = members_of(call_sqs(endpoint, "GetQueueUrl", {"QueueName": name})).get("QueueUrl")
    except SqsError as error:
        if _NO_SUCH_QUEUE.search(str(error)):
            raise RetryableError(f"the queue {name} was not found") from error
        _raise_not_answering(error)
    if not isinstance(found, str):
        raise RetryableError(f"the queue {name} was not found")
    return found


def _note_unsent(messages: int, error: SqsError) -> None:
    """Say why, to operators alone: what clients are told names no cause."""
    logger.warning("messages not sent for certain", messages=messages, reason=str(error))


def _raise_not_answering(error: SqsError) -> NoReturn:
    logger.warning("queue does not answer", reason=str(error))
    raise RetryableError("the queue does not answer") from error


class Tried(NamedTuple):
    """A successful answer.

    Attributes:
        is_repeated: An earlier try may have been carried out as well, unanswered.
    """

    body: bytes
    is_repeated: bool


def call_sqs(endpoint: Endpoint, operation: str, request: JsonObject) -> bytes:
    """Make one call, as ``try_sqs`` does, and return its answer alone."""
    return try_sqs(endpoint, operation, request).body


def try_sqs(
    endpoint: Endpoint,
    operation: str,
    request: JsonObject,
    *,
    sleep: Callable[[float], None] = time.sleep,
    time_left: TimeLeft = time_left,
) -> Tried:
    """Make one call and return its answer, a JSON document; a passing fault is
    tried again, so that a message may be sent twice.

    Raises:
        SqsUnansweredError: Some try may have been carried out, and no later one was answered with a success.
        SqsError: It was refused, or did not reach SQS, each time.
    """
    headers, body = _headers(operation), to_json(request)
    failure, problem = SqsError, "no time left"
    for delay_s in _DELAYS_S:
        limit_s = time_left.for_work(TIME_LIMIT_S)
        if not limit_s:
            break
        try:
            answer = endpoint.request("POST", "/", body, headers=headers, time_limit_s=limit_s)
        except NotSentError as error:
            problem = str(error) or "not reached"
        except NoAnswerError:
            failure, problem = SqsUnansweredError, "no answer"
        else:
            if answer.status == _OK:
                return Tried(answer.body, failure is SqsUnansweredError)
            problem = f"{answer.status}: {answer.body[:_SHOWN_BYTES_MAX].decode(errors='replace')}"
            if not _is_definite(answer):
                failure = SqsUnansweredError
            elif not _is_throttled(answer):
                break
        if delay_s is not None:
            sleep(time_left.for_work(delay_s))
    raise failure(f"{operation}: {problem}")


@cache
def _headers(operation: str) -> Mapping[str, str]:
    return {"content-type": _CONTENT_TYPE, "x-amz-target": f"AmazonSQS.{operation}"}


def _is_definite(answer: EndpointAnswer) -> bool:
    """Return whether an answer says that nothing was done: who fails (5xx) may have done it before."""
    return 400 <= answer.status < 500 and answer.status != _REQUEST_TIMEOUT


def _is_throttled(answer: EndpointAnswer) -> bool:
    # Throttling is a 400 in this protocol.
    return answer.status == _TOO_MANY_REQUESTS or b"Throttl" in answer.body


def members_of(answer: bytes) -> JsonObject:
    """Return the members of an answer.

    Raises:
        SqsUnansweredError: It is none of SQS's.
    """
    try:
        found = from_json(answer)
    except ValueError as error:
        raise SqsUnansweredError("the answer is no JSON") from error
    if not isinstance(found, dict):
        raise SqsUnansweredError("the answer is no JSON object, as SQS's are")
    return found


def _ids(entries: Iterable[JsonObject]) -> frozenset[str]:
    return frozenset(str(each.get("Id")) for each in entries)


def _is_among(sent: Mapping[str, QueueMessage], entry: JsonObject) -> bool:
    """Return whether an entry says that the queue has the message of its id."""
    message = sent.get(str(entry.get("Id")))
    return message is not None and _is_as_sent(message, entry)


def _is_as_sent(message: QueueMessage, answer: JsonObject) -> bool:
    """Return whether what the queue has is the message that was sent, as far as the answer tells."""
    digest = answer.get("MD5OfMessageBody")
    return digest is None or digest == md5(message.body.encode(), usedforsecurity=False).hexdigest()


def _entries(answer: JsonObject, name: str) -> Sequence[JsonObject]:
    """Return a batch's entries under ``Successful`` or ``Failed``.

    Raises:
        SqsUnansweredError: The answer has none of SQS's forms.
    """
    listed = answer.get(name) or []
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise SqsUnansweredError(f"{name} is no list of entries, as SQS's are")
    return listed


def _content(message: QueueMessage) -> JsonObject:
    return {
        "MessageBody": message.body,
        "MessageGroupId": _group(message.account_id),
        "DelaySeconds": message.delay_s,
    }


@lru_cache(maxsize=1_024)
def _group(account_id: str) -> str:
    """Return the account in the alphabet of a MessageGroupId: ASCII letters, digits and punctuation."""
    return (
        account_id
        if account_id.isascii() and account_id.isprintable() and " " not in account_id
        else (account_id.encode().hex())
    )
