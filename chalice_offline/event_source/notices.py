"""Events that a service hands to a function without waiting for it: S3's, SNS's and EventBridge's.

On AWS they are asynchronous invocations. Here the service sends them to a queue of the runtime's own, where
they wait as they do within Lambda, and a mapping turns each message into the event that the function gets.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from chalice_offline.event_source.records import Message

# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html: two more tries, the first
# of them after a minute, and six hours until what could not be handed over is dropped.
TRIES: Final = 3
RETRY_AFTER_S: Final = 60
KEPT_S: Final = 6 * 60 * 60

_OF_VERSION_2_3: Final = (
    "ObjectTagging:",
    "ObjectAcl:",
    "Lifecycle",
    "IntelligentTiering",
    "ObjectRestore:Delete",
)

AsEvent = Callable[[Sequence[Message], str], Mapping[str, Any] | None]
"""From messages, and the ARN of their queue, to a function's event; None if they tell functions nothing."""


def bucket_event(messages: Sequence[Message], _queue_arn: str) -> Mapping[str, Any] | None:
    """Return S3's notification; the one with which it tries out a queue has no records.

    The emulator has one version of records for all events, and tells the size of what was deleted.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    notice: dict[str, Any] = json.loads(messages[0]["Body"])
    for record in notice.get("Records", ()):
        name = str(record.get("eventName"))
        record["eventVersion"] = "2.3" if name.startswith(_OF_VERSION_2_3) else "2.1"
        if name == "ObjectRemoved:Delete":
            for told in ("size", "eTag"):
                record["s3"]["object"].pop(told, None)
    return notice if "Records" in notice else None


def topic_event(messages: Sequence[Message], queue_arn: str) -> Mapping[str, Any]:
    """Return SNS's event (https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html): its record has the
    envelope's fields, two of them under other names.
    """
    envelope = json.loads(messages[0]["Body"])
    told = {
        "Type": envelope["Type"],
        "MessageId": envelope["MessageId"],
        "TopicArn": envelope["TopicArn"],
        "Subject": envelope.get("Subject"),
        "Message": envelope["Message"],
        "Timestamp": envelope["Timestamp"],
        "SignatureVersion": envelope.get("SignatureVersion"),
        "Signature": envelope.get("Signature"),
        "SigningCertUrl": envelope.get("SigningCertURL"),
        "UnsubscribeUrl": envelope.get("UnsubscribeURL"),
        "MessageAttributes": envelope.get("MessageAttributes") or {},
    }
    subscription = f"{envelope['TopicArn']}:{uuid.uuid5(uuid.NAMESPACE_URL, queue_arn)}"
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription,
        "Sns": told,
    }
    return {"Records": [record]}


def bus_event(messages: Sequence[Message], _queue_arn: str) -> Mapping[str, Any]:
    """Return EventBridge's event, which is the message."""
    event: dict[str, Any] = json.loads(messages[0]["Body"])
    return event


AS_EVENT: Final[Mapping[str, AsEvent]] = {"s3": bucket_event, "sns": topic_event, "events": bus_event}
"""By the service that sends."""
