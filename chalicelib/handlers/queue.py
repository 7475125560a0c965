"""The consumers of the orders queue and of its dead letters: a batch in, what must come back out."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from chalicelib.bootstrap import services
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.queue_messages import UnreadableMessageError
from chalicelib.logs import logger
from chalicelib.services.consumer.dead_letters import DeadLetter, resolve_each
from chalicelib.services.consumer.messages import Received
from chalicelib.services.consumer.whole_batches import UnfinishedError, settle_whole
from chalicelib.services.ports import ReceivedMessages
from chalicelib.wire.queue_messages import parse_message


def execute_orders(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    """Work through a batch together; report what has to be delivered again.

    The batch is one unit of work: one claim, one write-ahead, one outcome.
    """
    records = list(SQSEvent(event).records)
    finished = _consume(records)
    services().observer.flush()
    _tell_presence(records)
    return _response(event, context, finished, lambda: services().received_orders)


def settle_dead_letters(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    """Finish what dead letters are about; report those that have to stay."""
    letters = [
        DeadLetter(record.message_id, record.body, int(record.attributes.approximate_receive_count))
        for record in SQSEvent(event).records
    ]
    try:
        resolved = resolve_each(services().resolve_dead_letters, letters)
    except RetryableError as fault:
        logger.warning("dead letters put off", reason=fault.message)
        resolved = {letter.message_id: False for letter in letters}
    services().observer.count("DeadLettersResolved", sum(resolved.values()))
    services().observer.flush()
    return _response(event, context, resolved, lambda: services().received_dead_letters)


def _response(
    event: dict[str, Any],
    context: Any,
    finished: dict[str, bool],
    received: Callable[[], ReceivedMessages],
) -> PartialItemFailureResponse:
    """Return the partial response; Powertools' processor thinks record by record,
    so it is given each message's outcome.

    Raises:
        UnfinishedError: Something has to come back, and the mapping takes no partial response.
    """
    if not services().settings.partial_batch_responses:
        by_handle = {each.receipt_handle: finished[each.message_id] for each in SQSEvent(event).records}
        settle_whole(received, by_handle)
        return {"batchItemFailures": []}

    def outcome_of(record: SQSRecord) -> None:
        if not finished[record.message_id]:
            raise UnfinishedError(record.message_id)

    # An all-failed batch is no defect here: every order of it may be waiting for the chain.
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, outcome_of, processor, context)


def _tell_presence(records: list[SQSRecord]) -> None:
    try:
        services().tell_presence.took(int(record.attributes.sent_timestamp) for record in records)
    except Exception as error:  # noqa: BLE001  # the batch is done: none of it may come back for this
        logger.warning("consumer not noted", reason=str(error))


def _consume(records: list[SQSRecord]) -> dict[str, bool]:
    """Return for each message whether it has done its work."""
    ours = {record.message_id: received for record in records if (received := _received(record))}
    try:
        done = services().consume_messages.consume(list(ours.values())) if ours else []
    except RetryableError as fault:
        # As when a secret cannot be read: nothing was begun, and the queue brings all of it back.
        logger.warning("batch put off", reason=fault.message)
        done = [False] * len(ours)
    return {record.message_id: False for record in records} | dict(zip(ours, done, strict=True))


def _received(record: SQSRecord) -> Received | None:
    count = int(record.attributes.approximate_receive_count)
    try:
        return Received(parse_message(record.body), record.receipt_handle, count)
    except UnreadableMessageError as error:
        # Reported as unfinished until the queue moves it to the dead letters, where it is archived.
        message_id, reason = record.message_id, str(error)
        logger.warning("message not ours", message_id=message_id, receive_count=count, reason=reason)
        return None
