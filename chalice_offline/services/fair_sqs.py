"""MiniStack's SQS with fair standard queues, whose calls cost the same however much a queue holds.

MiniStack goes through all messages of a queue several times for each call, and delivers them in
the order in which they were sent. ``install`` puts other functions in the places of those that
do; FIFO queues keep MiniStack's own. It also does quicker what each call needs, of any queue: to
find the queue by its URL, to make ids, and to write the answer.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from typing import Any, Final, cast

from ministack.core.responses import get_account_id
from ministack.services import sqs

from chalice_offline.json_text import encoded
from chalice_offline.services.fair_messages import FairMessages, Message
from chalice_offline.services.long_polls import LOOK_S, Gather, until_visible
from chalice_offline.uuids import new_uuid

_Queue = dict[str, Any]
_Request = dict[str, Any]
_URLS_KEPT: Final = 256
# What MiniStack's ``_ensure_msg_fields`` adds where it is missing: nothing to a message that was sent here.
_FIELDS: Final = frozenset(
    {
        "md5_body",
        "message_attributes",
        "md5_attrs",
        "first_receive_at",
        "receive_count",
        "receipt_handle",
        "sent_at",
        "visible_at",
        "sys",
        "group_id",
        "dedup_id",
        "seq",
    }
)
_HANDLE: Final = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_INVALID: Final = "ReceiptHandleIsInvalid"
_INVALID_TEXT: Final = "The input receipt handle is invalid."
# Private to MiniStack; ``test_fair_sqs.py`` fails if a release renames one.
_TAKEN_OVER: Final = {
    "ReceiveMessage": "_act_receive_message",
    "DeleteMessage": "_act_delete_message",
    "DeleteMessageBatch": "_act_delete_message_batch",
    "ChangeMessageVisibility": "_act_change_visibility",
    "ChangeMessageVisibilityBatch": "_act_change_visibility_batch",
}
_own: Final[dict[str, Callable[..., Any]]] = {}
# MiniStack's own mappings receive in threads.
_lock: Final = Lock()


def install() -> None:
    """Make MiniStack's standard queues fair; safe to call twice."""
    if _own:
        return
    ours: dict[str, Callable[..., Any]] = {
        "_get_q": _get_queue,
        "_collect_msgs": _collect,
        "_dlq_sweep": _move_dead_letters,
        "_expire_retained": _expire,
        "_delete_messages_for_esm": _delete_for_mapping,
        "_act_receive_message": _receive,
        "_act_delete_message": _delete,
        "_act_delete_message_batch": _delete_batch,
        "_act_change_visibility": _change_visibility,
        "_act_change_visibility_batch": _change_visibility_batch,
        "_queue_ref_from_urlish": lru_cache(maxsize=_URLS_KEPT)(sqs._queue_ref_from_urlish),  # noqa: SLF001
        "_json_ok": _json_answer,
        "new_uuid": new_uuid,
    }
    for name, function in ours.items():
        _own[name] = getattr(sqs, name)
        setattr(sqs, name, function)
    for action, name in _TAKEN_OVER.items():
        sqs._HANDLERS[action] = ours[name]  # noqa: SLF001


def _messages(queue: _Queue) -> FairMessages:
    """Return a standard queue's messages, which are a plain list in a new queue and after a restart."""
    if not isinstance(queue["messages"], FairMessages):
        with _lock:
            if not isinstance(kept := queue["messages"], FairMessages):
                queue["messages"] = FairMessages(kept, prepare=_complete)
    return cast("FairMessages", queue["messages"])


def _complete(message: Message) -> None:
    """Give a message what it lacks, as those of other services' do."""
    if not message.keys() >= _FIELDS:
        sqs._ensure_msg_fields(message)  # noqa: SLF001


