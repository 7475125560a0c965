"""The event that Lambda hands to a function for a batch of SQS messages.

Shape: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html, "Example Amazon SQS message event".
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from chalice_offline.json_text import encoded

# Lambda cuts a batch so that its event fits an invocation.
PAYLOAD_BYTES_MAX: Final = 6 * 1024 * 1024
# Of a character in JSON, and of all of a message but its body and its own attributes.
_ESCAPED_BYTES_MAX: Final = 12
_OTHER_BYTES_MAX: Final = 8 * 1024

Message = Mapping[str, Any]


def batch_event(messages: Sequence[Message], queue_arn: str) -> dict[str, Any]:
    """Return the event for messages as ReceiveMessage's JSON gives them."""
    return {"Records": [_record(message, queue_arn) for message in messages]}


def cut(
    messages: Sequence[Message], *, size_max: int, bytes_max: int = PAYLOAD_BYTES_MAX
) -> Iterator[list[Message]]:
    """Yield batches of at most that many messages and bytes, in order;
    a message larger than that goes alone.
    """
    if len(messages) <= size_max and sum(map(_bytes_at_most, messages)) <= bytes_max:
        # As nearly always: without each being written once more, only to be counted.
        if messages:
            yield [*messages]
        return
    batch: list[Message] = []
    batch_bytes = 0
    for message in messages:
        message_bytes = len(encoded(message))
        if batch and (len(batch) == size_max or batch_bytes + message_bytes > bytes_max):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(message)
        batch_bytes += message_bytes
    if batch:
        yield batch


def _bytes_at_most(message: Message) -> float:
    if message.get("MessageAttributes"):
        return math.inf
    return _ESCAPED_BYTES_MAX * len(message["Body"]) + _OTHER_BYTES_MAX


def _record(message: Message, queue_arn: str) -> dict[str, Any]:
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {
            name: _attribute(attribute) for name, attribute in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def _attribute(attribute: Mapping[str, Any]) -> dict[str, Any]:
    values = {
        camel: attribute[pascal]
        for pascal, camel in (("StringValue", "stringValue"), ("BinaryValue", "binaryValue"))
        if pascal in attribute
    }
    # Reserved by SQS and always empty, yet always there.
    return {**values, "stringListValues": [], "binaryListValues": [], "dataType": attribute["DataType"]}
