"""The consumers as Lambda calls them, on a real queue and a real database."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from chalice_offline.event_source.records import batch_event
from chalicelib import bootstrap
from chalicelib.domain.statuses import OrderStatus
from chalicelib.handlers.queue import execute_orders, settle_dead_letters
from chalicelib.services.ports import QueueMessage

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_SOURCE = "arn:aws:sqs:us-east-1:000000000000:"


@dataclass
class Consumer:
    """The handler, wired by the environment alone, and the queue it reads."""

    client: "SQSClient"
    queue_url: str
    services: bootstrap.Services

    def put(self, *bodies: str) -> None:
        self.services.queue.send([QueueMessage(body, "local") for body in bodies])

    def run(self) -> tuple[list[str], list[str]]:
        """Receive a batch and hand it over; return the message ids received, and those reported back."""
        received = self._receive()
        response = execute_orders(batch_event(received, f"{_SOURCE}orders"))
        unfinished = [str(failure["itemIdentifier"]) for failure in response["batchItemFailures"]]
        return [message["MessageId"] for message in received], unfinished

    def resolve(self) -> tuple[list[str], list[str]]:
        """Do as ``run`` does, with what lies in the queue for dead letters."""
        received = self._receive()
        response = settle_dead_letters(batch_event(received, f"{_SOURCE}orders-dlq"))
        stay = [str(failure["itemIdentifier"]) for failure in response["batchItemFailures"]]
        return [message["MessageId"] for message in received], stay

    def _receive(self) -> Any:
        answer = self.client.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, AttributeNames=["All"]
        )
        return cast("Any", answer["Messages"])

    def status(self, order_id: UUID) -> OrderStatus | None:
        view = self.services.queries.find("local", order_id)
        return view.state.status if view else None