def _json_answer(document: _Request, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/x-amz-json-1.0"}, encoded(document)


def _get_queue(url: str, action: str | None = None) -> _Queue:
    """Find a queue; what is added to it afterwards is added to the messages that it keeps.

    An address of an account that has none here, as code names a deployed queue, means this one's by its name.
    """
    try:
        queue = cast("_Queue", _own["_get_q"](_own_url(url), action))
    except sqs._Err:  # noqa: SLF001
        account, name = sqs._queue_ref_from_urlish(url)  # noqa: SLF001
        if account is None or account == get_account_id():
            raise
        queue = cast("_Queue", _own["_get_q"](sqs._queue_url(name), action))  # noqa: SLF001
    if not queue["is_fifo"]:
        _messages(queue)
    return queue


@lru_cache(maxsize=_URLS_KEPT)
def _own_url(url: str) -> str:
    """Return the URL by which MiniStack keeps a queue, whatever the address that it is asked for by; else it
    looks for that first, and then for the name.
    """
    account, name = sqs._queue_ref_from_urlish(url)  # noqa: SLF001
    return cast("str", sqs._queue_url_for_account(account, name)) if account else url  # noqa: SLF001


async def _receive(request: _Request, url: str) -> _Request:
    """Receive what there is, or what comes within the time that the request gives it."""
    queue, own = _queue(request, url, "sqs:ReceiveMessage"), _own["_act_receive_message"]
    if queue["is_fifo"]:
        return cast("_Request", await own(request, url))
    gather, at_once = Gather.of(request), {**request, "WaitTimeSeconds": 0}
    if gather.seconds > 0:
        await until_visible(_messages(queue), gather.messages, timeout_s=gather.seconds)
    asked = request.get("WaitTimeSeconds")
    wait_s = int(queue["attributes"].get("ReceiveMessageWaitTimeSeconds", "0") if asked is None else asked)
    deadline = time.monotonic() + wait_s
    while not (answer := await own(at_once, url)) and (left_s := deadline - time.monotonic()) > 0:
        # The queue may be deleted meanwhile, and made anew.
        messages = _messages(_queue(request, url, "sqs:ReceiveMessage"))
        await until_visible(messages, 1, timeout_s=min(left_s, LOOK_S))
        # Should there be a message that a receive does not find, the others' calls go on.
        await asyncio.sleep(0)
    return cast("_Request", answer)


def _collect(queue: _Queue, most: int, hidden_s: int) -> list[Message]:
    if queue["is_fifo"]:
        return cast("list[Message]", _own["_collect_msgs"](queue, most, hidden_s))
    now = time.time()

    def mark(message: Message) -> None:
        message["receipt_handle"] = new_uuid()
        message["visible_at"] = now + hidden_s
        message["receive_count"] += 1
        if message["first_receive_at"] is None:
            message["first_receive_at"] = now

    return _messages(queue).receive(most, now, mark)


def _move_dead_letters(queue: _Queue) -> None:
    """Move what was received too often, when it has become visible again."""
    if queue["is_fifo"]:
        _own["_dlq_sweep"](queue)
        return
    messages, now = _messages(queue), time.time()
    returned = messages.returned(now)
    if not returned:
        return
    most, arn = _redrive(queue["attributes"].get("RedrivePolicy") or "")
    target = sqs._queue_by_arn(arn) if most and arn else None  # noqa: SLF001
    if target is None:
        return
    if not target["is_fifo"]:
        _messages(target)
    for message in returned:
        if message["receive_count"] >= most:
            messages.remove(message)
            marks = {"DeadLetterQueueSourceArn": queue["attributes"].get("QueueArn", "")}
            moved = {**message, "receipt_handle": None, "visible_at": now}
            target["messages"].append({**moved, "sys": {**marks, **message["sys"]}})
            sqs.esm_wake.set()


@lru_cache(maxsize=64)
def _redrive(policy: str) -> tuple[int, str]:
    """Return the maximum of receives and the target's ARN; MiniStack refuses a policy that is none."""
    try:
        read = json.loads(policy)
        return int(read["maxReceiveCount"]), str(read["deadLetterTargetArn"])
    except (ValueError, TypeError, KeyError):
        return 0, ""


def _expire(queue: _Queue) -> None:
    """Drop what is older than the queue keeps messages, oldest first."""
    if queue["is_fifo"]:
        _own["_expire_retained"](queue)
        return
    messages = _messages(queue)
    cutoff = time.time() - int(queue["attributes"].get("MessageRetentionPeriod", "345600"))
    while (oldest := messages.oldest()) is not None and oldest["sent_at"] <= cutoff:
        messages.remove(oldest)


def _delete_for_mapping(url: str, handles: set[str]) -> None:
    queue = sqs._get_q(url)  # noqa: SLF001
    if queue["is_fifo"]:
        _own["_delete_messages_for_esm"](url, handles)
        return
    for handle in handles:
        _messages(queue).delete(handle)


def _delete(request: _Request, url: str) -> _Request:
    queue = _queue(request, url, "sqs:DeleteMessage")
    handle = request.get("ReceiptHandle", "")
    if queue["is_fifo"] or not handle:
        return cast("_Request", _own["_act_delete_message"](request, url))
    if not _is_deleted(queue, handle):
        raise sqs._Err(_INVALID, _INVALID_TEXT)  # noqa: SLF001
    return {}


def _is_deleted(queue: _Queue, handle: str) -> bool:
    """Delete what was received under a handle; False if it can be none.

    SQS answers with success also where it deletes nothing: a consumer may have deleted its message itself,
    and who is late has an older handle than the latest
    (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html).
    """
    return _messages(queue).delete(handle) or _HANDLE.fullmatch(handle) is not None


def _delete_batch(request: _Request, url: str) -> _Request:
    queue = _queue(request, url, "sqs:DeleteMessage")
    if queue["is_fifo"]:
        return cast("_Request", _own["_act_delete_message_batch"](request, url))
    return _each(
        request, "DeleteMessageBatch", lambda entry: _is_deleted(queue, entry.get("ReceiptHandle", ""))
    )


def _change_visibility(request: _Request, url: str) -> _Request:
    queue = _queue(request, url, "sqs:ChangeMessageVisibility")
    if queue["is_fifo"]:
        return cast("_Request", _own["_act_change_visibility"](request, url))
    if not _show_later(queue, request):
        raise sqs._Err(_INVALID, _INVALID_TEXT)  # noqa: SLF001
    return {}


def _change_visibility_batch(request: _Request, url: str) -> _Request:
    queue = _queue(request, url, "sqs:ChangeMessageVisibility")
    if queue["is_fifo"]:
        return cast("_Request", _own["_act_change_visibility_batch"](request, url))
    return _each(request, "ChangeMessageVisibilityBatch", lambda entry: _show_later(queue, entry))


def _show_later(queue: _Queue, entry: _Request) -> bool:
    seconds = int(entry.get("VisibilityTimeout", 30))
    is_found = _messages(queue).show_at(entry.get("ReceiptHandle", ""), time.time() + seconds)
    if is_found and seconds == 0:
        sqs.esm_wake.set()
    return is_found


def _each(request: _Request, action: str, do: Callable[[_Request], bool]) -> _Request:
    """Do something with each entry of a batch request; return its answer."""
    entries = request.get("Entries", [])
    sqs._validate_batch_entries(entries, f"{action}RequestEntry")  # noqa: SLF001
    answer: dict[str, list[_Request]] = {"Successful": [], "Failed": []}
    refusal = {"Code": _INVALID, "Message": _INVALID_TEXT, "SenderFault": True}
    for entry in entries:
        named = {"Id": entry.get("Id", "")}
        if do(entry):
            answer["Successful"].append(named)
        else:
            answer["Failed"].append(named | refusal)
    return answer


def _queue(request: _Request, url: str, action: str) -> _Queue:
    return cast("_Queue", sqs._get_q(request.get("QueueUrl", url), action))  # noqa: SLF001
