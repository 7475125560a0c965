"""Sends dead letters back to their queue: by SQS's own task, or one by one where an endpoint has none."""

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

# Of the JSON protocol, and as emulators say it.
_NO_SUCH_ACTION: Final = frozenset(
    {"UnsupportedOperation", "InvalidAction", "NotImplemented", "InternalFailure"}
)
_BATCH_MAX: Final = 10
_POLL_S: Final = 0.5
_WAIT_S: Final = (
    1  # for a message; the queue's own twenty seconds are more than a command waits for any answer
)
DONE: Final = "COMPLETED"


class Redriven(NamedTuple):
    """What became of it; ``status`` is SQS's word, ``DONE`` if all went well."""

    status: str
    moved: int
    why: str = ""


def send_back(client: Any, dead: str, target: str, on_moved: Callable[[int], None]) -> Redriven:
    """Send back all messages that wait in a dead-letter queue; both are named by their queues' names.

    ``on_moved`` is told how many have been so far.

    Raises:
        ClientError: A queue is not there, or the caller has no right to it.
        BotoCoreError: The endpoint does not answer.
    """
    url = client.get_queue_url(QueueName=dead)["QueueUrl"]
    names = ["QueueArn", "ApproximateNumberOfMessages"]
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    try:
        client.start_message_move_task(SourceArn=found["QueueArn"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NO_SUCH_ACTION:
            raise
        to = client.get_queue_url(QueueName=target)["QueueUrl"]
        return _one_by_one(client, url, to, int(found["ApproximateNumberOfMessages"]), on_moved)
    while True:
        task = client.list_message_move_tasks(SourceArn=found["QueueArn"])["Results"][0]
        moved = task.get("ApproximateNumberOfMessagesMoved", 0)
        on_moved(moved)
        if task["Status"] != "RUNNING":
            return Redriven(task["Status"], moved, task.get("FailureReason", ""))
        time.sleep(_POLL_S)


def _one_by_one(client: Any, url: str, to: str, waiting: int, on_moved: Callable[[int], None]) -> Redriven:
    """Send each and then delete it: between the two it is in both queues, which harms no order.

    As many as waited at the beginning: what comes back as dead meanwhile is not sent round and round.
    """
    moved = 0
    while moved < waiting:
        received = client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=min(_BATCH_MAX, waiting - moved),
            WaitTimeSeconds=_WAIT_S,
            AttributeNames=["All"],
        ).get("Messages", [])
        if not received:
            break
        for message in received:
            group = message.get("Attributes", {}).get("MessageGroupId")
            client.send_message(
                QueueUrl=to, MessageBody=message["Body"], **({"MessageGroupId": group} if group else {})
            )
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
            on_moved(moved)
    return Redriven(DONE, moved)
