"""The consumer of the orders queue: a batch in, the messages that must come back out."""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from chalicelib.bootstrap import services
from chalicelib.logs import logger
from chalicelib.services.consuming import Received
from chalicelib.wire.queue_messages import parse_message


class UnfinishedError(Exception):
    """A message has not done its work yet and must be delivered again."""


def execute_orders(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    """Work through a batch together; report what has to be delivered again.

    The batch is one unit of work: one claim, one write-ahead, one outcome. Powertools' processor,
    which thinks record by record, then turns the outcomes into the partial response.
    """
    finished = _consume(list(SQSEvent(event).records))

    def outcome_of(record: SQSRecord) -> None:
        if not finished[record.message_id]:
            raise UnfinishedError(record.message_id)

    # An all-failed batch is no defect here: every order of it may be waiting for the chain.
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, outcome_of, processor, context)


def _consume(records: list[SQSRecord]) -> dict[str, bool]:
    """Return for each message whether it has done its work."""
    ours = {record.message_id: received for record in records if (received := _received(record))}
    done = services().consuming.consume(list(ours.values())) if ours else []
    return {record.message_id: False for record in records} | dict(zip(ours, done, strict=True))


def _received(record: SQSRecord) -> Received | None:
    count = int(record.attributes.approximate_receive_count)
    try:
        return Received(parse_message(record.body), record.receipt_handle, count)
    except ValueError:
        # Reported as unfinished until the queue moves it to the dead letters, where it is archived.
        logger.warning("message not ours", message_id=record.message_id, receive_count=count)
        return None
