"""Create or update the project's queues at the SQS endpoint."""

from collections.abc import Iterable

from chalice_offline.event_source.sqs_client import SqsClient, SqsError
from chalice_offline.queue_template import QueueSpec


async def ensure_queues(client: SqsClient, queues: Iterable[QueueSpec]) -> None:
    """Bring each queue to its definition, in order. Safe to repeat: messages stay.

    Raises:
        SqsError: The endpoint refused a definition.
    """
    for queue in queues:
        try:
            url = await client.queue_url(queue.name)
        except SqsError as error:
            if error.code not in {"QueueDoesNotExist", "NonExistentQueue"}:
                raise
            await client.call("CreateQueue", {"QueueName": queue.name, "Attributes": dict(queue.attributes)})
        else:
            attributes = {name: value for name, value in queue.attributes.items() if name != "FifoQueue"}
            await client.call("SetQueueAttributes", {"QueueUrl": url, "Attributes": attributes})
